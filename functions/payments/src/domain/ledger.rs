//! Where the money is: entries that are only ever added, each of which takes as much as it gives.

use rialto_kernel::{Amount, Currency, OrderId, RefundId, Timestamp};
use serde::{Deserialize, Serialize};

/// Between whom money moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LedgerAccount {
    /// The buyer's means of payment.
    Buyer,
    /// What the shop keeps of an order.
    Shop,
    /// What the shop owes a buyer because a refund failed.
    RefundDue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EntryKind {
    Captured,
    RefundIssued,
    RefundFailed,
}

/// One movement of an order's money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    pub order_id: OrderId,
    /// The payment's version that was written with it; names the entry within its order.
    pub payment_version: u64,
    pub at: Timestamp,
    pub kind: EntryKind,
    pub refund_id: Option<RefundId>,
    pub currency: Currency,
    pub postings: Vec<Posting>,
}

/// What an account gains (or loses, below zero), in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    pub account: LedgerAccount,
    pub amount: i64,
}

impl EntryKind {
    /// The postings that move `amount` as this kind does: they sum to zero.
    #[must_use]
    pub fn postings(self, amount: Amount) -> Vec<Posting> {
        let (from, to) = match self {
            Self::Captured => (LedgerAccount::Buyer, LedgerAccount::Shop),
            Self::RefundIssued => (LedgerAccount::Shop, LedgerAccount::Buyer),
            Self::RefundFailed => (LedgerAccount::Shop, LedgerAccount::RefundDue),
        };
        let amount = amount.minor_units();
        vec![Posting { account: from, amount: -amount }, Posting { account: to, amount }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_as_much_as_it_gives() {
        for kind in [EntryKind::Captured, EntryKind::RefundIssued, EntryKind::RefundFailed] {
            let postings = kind.postings(Amount::new(250).unwrap());
            assert_eq!(postings.iter().map(|posting| posting.amount).sum::<i64>(), 0);
            assert!(postings.iter().any(|posting| posting.amount == 250));
        }
    }
}
