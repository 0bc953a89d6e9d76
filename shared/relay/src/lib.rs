//! The outbox relay: reads a table's stream and publishes its events on the bus.
//!
//! An event is published at least once, always with the id that its write gave it. Events that the
//! bus can never accept go into the outbox's dead-letter queue, and the stream goes on; while the
//! bus can't be reached, or has no capacity, the stream waits.

mod bus;
mod image;
mod publish;

pub use bus::{BusError, EventBus, RejectedEvent, batches};
pub use image::ItemImage;

use image::StreamEvent;
use publish::Publisher;
use rialto_contracts::Event;
use rialto_lambda::{FunctionContext, boot};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// Derives events that depend on the result of a write, from the item before and after it.
pub type Derive = fn(before: &ItemImage, after: &ItemImage) -> Vec<Event>;

/// The time reserved for the last requests.
const RESERVE: Duration = Duration::from_secs(5);

/// Serves `<service>-relay`. `derive` adds events to those of the outbox.
pub fn serve(function: &'static str, derive: Option<Derive>) {
    boot::run(function, |app| handler(app, derive));
}

fn handler(app: &FunctionContext, derive: Option<Derive>) -> boot::Handler {
    let publisher = Arc::new(Publisher::from_environment(app));
    let clock = Arc::clone(&app.clock);
    boot::handler((publisher, clock), move |(publisher, clock), payload, context| async move {
        let now = clock.now();
        let left = boot::deadline(&context, now).since(now);
        let deadline = Instant::now() + left.saturating_sub(RESERVE);
        let stream: StreamEvent = serde_json::from_value(payload)?;
        let mut events = Vec::new();
        let mut unreadable = Vec::new();
        for record in &stream.records {
            match events_of(&record.before(), &record.after(), derive) {
                Ok(new) => events.extend(new),
                Err(outbox) => unreadable.push(outbox),
            }
        }
        publisher.publish(events, deadline).await?;
        publisher.dead_letter(&unreadable).await?;
        Ok(json!({}))
    })
}

/// The events of a change: those that its outbox has and the item before it hasn't, and the derived
/// ones.
fn events_of(
    before: &ItemImage,
    after: &ItemImage,
    derive: Option<Derive>,
) -> Result<Vec<Event>, String> {
    let read = |image: &ItemImage| match image.string("outbox") {
        None => Ok(Vec::new()),
        Some(text) => serde_json::from_str::<Vec<Event>>(text).map_err(|_| text.to_owned()),
    };
    let published: Vec<_> =
        read(before).unwrap_or_default().into_iter().map(|event| event.id).collect();
    let mut events = read(after)?;
    events.retain(|event| !published.contains(&event.id));
    if let Some(derive) = derive {
        events.extend(derive(before, after));
    }
    Ok(events)
}

/// An event as the `detail` of a bus entry.
fn detail(event: &Event) -> String {
    serde_json::to_value(event).unwrap_or(Value::Null).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_contracts::{
        EventContext,
        accounts::{SellerRegistered, UserRegistered},
    };
    use rialto_kernel::{SellerId, Timestamp, UserId};

    fn image(events: &[Event]) -> ItemImage {
        ItemImage::from(json!({"outbox": {"S": serde_json::to_string(events).unwrap()}}))
    }

    fn events() -> (Event, Event) {
        let now = Timestamp::from_millis(1);
        let user = UserRegistered { user_id: UserId::derive(&[b"u"]) };
        let seller = SellerRegistered { seller_id: SellerId::derive(&[b"s"]) };
        let cause = EventContext::default();
        (Event::new(&user, 1, 0, now, &cause), Event::new(&seller, 2, 0, now, &cause))
    }

    #[test]
    fn new_events_are_published_once() {
        let (first, second) = events();
        let nothing = ItemImage::default();
        assert_eq!(
            events_of(&nothing, &image(std::slice::from_ref(&first)), None).unwrap(),
            std::slice::from_ref(&first)
        );
        let unchanged = image(std::slice::from_ref(&first));
        assert!(
            events_of(&unchanged, &image(std::slice::from_ref(&first)), None).unwrap().is_empty()
        );
        assert_eq!(
            events_of(&unchanged, &image(std::slice::from_ref(&second)), None).unwrap(),
            [second]
        );
        assert!(events_of(&unchanged, &nothing, None).unwrap().is_empty());
    }

    #[test]
    fn unreadable_outboxes_are_passed_on_unchanged() {
        let broken = ItemImage::from(json!({"outbox": {"S": "[{]"}}));
        assert_eq!(events_of(&ItemImage::default(), &broken, None), Err("[{]".to_owned()));
    }
}
