//! Events that can be published again: those stored in items' outboxes (of each item's last change,
//! published or not), and orders' own events, rebuilt from an order's timeline.

use crate::{aws::store_failure, failure::Failure, tables::partition};
use rialto_aws::{SdkConfig, Stage};
use rialto_contracts::Event;
use rialto_dynamo::{Item, OUTBOX, Table, item_key, read_item};
use rialto_orders::domain::order::Order;
use std::collections::BTreeSet;

const SERVICES: [&str; 6] = [
    rialto_accounts::SERVICE,
    rialto_catalog::SERVICE,
    rialto_delivery::SERVICE,
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
        let items = items.map_err(|error| store_failure(&format!("Reading {service}"), &error))?;
        events.extend(events_of(service, items).map_err(|why| {
            Failure::new(
                format!("The outbox of {pk} in {service} can't be parsed: {why}."),
                "Use a release of this command as new as the deployment.",
            )
        })?);
    }
    events.sort_by_key(|event| (event.time, event.id));
    Ok(events)
}

/// The events of a partition's items, in the order of their keys: an order comes before the parts
/// of its timeline.
fn events_of(service: &str, items: Vec<Item>) -> Result<Vec<Event>, String> {
    let (mut events, mut order) = (Vec::new(), None::<Order>);
    for item in items {
        events.extend(outbox(&item)?);
        let key = item_key(&item).map_err(|error| error.to_string())?;
        if service != rialto_orders::SERVICE {
            continue;
        }
        if key.sk == "ORDER" {
            order = Some(read_item(item).map_err(|error| error.to_string())?);
        } else if key.sk.starts_with("TIMELINE#")
            && let Some(order) = &mut order
        {
            order.restore(read_item(item).map_err(|error| error.to_string())?);
        }
    }
    if let Some(order) = order {
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
    use rialto_kernel::EventId;
    use rialto_orders::domain::timeline::TimelineEntry;

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
        let events = events_of(rialto_orders::SERVICE, vec![item]).unwrap();
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
        let events = events_of(rialto_orders::SERVICE, vec![item]).unwrap();
        assert_eq!((events.len(), events.contains(&carried)), (2, true));
        let elsewhere = write_item(&key, order, std::slice::from_ref(&carried)).unwrap();
        assert_eq!(events_of(rialto_payments::SERVICE, vec![elsewhere]).unwrap(), [carried]);
    }

    #[test]
    fn events_of_a_long_timeline_are_rebuilt() {
        let mut order = declined().orders[0].clone();
        let filler = order.timeline.iter().find(|entry| entry.source != "rialto.orders");
        let filler = filler.unwrap().clone();
        let own = order.rebuild_events().unwrap();
        for number in 0..60_u8 {
            let id = EventId::derive(&[&[number]]);
            order.timeline.push(TimelineEntry { id, ..filler.clone() });
        }
        let (newest, parts) = order.archive_timeline();
        assert_eq!(newest.rebuild_events().unwrap(), []);
        let mut items =
            vec![write_item(&Key::new("ORDER#1", "ORDER"), newest.as_ref(), &[]).unwrap()];
        items.extend(parts.iter().map(|part| {
            write_item(&Key::new("ORDER#1", format!("TIMELINE#{}", part.number)), part, &[])
                .unwrap()
        }));
        assert_eq!(events_of(rialto_orders::SERVICE, items).unwrap(), own);
    }
}
