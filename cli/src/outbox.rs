//! What items carry in their outboxes now: the events of their last change, published or not.

use crate::{aws::store_failure, failure::Failure, tables::partition};
use rialto_aws::{SdkConfig, Stage};
use rialto_contracts::Event;
use rialto_dynamo::{Item, OUTBOX, Table};

const SERVICES: [&str; 5] = [
    rialto_accounts::SERVICE,
    rialto_catalog::SERVICE,
    rialto_inventory::SERVICE,
    rialto_orders::SERVICE,
    rialto_payments::SERVICE,
];

/// The events that the items of a partition carry, whichever service's they are.
///
/// # Errors
/// [`Failure`] when a table can't be read, or an outbox.
pub(crate) async fn carried(aws: &SdkConfig, stage: &Stage, pk: &str) -> Result<Vec<Event>, Failure> {
    let mut events = Vec::new();
    for service in SERVICES {
        let items = partition(&Table::open(aws, stage, service), pk).await;
        for item in items.map_err(|error| store_failure(&format!("Reading {service}"), &error))? {
            events.extend(outbox(&item).map_err(|why| {
                Failure::new(
                    format!("An outbox of {pk} in {service} can't be read: {why}."),
                    "Use a release of this command that is as new as what is deployed.",
                )
            })?);
        }
    }
    Ok(events)
}

fn outbox(item: &Item) -> Result<Vec<Event>, String> {
    match item.get(OUTBOX).map(|value| value.as_s()) {
        None => Ok(Vec::new()),
        Some(Ok(text)) => serde_json::from_str(text).map_err(|error| error.to_string()),
        Some(Err(_)) => Err("it is no text".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letters::tests::{event, order};
    use rialto_dynamo::{AttributeValue, Key, write_item};

    #[test]
    fn an_item_carries_the_events_of_its_last_change() {
        let key = Key::new("ORDER#1", "ORDER");
        let events = [event(order("a"))];
        let item = write_item(&key, &serde_json::json!({"version": 1}), &events).unwrap();
        assert_eq!(outbox(&item).unwrap(), events);
        assert_eq!(outbox(&key.item()).unwrap(), []);
        for broken in [AttributeValue::S("[{]".to_owned()), AttributeValue::N("1".to_owned())] {
            let mut item = key.item();
            item.insert(OUTBOX.to_owned(), broken);
            assert!(outbox(&item).is_err());
        }
    }
}
