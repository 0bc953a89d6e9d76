use crate::{
    aws::store_failure,
    context::Context,
    dead_letters::{DeadLetter, DeadLetters, Selection},
    failure::Failure,
    output::{print, progress},
    reconcile::{Discrepancy, Severity, Snapshot, Subject, findings},
    saga::{Wait, waiting_for},
};
use clap::Args;
use rialto_aws::{SdkConfig, Stage};
use rialto_kernel::{Clock, OrderId, ProductId, SystemClock};
use std::{collections::BTreeSet, time::Duration};

/// Check that orders, inventory and payments agree; exit status 1 if they don't
///
/// Compares stock, movements, reservations, orders, payments and the ledger in the services'
/// tables; all of them, page by page, unless --order or --product is given. Discrepancies are read
/// again for a few seconds, because concurrent changes can cause them. Work in progress (PENDING
/// orders, unsettled charges and refunds) is reported separately until ten minutes after the
/// order's deadline. Nothing is changed.
#[derive(Debug, Args)]
pub(crate) struct Reconcile {
    /// Only this order; can be repeated
    #[arg(long = "order", value_name = "ORDER_ID", value_parser = OrderId::parse)]
    orders: Vec<OrderId>,
    /// Only this product's stock and every order that ever moved it; can be repeated
    #[arg(long = "product", value_name = "PRODUCT_ID", value_parser = ProductId::parse)]
    products: Vec<ProductId>,
}

/// How often discrepancies are read again.
const RECHECKS: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);

impl Reconcile {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (aws, stage) = (context.aws().await?, &context.stage);
        let snapshot = self.read(&aws, stage).await?;
        self.check_ids_exist(&snapshot)?;
        progress(format!("Checked {}.", snapshot.counts()));
        let (snapshot, broken, under_way) = lasting(&aws, stage, snapshot).await?;
        if !under_way.is_empty() {
            progress("In progress:");
            under_way.iter().try_for_each(|finding| print(finding.to_string()))?;
        }
        if broken.is_empty() {
            progress("Everything agrees.");
            return Ok(());
        }
        progress("These don't agree:");
        let letters = DeadLetters::open(&aws, stage).peek(&Selection::default()).await?;
        report_lines(&broken, &snapshot, &letters).iter().try_for_each(print)?;
        Err(Failure::new(
            format!("{} things don't agree.", broken.len()),
            "Redrive the dead letters that are named above, then run this again. Without one, see rialto saga stuck and rialto \
             order timeline of the order, and the services' logs of the order or product.",
        ))
    }

    async fn read(&self, aws: &SdkConfig, stage: &Stage) -> Result<Snapshot, Failure> {
        let snapshot = if self.orders.is_empty() && self.products.is_empty() {
            Snapshot::load_all(aws, stage).await
        } else {
            let products: Vec<_> = self.products.iter().map(ToString::to_string).collect();
            let orders: Vec<_> = self.orders.iter().map(ToString::to_string).collect();
            Snapshot::load_for(aws, stage, &products, &orders).await
        };
        snapshot.map_err(|error| store_failure("Reading the tables", &error))
    }

    /// Orders and products named on the command line must exist.
    fn check_ids_exist(&self, snapshot: &Snapshot) -> Result<(), Failure> {
        let known = |id: &OrderId| {
            snapshot.orders.iter().any(|order| order.order_id == *id)
                || snapshot.reservations.iter().any(|held| held.order_id == *id)
                || snapshot.payments.iter().any(|payment| payment.order_id == *id)
        };
        let stocked = |id: &ProductId| snapshot.stocks.iter().any(|stock| stock.product_id == *id);
        let order =
            self.orders.iter().find(|id| !known(id)).map(|id| format!("No service knows {id}."));
        let product = self.products.iter().find(|id| !stocked(id));
        match order.or(product.map(|id| format!("Inventory has no stock of {id}."))) {
            Some(what) => Err(Failure::new(what, "Check the id and --stage.")),
            None => Ok(()),
        }
    }
}

/// The discrepancies that are still there when they are read again for a few seconds: what is
/// broken and what is in progress, with the last snapshot of what was read again.
///
/// # Errors
/// [`Failure`] if a table can't be read.
pub(super) async fn lasting(
    aws: &SdkConfig,
    stage: &Stage,
    mut snapshot: Snapshot,
) -> Result<(Snapshot, Vec<Discrepancy>, Vec<Discrepancy>), Failure> {
    let mut found = findings(&snapshot, SystemClock.now());
    for _ in 0..RECHECKS {
        if !found.iter().any(may_settle) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        (snapshot, found) = again(aws, stage, found).await?;
    }
    let (broken, under_way) = found.into_iter().partition(is_broken);
    Ok((snapshot, broken, under_way))
}

/// A discrepancy may be due to a concurrent change, and a product that was being sold may have
/// settled by now.
fn may_settle(finding: &Discrepancy) -> bool {
    is_broken(finding) || matches!(finding.about, Subject::Product(_))
}

fn is_broken(finding: &Discrepancy) -> bool {
    finding.standing == Severity::Inconsistent
}

/// The remaining discrepancies of the same orders and products.
async fn again(
    aws: &SdkConfig,
    stage: &Stage,
    found: Vec<Discrepancy>,
) -> Result<(Snapshot, Vec<Discrepancy>), Failure> {
    let subjects: BTreeSet<Subject> = found.iter().map(|finding| finding.about.clone()).collect();
    let (mut products, mut orders) = (Vec::new(), Vec::new());
    for subject in &subjects {
        match subject {
            Subject::Product(id) => products.push(id.to_string()),
            Subject::Order(id) => orders.push(id.to_string()),
            Subject::Item(_) => {}
        }
    }
    let snapshot = Snapshot::load_for(aws, stage, &products, &orders).await;
    let snapshot = snapshot.map_err(|error| store_failure("Reading the tables", &error))?;
    // An invalid item stays invalid.
    let mut left: Vec<Discrepancy> =
        found.into_iter().filter(|finding| matches!(finding.about, Subject::Item(_))).collect();
    left.extend(findings(&snapshot, SystemClock.now()).into_iter().filter(|finding| {
        match finding.about {
            Subject::Item(_) => false,
            Subject::Order(_) | Subject::Product(_) => subjects.contains(&finding.about),
        }
    }));
    Ok((snapshot, left))
}

/// Discrepancies, and below the last one of each order the dead letters that explain them.
fn report_lines(
    broken: &[Discrepancy],
    snapshot: &Snapshot,
    letters: &[DeadLetter],
) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, finding) in broken.iter().enumerate() {
        lines.push(finding.to_string());
        let last = broken.get(at + 1).is_none_or(|next| next.about != finding.about);
        if let (Subject::Order(order), true) = (&finding.about, last) {
            let waits = waiting_for(snapshot, *order);
            lines.extend(waits.iter().filter_map(|wait| reason(wait, *order, letters)));
        }
    }
    lines
}

fn reason(wait: &Wait, order: OrderId, letters: &[DeadLetter]) -> Option<String> {
    let letter = wait.dead(order, letters)?;
    let source = &letter.source;
    Some(format!(
        "    because it is waiting for {wait}, a dead letter of {source}: rialto dlq redrive --order {order} --yes"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dead_letters::{Source, tests::delivered},
        reconcile::tests::{confirmed_but_not_sold, paid, refunded},
    };
    use rialto_contracts::{Event, EventContext, payments::RefundIssued};
    use rialto_kernel::Timestamp;
    use serde::Deserialize;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    #[test]
    fn explaining_dead_letters_are_listed() {
        let (snapshot, confirmed) = confirmed_but_not_sold();
        let broken: Vec<_> = findings(&snapshot, NOW).into_iter().filter(is_broken).collect();
        let alone = report_lines(&broken, &snapshot, &[]);
        assert!(alone[0].contains("line 1 is Ordered, its stock Some(Reserved)"), "{alone:?}");
        let letter = delivered(Source::Consumer("inventory-on-orders".to_owned()), &confirmed);
        let with_reason = report_lines(&broken, &snapshot, &[letter]);
        assert_eq!(with_reason.len(), alone.len() + 1);
        assert!(
            with_reason.last().unwrap().contains("rialto dlq redrive --order ord_"),
            "{with_reason:?}"
        );
    }

    #[test]
    fn missing_timeline_events_are_explained() {
        let mut snapshot = refunded();
        let refund = snapshot.orders[0].timeline.pop().unwrap();
        let broken: Vec<_> = findings(&snapshot, NOW).into_iter().filter(is_broken).collect();
        assert_eq!(report_lines(&broken, &snapshot, &[]).len(), 1);
        let event = Event::new(
            &RefundIssued::deserialize(&refund.data).unwrap(),
            1,
            0,
            refund.time,
            &EventContext {
                correlationid: Some(snapshot.orders[0].order_id.to_string()),
                ..EventContext::default()
            },
        );
        let letter = delivered(Source::Consumer("orders-on-payments".to_owned()), &event);
        let with_reason = report_lines(&broken, &snapshot, &[letter]);
        assert!(
            with_reason[1].contains("RefundIssued to be processed by orders-on-payments"),
            "{with_reason:?}"
        );
    }

    #[test]
    fn unknown_orders_and_products_are_rejected() {
        let snapshot = paid();
        let (order, product) = (snapshot.orders[0].order_id, snapshot.stocks[0].product_id);
        let known = Reconcile { orders: vec![order], products: vec![product] };
        assert!(known.check_ids_exist(&snapshot).is_ok());
        let other =
            Reconcile { orders: vec![order, OrderId::derive(&[b"other"])], products: Vec::new() };
        assert!(other.check_ids_exist(&snapshot).is_err());
        let other =
            Reconcile { orders: Vec::new(), products: vec![ProductId::derive(&[b"other"])] };
        assert!(other.check_ids_exist(&snapshot).is_err());
    }
}
