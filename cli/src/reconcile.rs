//! What inventory, orders and payments have written down, and whether it agrees.
//!
//! One piece of code, on the services' own types: whoever has books to check, from whatever store, calls [`findings`].

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

/// The services whose books have to agree.
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
    /// Products whose stock changed while they were read: what was read of them is of several moments.
    pub moving: BTreeSet<ProductId>,
    /// Items that aren't what their keys promise: the key, and why.
    pub unreadable: Vec<(String, String)>,
}

/// Something that doesn't agree, or isn't at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discrepancy {
    pub about: Subject,
    /// In words, without the subject.
    pub what: String,
    pub standing: Severity,
}

/// Whom a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Product(ProductId),
    Order(OrderId),
    /// An item's key.
    Item(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It would be wrong at any quiet moment.
    Inconsistent,
    /// It isn't at rest yet: nothing is wrong so far, and it isn't too late either.
    InProgress,
}

impl Snapshot {
    /// Writes an item of one of the services' tables into its place.
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

    fn insert_as(&mut self, kind: &str, item: Item) -> Result<(), StoreError> {
        match kind {
            "STOCK" => push_parsed(&mut self.stocks, item),
            "MOVEMENT" => push_parsed(&mut self.movements, item),
            "RESERVATION" => push_parsed(&mut self.reservations, item),
            "ORDER" => push_parsed(&mut self.orders, item),
            "PAYMENT" => push_parsed(&mut self.payments, item),
            "LEDGER" => push_parsed(&mut self.ledger, item),
            // An adjustment's first answer; orders' copy of a product, its note of an unregistered buyer, and an order's place
            // in another seller's list.
            "ADJUSTMENT" | "BUYER" | "PRODUCT" | "SELLER" => Ok(()),
            _ => Err(StoreError::Corrupt("no invariant knows such an item".to_owned())),
        }
    }
}

fn push_parsed<T: DeserializeOwned>(list: &mut Vec<T>, item: Item) -> Result<(), StoreError> {
    list.push(read_item(item)?);
    Ok(())
}

/// Every invariant that doesn't hold at a quiet moment, in words.
#[must_use]
pub fn broken(books: &Snapshot) -> Vec<String> {
    // No time is too late here: what is under way isn't quiet, however long it has been.
    findings(books, Timestamp::from_millis(0)).iter().map(Discrepancy::to_string).collect()
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
