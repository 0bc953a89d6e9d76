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

/// Publish events again; a dry run unless --yes is given
///
/// Without --order or --product: every event that a relay couldn't publish. With one of them: every
/// event that is still stored, published or not, for a stream or queue that lost some: all of
/// orders' events of the order, and the events of the last change of the other services' items.
/// Events keep their ids, so a consumer that has processed one ignores it.
#[derive(Debug, Args)]
pub(crate) struct OutboxResend {
    /// The order: its own events, and the last events of its reservation and its payment
    #[arg(long, value_name = "ORDER_ID", value_parser = OrderId::parse)]
    order: Option<OrderId>,
    /// The product: its last events
    #[arg(long, value_name = "PRODUCT_ID", value_parser = ProductId::parse, conflicts_with = "order")]
    product: Option<ProductId>,
    /// Publish for real
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
        let events = outbox::stored_events(&aws, &context.stage, &pk).await?;
        if events.is_empty() {
            return Err(Failure::new(
                format!("{pk} has no stored events."),
                "Check the id and --stage; a product whose last change emitted no event has none.",
            ));
        }
        if self.yes {
            publish(&EventBus::open(&aws, &context.stage), &events).await?;
        }
        table(&rows(&events)).iter().try_for_each(print)?;
        progress(match self.yes {
            true => format!("{} published.", events.len()),
            false => {
                format!(
                    "{} would be published. This was a dry run; add --yes to publish.",
                    events.len()
                )
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
