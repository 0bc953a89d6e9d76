use crate::{
    bus::publish,
    context::Context,
    dead_letters::{DeadLetters, Selection},
    failure::Failure,
    outbox,
    output::{print, progress, table},
    redrive,
};
use clap::Args;
use rialto_contracts::Event;
use rialto_kernel::{OrderId, ProductId};
use rialto_relay::EventBus;

/// Publish again what didn't reach the bus. Shows what it would do, unless --yes is given.
///
/// Without --order or --product: every event that a relay put aside because the bus refused it. With one of them, what can
/// still be told of it, whether it was published or not, for a stream or a queue that has lost something: everything that
/// orders announced of the order, and what the items of the other services carry now, the events of the last change of each.
/// An event keeps its id, and who has heard it before does nothing.
#[derive(Debug, Args)]
pub(crate) struct OutboxResend {
    /// All that orders announced of it, and what its reservation and its payment last announced.
    #[arg(long, value_name = "ORDER_ID", value_parser = OrderId::parse)]
    order: Option<OrderId>,
    /// What the product last announced.
    #[arg(long, value_name = "PRODUCT_ID", value_parser = ProductId::parse, conflicts_with = "order")]
    product: Option<ProductId>,
    /// Do it.
    #[arg(long)]
    yes: bool,
}

impl OutboxResend {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let aws = context.aws().await?;
        let pk = match (self.order, self.product) {
            (Some(order), _) => format!("ORDER#{order}"),
            (None, Some(product)) => format!("PRODUCT#{product}"),
            (None, None) => {
                let letters = DeadLetters::open(&aws, &context.stage);
                let selection = Selection { outboxes_only: true, ..Selection::default() };
                return redrive::run(&letters, &context.stage, &selection, self.yes).await;
            }
        };
        let events = outbox::announced(&aws, &context.stage, &pk).await?;
        if events.is_empty() {
            return Err(Failure::new(
                format!("Nothing is announced by {pk}."),
                "Check the id and --stage; a product whose last change announced nothing has nothing to send.",
            ));
        }
        if self.yes {
            publish(&EventBus::open(&aws, &context.stage), &events).await?;
        }
        table(&rows(&events)).iter().try_for_each(print)?;
        progress(match self.yes {
            true => format!("{} published.", events.len()),
            false => {
                format!("{} would be published. Nothing was done; --yes does it.", events.len())
            }
        });
        Ok(())
    }
}

fn rows(events: &[Event]) -> Vec<[String; 4]> {
    let mut rows = vec![["event", "id", "about", "time"].map(str::to_owned)];
    rows.extend(events.iter().map(|event| {
        [event.kind.clone(), event.id.to_string(), event.subject.clone(), event.time.to_string()]
    }));
    rows
}
