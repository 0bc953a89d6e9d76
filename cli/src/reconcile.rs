//! Reconciliation: whether the state of inventory, orders, payments and delivery agrees.
//!
//! One implementation, on the services' own types, for every store: fill a [`Snapshot`] and call
//! [`findings`].

mod check;
pub(crate) mod expected_events;
mod read;
#[cfg(test)]
pub(crate) mod tests;

pub use check::findings;

use rialto_delivery::domain::delivery::LineDelivery;
use rialto_dynamo::{Item, item_key, read_item};
use rialto_inventory::domain::{movement::Movement, reservation::Reservation, stock::Stock};
use rialto_kernel::{OrderId, ProductId, StoreError, Timestamp};
use rialto_orders::domain::{order::Order, timeline::TimelinePart};
use rialto_payments::domain::{ledger, payment::Payment};
use serde::de::DeserializeOwned;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// The services whose state is compared.
pub const SERVICES: [&str; 4] = [
    rialto_inventory::SERVICE,
    rialto_orders::SERVICE,
    rialto_payments::SERVICE,
    rialto_delivery::SERVICE,
];

#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    pub stocks: Vec<Stock>,
    pub movements: Vec<Movement>,
    pub reservations: Vec<Reservation>,
    /// With their complete timelines.
    pub orders: Vec<Order>,
    pub payments: Vec<Payment>,
    pub ledger: Vec<ledger::LedgerEntry>,
    /// Parts of timelines whose orders weren't read yet.
    pub timeline_parts: BTreeMap<OrderId, Vec<TimelinePart>>,
    pub deliveries: Vec<LineDelivery>,
    /// Products whose stock changed during the read, so that their items are of different moments.
    pub moving: BTreeSet<ProductId>,
    /// Items that don't have the form that their key promises: the key and the error.
    pub unreadable: Vec<(String, String)>,
}

/// A violated invariant, or work in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discrepancy {
    /// The name of the invariant, such as `stock-movements`.
    pub check: &'static str,
    pub about: Subject,
    /// A description, without the subject.
    pub what: String,
    pub standing: Severity,
}

/// The subject of a discrepancy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Product(ProductId),
    Order(OrderId),
    /// The key of an item.
    Item(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Wrong at any quiet moment.
    Inconsistent,
    /// Not settled yet, but not overdue either.
    InProgress,
}

impl Snapshot {
    /// Inserts an item of one of the services' tables.
    pub fn insert(&mut self, item: Item) {
        let name = item_key(&item).map(|key| format!("{} {}", key.pk, key.sk));
        let entered = match &name {
            Ok(name) => {
                let kind = name
                    .split_once(' ')
                    .map_or("", |(_, sk)| sk.split('#').next().unwrap_or_default());
                self.insert_as(kind, item)
            }
            Err(error) => Err(error.clone()),
        };
        if let Err(error) = entered {
            self.unreadable.push((name.unwrap_or_default(), error.to_string()));
        }
    }

    /// The number of items of each kind, in words.
    #[must_use]
    pub fn counts(&self) -> String {
        format!(
            "{} orders, {} reservations, {} payments, {} ledger entries, {} deliveries, \
             {} products, {} movements",
            self.orders.len(),
            self.reservations.len(),
            self.payments.len(),
            self.ledger.len(),
            self.deliveries.len(),
            self.stocks.len(),
            self.movements.len()
        )
    }

    fn insert_as(&mut self, kind: &str, item: Item) -> Result<(), StoreError> {
        match kind {
            "STOCK" => push_parsed(&mut self.stocks, item),
            "MOVEMENT" => push_parsed(&mut self.movements, item),
            "RESERVATION" => push_parsed(&mut self.reservations, item),
            "ORDER" => {
                let mut order: Order = read_item(item)?;
                let parts = self.timeline_parts.remove(&order.order_id);
                parts.into_iter().flatten().for_each(|part| order.restore(part));
                self.orders.push(order);
                Ok(())
            }
            "TIMELINE" => {
                self.restore(read_item(item)?);
                Ok(())
            }
            "PAYMENT" => push_parsed(&mut self.payments, item),
            "LEDGER" => push_parsed(&mut self.ledger, item),
            // What arrived before the order's confirmation.
            "DELIVERY" if item.contains_key("early") => Ok(()),
            "DELIVERY" => push_parsed(&mut self.deliveries, item),
            // Parcels; idempotency records of adjustments; orders' copies of products, its unregistered
            // buyers, its index entries of further sellers, its counters, and its list of days.
            "PARCEL" | "ADJUSTMENT" | "BUYER" | "PRODUCT" | "SELLER" | "COUNTER" | "DAY" => Ok(()),
            _ => Err(StoreError::Corrupt("unknown item type".to_owned())),
        }
    }
}

impl Snapshot {
    /// Adds a part of a timeline to its order, which is read before its parts, or by another read.
    fn restore(&mut self, part: TimelinePart) {
        match self.orders.iter_mut().rev().find(|order| order.order_id == part.order_id) {
            Some(order) => order.restore(part),
            None => self.timeline_parts.entry(part.order_id).or_default().push(part),
        }
    }
}

fn push_parsed<T: DeserializeOwned>(list: &mut Vec<T>, item: Item) -> Result<(), StoreError> {
    list.push(read_item(item)?);
    Ok(())
}

/// Every violated invariant at a quiet moment, in words.
#[must_use]
pub fn broken(snapshot: &Snapshot) -> Vec<String> {
    // Without a time nothing is overdue: whatever is in progress isn't quiet.
    findings(snapshot, Timestamp::from_millis(0)).iter().map(Discrepancy::to_string).collect()
}

impl fmt::Display for Discrepancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.what)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Product(id) => id.fmt(f),
            Self::Order(id) => id.fmt(f),
            Self::Item(key) => f.write_str(key),
        }
    }
}
