//! Append-only double-entry ledger; the postings of each entry sum to zero.

use rialto_kernel::{Amount, Currency, OrderId, PlantedBug, RefundId, Timestamp};
use serde::{Deserialize, Serialize};

/// An account of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LedgerAccount {
    /// The buyer's payment method.
    Buyer,
    /// The shop's revenue.
    Shop,
    /// The shop's debt to a buyer whose refund failed.
    RefundDue,
    /// What the provider has withdrawn for disputes that aren't lost.
    Disputed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EntryKind {
    Captured,
    /// A charge succeeded beside the capture; it is refunded whole.
    SurplusCaptured,
    RefundIssued,
    RefundFailed,
    /// The provider took an issued refund back.
    RefundReversed,
    /// A refund that was recorded as failed was issued by another try.
    DueRefundIssued,
    /// A refund that was recorded as failed was paid by a lost dispute.
    DueRefundSettled,
    /// The provider withdrew the money of a disputed charge.
    DisputeWithdrawn,
    /// The provider gave money of a disputed charge back.
    DisputeReinstated,
    /// A dispute was lost.
    DisputeLost,
}

/// One transfer of an order's money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    pub order_id: OrderId,
    /// The version of the payment that was written with the entry, which identifies it within its
    /// order.
    pub payment_version: u64,
    pub at: Timestamp,
    pub kind: EntryKind,
    pub refund_id: Option<RefundId>,
    pub currency: Currency,
    pub postings: Vec<Posting>,
}

/// The change of an account's balance, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    pub account: LedgerAccount,
    pub amount: i64,
}

impl EntryKind {
    /// The postings of an entry of this kind.
    #[must_use]
    pub fn postings(self, amount: Amount) -> Vec<Posting> {
        let (from, to) = match self {
            Self::Captured | Self::SurplusCaptured => (LedgerAccount::Buyer, LedgerAccount::Shop),
            Self::RefundIssued => (LedgerAccount::Shop, LedgerAccount::Buyer),
            Self::RefundFailed => (LedgerAccount::Shop, LedgerAccount::RefundDue),
            Self::RefundReversed => (LedgerAccount::Buyer, LedgerAccount::RefundDue),
            Self::DueRefundIssued => (LedgerAccount::RefundDue, LedgerAccount::Buyer),
            Self::DueRefundSettled => (LedgerAccount::RefundDue, LedgerAccount::Shop),
            Self::DisputeWithdrawn => (LedgerAccount::Shop, LedgerAccount::Disputed),
            Self::DisputeReinstated => (LedgerAccount::Disputed, LedgerAccount::Shop),
            Self::DisputeLost => (LedgerAccount::Disputed, LedgerAccount::Buyer),
        };
        let amount = amount.minor_units();
        let debit = Posting { account: from, amount: -amount };
        let credit = Posting { account: to, amount };
        if PlantedBug::LedgerOneSided.is_planted() { vec![credit] } else { vec![debit, credit] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_postings_of_an_entry_sum_to_zero() {
        for kind in [
            EntryKind::Captured,
            EntryKind::SurplusCaptured,
            EntryKind::RefundIssued,
            EntryKind::RefundFailed,
            EntryKind::RefundReversed,
            EntryKind::DueRefundIssued,
            EntryKind::DueRefundSettled,
            EntryKind::DisputeWithdrawn,
            EntryKind::DisputeReinstated,
            EntryKind::DisputeLost,
        ] {
            let postings = kind.postings(Amount::new(250).unwrap());
            assert_eq!(postings.iter().map(|posting| posting.amount).sum::<i64>(), 0);
            assert!(postings.iter().any(|posting| posting.amount == 250));
        }
    }
}
