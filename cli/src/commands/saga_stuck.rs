use crate::{
    aws::store_failure,
    context::Context,
    dead_letters::{DeadLetter, DeadLetters, Selection},
    duration,
    failure::Failure,
    output::{print, progress, table},
    reconcile::Snapshot,
    saga::{Stuck, stuck},
};
use clap::Args;
use rialto_kernel::{Clock, OrderId, SystemClock, Timestamp};
use std::time::Duration;

/// Show orders that are stuck, what they are waiting for, and what to do
///
/// PENDING orders, stock not yet sold or released, charges and refunds not yet settled, and events
/// that orders hasn't processed. Reads whole tables unless --order is given. Nothing is changed.
#[derive(Debug, Args)]
pub(crate) struct SagaStuck {
    /// Only orders without an event for longer than this (90s, 10m, 2h, 3d), or past their deadline
    #[arg(long, value_name = "AGE", default_value = "5m", value_parser = duration::parse)]
    older: Duration,
    /// Only this order
    #[arg(long, value_name = "ORDER_ID", value_parser = OrderId::parse)]
    order: Option<OrderId>,
}

impl SagaStuck {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (aws, stage) = (context.aws().await?, &context.stage);
        let snapshot = match self.order {
            Some(order) => Snapshot::load_for(&aws, stage, &[], &[order.to_string()]).await,
            None => Snapshot::load_all(&aws, stage).await,
        };
        let snapshot = snapshot.map_err(|error| store_failure("Reading the orders", &error))?;
        if let (Some(order), true) = (self.order, snapshot.orders.is_empty()) {
            return Err(Failure::new(
                format!("Orders doesn't know {order}."),
                "Check the id and --stage. rialto reconcile shows whether it has stock or money all the same.",
            ));
        }
        let now = SystemClock.now();
        let stuck = stuck(&snapshot, now, self.older);
        if stuck.is_empty() {
            progress(format!("{} orders, none of them stuck.", snapshot.orders.len()));
            return Ok(());
        }
        let selection = self.order.map(Selection::of_order).unwrap_or_default();
        let letters = DeadLetters::open(&aws, stage).peek(&selection).await?;
        lines(&stuck, &letters, now).iter().try_for_each(print)
    }
}

/// A row for each order, followed by advice.
fn lines(stuck: &[Stuck], letters: &[DeadLetter], now: Timestamp) -> Vec<String> {
    let mut rows = vec![["order", "state", "for", "waits for"].map(str::to_owned)];
    rows.extend(stuck.iter().map(|stuck| {
        let age = duration::short(now.since(stuck.since));
        [stuck.order.to_string(), stuck.state.to_owned(), age, stuck.wait.to_string()]
    }));
    let mut rows = table(&rows).into_iter();
    let heading = rows.next();
    let rows =
        rows.zip(stuck).flat_map(|(row, stuck)| [row, format!("    {}", stuck.advice(letters))]);
    heading.into_iter().chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dead_letters::tests::{NOW, order},
        saga::Wait,
    };

    #[test]
    fn every_stuck_order_has_advice() {
        let wait = Wait::Event { kind: "OrderPlaced", consumer: "inventory-on-orders" };
        let since = Timestamp::from_millis(NOW.millis() - 120_000);
        let stuck = Stuck { order: order("o"), state: "PENDING", since, wait, overdue: false };
        let lines = lines(&[stuck], &[], NOW);
        assert_eq!(lines.len(), 3);
        assert!(
            lines[1].contains("PENDING  2m   OrderPlaced to be processed by inventory-on-orders"),
            "{lines:?}"
        );
        assert!(lines[2].starts_with("    no dead letter has it"), "{lines:?}");
    }
}
