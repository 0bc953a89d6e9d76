//! Events that can be published again: those stored in items' outboxes (of each item's last change,
//! published or not), and orders' own events, rebuilt from an order's timeline.

use crate::{aws::store_failure, failure::Failure, tables::partition};
use rialto_aws::{SdkConfig, Stage};
use rialto_contracts::Event;
use rialto_dynamo::{Item, OUTBOX, Table, item_key, read_item};
use rialto_orders::domain::order::Order;
use std::collections::BTreeSet;

const SERVICES: [&str; 5] = [
    rialto_accounts::SERVICE,
    rialto_catalog::SERVICE,
    rialto_inventory::SERVICE,
    rialto_orders::SERVICE,
    rialto_payments::SERVICE,
];

/// The known events of a partition, of any service, oldest first.
///
/// # Errors
/// [`Failure`] if a table or an outbox can't be read.
pub(crate) async fn stored_events(
    aws: &SdkConfig,
    stage: &Stage,
    pk: &str,
) -> Result<Vec<Event>, Failure> {
    let mut events = Vec::new();
    for service in SERVICES {
        let items = partition(&Table::open(aws, stage, service), pk).await;
        for item in items.map_err(|error| store_failure(&format!("Reading {service}"), &error))? {
            events.extend(events_of(service, item).map_err(|why| {
                Failure::new(
                    format!("The outbox of {pk} in {service} can't be parsed: {why}."),
                    "Use a release of this command as new as the deployment.",
                )
            })?);
        }
    }
    events.sort_by_key(|event| (event.time, event.id));
    Ok(events)
}

fn events_of(service: &str, item: Item) -> Result<Vec<Event>, String> {
    let mut events = outbox(&item)?;
    let key = item_key(&item).map_err(|error| error.to_string())?;
    if (service, key.sk.as_str()) == (rialto_orders::SERVICE, "ORDER") {
        let order: Order = read_item(item).map_err(|error| error.to_string())?;
        let earlier = order.rebuild_events().map_err(|error| error.to_string())?;
        let carried: BTreeSet<_> = events.iter().map(|event| event.id).collect();
        events.extend(earlier.into_iter().filter(|event| !carried.contains(&event.id)));
    }
    Ok(events)
}

fn outbox(item: &Item) -> Result<Vec<Event>, String> {
    match item.get(OUTBOX).map(|value| value.as_s()) {
        None => Ok(Vec::new()),
        Some(Ok(text)) => serde_json::from_str(text).map_err(|error| error.to_string()),
        Some(Err(_)) => Err("it isn't a string".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dead_letters::tests::{event, order},
        reconcile::tests::declined,
    };
    use rialto_dynamo::{AttributeValue, Key, write_item};

    #[test]
    fn items_store_the_events_of_their_last_change() {
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
    #[test]
    fn orders_events_are_rebuilt_from_the_timeline() {
        let order = &declined().orders[0];
        let item = write_item(&Key::new("ORDER#1", "ORDER"), order, &[]).unwrap();
        let events = events_of(rialto_orders::SERVICE, item).unwrap();
        let events: Vec<_> = events.iter().map(|event| (event.kind.as_str(), event.id)).collect();
        let own = order.timeline.iter().filter(|entry| entry.source == "rialto.orders");
        let own: Vec<_> = own.map(|entry| (entry.kind.as_str(), entry.id)).collect();
        assert_eq!(events, own);
        assert_eq!(
            events.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(),
            ["OrderPlaced", "OrderCancelled"]
        );
    }

    #[test]
    fn stored_events_are_listed_once() {
        let order = &declined().orders[0];
        let mut carried = order.rebuild_events().unwrap().pop().unwrap();
        carried.traceparent = Some("00-1-2-01".to_owned());
        let key = Key::new("ORDER#1", "ORDER");
        let item = write_item(&key, order, std::slice::from_ref(&carried)).unwrap();
        let events = events_of(rialto_orders::SERVICE, item).unwrap();
        assert_eq!((events.len(), events.contains(&carried)), (2, true));
        let elsewhere = write_item(&key, order, std::slice::from_ref(&carried)).unwrap();
        assert_eq!(events_of(rialto_payments::SERVICE, elsewhere).unwrap(), [carried]);
    }
}
