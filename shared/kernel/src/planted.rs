//! Bugs that the simulation plants, to show that its checks find them.
//!
//! Each takes out one rule of the code, where it asks [`PlantedBug::is_planted`]. Without the
//! feature `planted-bugs`, which only the simulation enables, that is `false` at compile time: the
//! functions contain nothing of it.

/// Declares the bugs, each with its description.
macro_rules! planted_bugs {
    ($(#[doc = $description:literal] $bug:ident,)+) => {
        /// A bug, by what is wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum PlantedBug {
            $(#[doc = $description] $bug,)+
        }

        impl PlantedBug {
            pub const ALL: &[Self] = &[$(Self::$bug,)+];

            /// What is wrong, in a sentence.
            #[must_use]
            pub fn description(self) -> &'static str {
                match self {
                    $(Self::$bug => $description.trim_ascii(),)+
                }
            }
        }
    };
}

planted_bugs! {
    /// A request with a used Idempotency-Key places its order again.
    PlacedAgain,
    /// Two requests with one Idempotency-Key at once both place the order.
    PlacementNotConditional,
    /// A request with a used Idempotency-Key and another body gets the first one's answer.
    BodyHashNotCompared,
    /// The shares are rounded down, and the units left over are lost.
    ShareRemainderLost,
    /// The shares don't contain the shipping fee.
    ShippingFeeNotShared,
    /// An event that is delivered twice is applied twice to an order.
    EventAppliedTwice,
    /// An event that comes after the order's end isn't recorded.
    LateEventNotRecorded,
    /// An event that comes after the order's end changes its state.
    LateEventApplied,
    /// An order is cancelled in any state.
    CancelledInAnyState,
    /// A cancelled order's lines stay open.
    CancelledLinesLeftOpen,
    /// The line that a part is split off keeps its whole share.
    ShareNotSplit,
    /// A part has the price of its pieces as its share, not its portion of the line's share.
    PartShareByPrice,
    /// A seller confirms a cancellation that delivery doesn't hold.
    CancelConfirmedUnheld,
    /// A cancel request stays open although the delivery had started.
    NotHeldIgnored,
    /// A return is refunded above the line's share.
    ReturnRefundedAboveShare,
    /// An order whose last open line was rejected isn't cancelled.
    OrderLeftWithoutLines,
    /// The end of an order isn't published.
    EndNotPublished,
    /// A conflicting write of an order counts as done.
    OrderConflictTakenForDone,
    /// An order is saved over a version that wasn't read.
    OrderVersionNotChecked,
    /// A failure to apply a payment's event is acknowledged.
    FailureAcknowledged,
    /// An older copy of a product replaces a newer one.
    ProductVersionNotCompared,
    /// The address of an unregistered buyer stays when the order is cancelled.
    AddressKeptAtCancellation,
    /// The open orders of an unregistered buyer aren't marked.
    OpenOrdersNotMarked,
    /// Stock is reserved without enough of it being available.
    StockOversold,
    /// Only the last line of a product counts.
    LinesNotSummed,
    /// The lines that could be reserved stay reserved although others couldn't.
    PartialReservationKept,
    /// A shortage is published as a reservation.
    ShortagePublishedAsReserved,
    /// A repeated OrderPlaced reserves again, and one after a cancellation too.
    ReservationNotConditional,
    /// A repeated OrderCancelled releases again.
    ReleasedTwice,
    /// A repeated OrderConfirmed sells again.
    SoldTwice,
    /// The release of stock isn't published.
    ReleaseNotPublished,
    /// An OrderConfirmed sells lines that ended before it arrived.
    SoldAfterEnd,
    /// Inventory splits lines by OrderLineSplit only.
    OtherSplitsIgnored,
    /// The pieces of a return that aren't restocked are available again.
    WrittenOffRestocked,
    /// Inventory doesn't store a cancellation that arrives before its order.
    EarlyCancellationNotReserved,
    /// Inventory acknowledges a cancellation that lost a race against the reservation.
    LostCancellationAcknowledged,
    /// A repeated ProductRegistered sets the stock back.
    StockInitializedTwice,
    /// A repeated adjustment is applied again.
    AdjustedTwice,
    /// An adjustment takes more than is available.
    AdjustedBelowZero,
    /// An adjustment overwrites a concurrent change of the stock.
    AdjustmentNotConditional,
    /// A held delivery still starts.
    HeldDeliveryStarted,
    /// A delivery starts before its line is accepted.
    UnacceptedDeliveryStarted,
    /// A cancel request that is delivered twice is answered twice.
    CancelRequestAnsweredTwice,
    /// Delivery doesn't store changes of a line that arrive before its order's confirmation.
    EarlyLineChangeForgotten,
    /// What happened to a started delivery isn't published for a part that is split off it.
    PartProgressNotPublished,
    /// A charge is begun after the order's deadline.
    ChargedAfterDeadline,
    /// The charge is confirmed before its intent is recorded.
    ConfirmedBeforeRecorded,
    /// A charge that the provider is still processing is taken for a success.
    ProcessingTakenForSuccess,
    /// A charge that needs the buyer's action is taken for a success.
    ActionTakenForSuccess,
    /// A declined charge is taken for a success.
    DeclineTakenForSuccess,
    /// A success is recorded each time that it is received.
    CapturedTwice,
    /// A success beside the capture is neither recorded nor refunded.
    SecondSuccessIgnored,
    /// A repeated request to pay again makes another attempt.
    PaidAgainTwice,
    /// A capture is recorded without reading that its order was cancelled.
    MarkNotReadAtCapture,
    /// The decline of a cancelled order's charge is published.
    DeclineOfCancelledPublished,
    /// A cancellation doesn't void a payment whose charge hasn't begun.
    PendingNotVoided,
    /// A cancellation is ignored while the charge is being processed.
    ProcessingNotMarked,
    /// A cancellation doesn't refund a captured payment.
    CaptureNotRefunded,
    /// Payments doesn't store a cancellation that arrives before StockReserved.
    EarlyCancellationNotVoided,
    /// A repeated end of a line refunds it again.
    LineRefundedTwice,
    /// A line is refunded although everything was refunded before.
    LineRefundedAboveRest,
    /// A repeated OrderCancelled refunds again.
    RefundedTwice,
    /// A refund's end is recorded each time that it is received.
    RefundSettledTwice,
    /// A refund has another key in each delivery.
    RefundKeyPerDelivery,
    /// A lost answer to a refund is taken for its success.
    LostRefundTakenForDone,
    /// A goodwill refund is granted above what is left.
    GoodwillAboveLeft,
    /// A repeated request for a goodwill refund grants another.
    GoodwillGrantedTwice,
    /// A goodwill refund is granted while a dispute is open.
    GoodwillGrantedInDispute,
    /// A refund is sent to the provider while a dispute is open.
    RefundSentInDispute,
    /// A refund that the provider refuses because of a dispute counts as failed.
    DisputedRefundFailed,
    /// The refunds that waited for a dispute aren't due when it is decided.
    WaitingRefundsNotDue,
    /// A lost dispute settles more of a refund than it has taken.
    SettledAboveLoss,
    /// The further try of a failed refund has the key of the one before.
    RetriedUnderSameKey,
    /// The sweep doesn't find charges that are still processing.
    ProcessingNotSwept,
    /// The sweep doesn't find pending refunds.
    RefundsNotSwept,
    /// Webhooks and sweeps publish events without their cause.
    CauseForgotten,
    /// A conflicting write of a payment counts as done.
    PaymentConflictTakenForDone,
    /// A payment is saved over a version that wasn't read.
    PaymentVersionNotChecked,
    /// A ledger entry credits an account and debits none.
    LedgerOneSided,
    /// A refund isn't entered in the ledger.
    RefundNotInLedger,
    /// A relay that crashes while it publishes doesn't publish the rest.
    RelayForgetsRest,
}

#[cfg(not(feature = "planted-bugs"))]
impl PlantedBug {
    /// Whether this bug is planted: never, in this build.
    #[inline]
    #[must_use]
    pub const fn is_planted(self) -> bool {
        false
    }
}

#[cfg(feature = "planted-bugs")]
mod switch {
    use super::PlantedBug;
    use std::cell::Cell;

    thread_local! {
        static PLANTED: Cell<Option<PlantedBug>> = const { Cell::new(None) };
    }

    /// Takes the bug out again, also after a panic.
    struct Planted;

    impl Drop for Planted {
        fn drop(&mut self) {
            PLANTED.set(None);
        }
    }

    impl PlantedBug {
        /// Whether this bug is planted in this thread.
        #[must_use]
        pub fn is_planted(self) -> bool {
            PLANTED.get() == Some(self)
        }

        /// Runs `run` with this bug, and no other, planted in this thread.
        pub fn plant<T>(self, run: impl FnOnce() -> T) -> T {
            PLANTED.set(Some(self));
            let _planted = Planted;
            run()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The functions' code is compiled without the conditions that plant bugs.
    #[cfg(not(feature = "planted-bugs"))]
    const _: () = assert!(!PlantedBug::StockOversold.is_planted());

    #[test]
    fn no_bug_is_planted_unless_asked_for() {
        assert!(PlantedBug::ALL.iter().all(|bug| !bug.is_planted()));
    }

    #[test]
    fn bugs_are_described_in_a_sentence() {
        for bug in PlantedBug::ALL {
            let description = bug.description();
            assert!(description.ends_with('.') && description.len() > 20, "{bug:?}: {description}");
        }
    }

    #[cfg(feature = "planted-bugs")]
    #[test]
    fn a_bug_is_planted_in_its_thread_until_the_run_ends() {
        let bug = PlantedBug::LedgerOneSided;
        bug.plant(|| {
            assert!(bug.is_planted() && !PlantedBug::CapturedTwice.is_planted());
            assert!(!std::thread::spawn(move || bug.is_planted()).join().unwrap());
        });
        assert!(!bug.is_planted());
        assert!(std::panic::catch_unwind(|| bug.plant(|| panic!("in the run"))).is_err());
        assert!(!bug.is_planted());
    }
}
