//! Reconciliation: whether the state of inventory, orders and payments agrees.
//!
//! One implementation, on the services' own types, for every store: fill a [`Snapshot`] and call
//! [`findings`].

mod check;
pub(crate) mod expected_events;
mod read;
#[cfg(test)]
pub(crate) mod tests;

pub use check::findings;

use rialto_dynamo::{Item, item_key, read_item};
use rialto_inventory::domain::{movement::Movement, reservation::Reservation, stock::Stock};
use rialto_kernel::{OrderId, ProductId, StoreError, Timestamp};
use rialto_orders::domain::order::Order;
use rialto_payments::domain::{ledger, payment::Payment};
use serde::de::DeserializeOwned;
use std::{collections::BTreeSet, fmt};

/// The services whose state is compared.
pub const SERVICES: [&str; 3] =
    [rialto_inventory::SERVICE, rialto_orders::SERVICE, rialto_payments::SERVICE];

#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    pub stocks: Vec<Stock>,
    pub movements: Vec<Movement>,
    pub reservations: Vec<Reservation>,
    pub orders: Vec<Order>,
    pub payments: Vec<Payment>,
    pub ledger: Vec<ledger::LedgerEntry>,
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
            "{} orders, {} reservations, {} payments, {} ledger entries, {} products, {} movements",
            self.orders.len(),
            self.reservations.len(),
            self.payments.len(),
            self.ledger.len(),
            self.stocks.len(),
            self.movements.len()
        )
    }

    fn insert_as(&mut self, kind: &str, item: Item) -> Result<(), StoreError> {
        match kind {
            "STOCK" => push_parsed(&mut self.stocks, item),
            "MOVEMENT" => push_parsed(&mut self.movements, item),
            "RESERVATION" => push_parsed(&mut self.reservations, item),
            "ORDER" => push_parsed(&mut self.orders, item),
            "PAYMENT" => push_parsed(&mut self.payments, item),
            "LEDGER" => push_parsed(&mut self.ledger, item),
            // Idempotency records of adjustments; orders' copies of products, its unregistered
            // buyers, its index entries of further sellers, and its counters.
            "ADJUSTMENT" | "BUYER" | "PRODUCT" | "SELLER" | "COUNTER" => Ok(()),
            _ => Err(StoreError::Corrupt("unknown item type".to_owned())),
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
