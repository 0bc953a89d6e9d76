use crate::{
    adapters::dynamodb::DynamoInventory,
    application::{
        on_order_cancelled::on_order_cancelled, on_order_confirmed::on_order_confirmed,
        on_order_line::on_order_line, on_order_placed::on_order_placed,
    },
    domain::reserved_line::LineEnd,
    ports::Reservations,
};
use rialto_contracts::orders::{LineSnapshot, Orders};
use rialto_kernel::PlantedBug;
use rialto_lambda::sqs::{self, Failure, Message, Outcome};

pub fn main() {
    // One at a time: orders of a batch often reserve the same product and would only conflict.
    sqs::consume("inventory-on-orders", 1, |app| sqs::handler(DynamoInventory::open(app), handle));
}

/// Handles one message of the queue.
///
/// # Errors
/// [`Failure`]: the message must be redelivered.
pub async fn handle(store: impl Reservations, message: Message) -> Result<Outcome, Failure> {
    let (context, now) = (message.event_context(), message.now());
    let write = match Orders::decode(&message.event)? {
        Orders::OrderPlaced(placed) => on_order_placed(&store, &placed, &context, now).await?,
        Orders::OrderConfirmed(confirmed) => {
            on_order_confirmed(&store, &confirmed, &context, now).await?
        }
        Orders::OrderCancelled(cancelled) => {
            on_order_cancelled(&store, &cancelled, &context, now).await?
        }
        other => {
            let Some((mut line, end)) = line_event(&other) else { return Ok(Outcome::Ignored) };
            let is_split = matches!(other, Orders::OrderLineSplit(_));
            if !is_split && PlantedBug::OtherSplitsIgnored.is_planted() {
                line.splits.clear();
            }
            on_order_line(&store, &line, end, &context, now).await?
        }
    };
    Ok(write.into())
}

/// The line of an event about one, and how the line ends by it, if it does.
fn line_event(event: &Orders) -> Option<(LineSnapshot, Option<LineEnd>)> {
    Some(match event {
        Orders::OrderLineRejected(event) => (event.line(), Some(LineEnd::Cancelled)),
        Orders::OrderLineCancelled(event) => (event.line(), Some(LineEnd::Cancelled)),
        Orders::OrderLineReturned(event) if event.restock => {
            (event.line(), Some(LineEnd::Restocked))
        }
        Orders::OrderLineReturned(event) => (event.line(), Some(LineEnd::WrittenOff)),
        Orders::OrderLineAccepted(event) => (event.line(), None),
        Orders::OrderLineCancelRequested(event) => (event.line(), None),
        Orders::OrderLineCancelRefused(event) => (event.line(), None),
        Orders::OrderLineReturnRequested(event) => (event.line(), None),
        Orders::OrderLineReturnDeclined(event) => (event.line(), None),
        Orders::OrderLineSplit(event) => (event.line(), None),
        _ => return None,
    })
}
