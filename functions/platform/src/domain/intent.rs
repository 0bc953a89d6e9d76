//! Payment intents and their refunds as the simulated provider processes them.

use super::{
    action::BuyerAction,
    dispute::{DisputeStatus, ProviderDispute},
    method::TestPaymentMethod,
};
use rialto_kernel::{Timestamp, digest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub type Metadata = BTreeMap<String, String>;

/// A payment intent with its refunds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentIntent {
    /// `pi_…`
    pub id: String,
    /// In minor units.
    pub amount: u64,
    /// ISO 4217 code in lower case.
    pub currency: String,
    pub metadata: Metadata,
    pub created: Timestamp,
    pub state: PaymentIntentState,
    pub method: Option<TestPaymentMethod>,
    /// The reason if the last charge was declined.
    pub decline: Option<DeclineReason>,
    /// The id of the last charge, declined or not: `ch_…`
    pub charge: Option<String>,
    /// Where the buyer is sent after an authentication.
    #[serde(default)]
    pub return_url: Option<String>,
    /// The buyer's action, after the last confirmation that required one.
    #[serde(default)]
    pub action: Option<BuyerAction>,
    /// The event that this version is reported by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<IntentEvent>,
    /// Oldest first.
    pub refunds: Vec<ProviderRefund>,
    #[serde(default)]
    pub dispute: Option<ProviderDispute>,
    /// The number of confirmations that failed transiently.
    #[serde(rename = "trips")]
    pub transient_failures: u32,
    /// Incremented by every write.
    pub version: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentIntentState {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    Succeeded,
    Canceled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeclineReason {
    GenericDecline,
    InsufficientFunds,
    /// The buyer declined the authentication.
    AuthenticationFailure,
}

/// What a webhook reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentEvent {
    Succeeded,
    PaymentFailed,
    RequiresAction,
}

impl IntentEvent {
    /// The name in the type of the event.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::PaymentFailed => "payment_failed",
            Self::RequiresAction => "requires_action",
        }
    }
}

/// A refund of a charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderRefund {
    /// `re_…`
    pub id: String,
    pub intent: String,
    pub charge: String,
    pub amount: u64,
    pub currency: String,
    pub metadata: Metadata,
    pub created: Timestamp,
}

/// The parameters of a new payment intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPaymentIntent {
    pub id: String,
    pub amount: u64,
    pub currency: String,
    pub metadata: Metadata,
    pub method: Option<TestPaymentMethod>,
    pub return_url: Option<String>,
    /// Whether to confirm it at once.
    pub confirm: bool,
}

impl NewPaymentIntent {
    /// An intent without metadata and payment method, which isn't confirmed at once.
    #[must_use]
    pub fn new(id: impl Into<String>, amount: u64, currency: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            amount,
            currency: currency.into(),
            metadata: Metadata::new(),
            method: None,
            return_url: None,
            confirm: false,
        }
    }
}

/// A command that creates or changes a payment intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntentCommand {
    Create(NewPaymentIntent),
    Confirm {
        id: String,
        method: Option<TestPaymentMethod>,
        return_url: Option<String>,
    },
    /// The buyer accepts or declines the charge.
    Act {
        id: String,
        action: BuyerAction,
    },
    Cancel {
        id: String,
    },
    /// Without an amount, everything that is left to refund.
    Refund {
        id: String,
        amount: Option<u64>,
        metadata: Metadata,
    },
    /// Decides the dispute of an intent's charge.
    CloseDispute {
        id: String,
        status: DisputeStatus,
    },
}

/// The object that a command returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderObject {
    Intent(PaymentIntent),
    Refund(ProviderRefund),
    Dispute(ProviderDispute),
}

/// Errors of the provider, simulated ones included.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    #[error("payment intent not found")]
    NotFound { id: String },
    #[error("the charge was declined")]
    Declined { intent: Box<PaymentIntent>, decline: DeclineReason },
    #[error("not allowed in the payment intent's current state")]
    UnexpectedState { intent: Box<PaymentIntent>, action: &'static str },
    #[error("the payment intent has no payment method")]
    NoPaymentMethod { intent: Box<PaymentIntent> },
    #[error("the payment intent has no successful charge")]
    NotCharged { id: String },
    #[error("the charge is disputed")]
    Disputed { charge: String },
    #[error("the payment intent has no dispute")]
    NotDisputed { id: String },
    #[error("the dispute was decided in another way")]
    DisputeClosed { id: String },
    #[error("the charge is fully refunded")]
    AlreadyRefunded { charge: String },
    #[error("the refund exceeds the {refundable} left to refund")]
    ExceedsRefundable { refundable: u64 },
    /// Nothing was changed.
    #[error("too many requests")]
    RateLimited,
    /// Nothing was changed, and there is no response.
    #[error("connection reset")]
    Reset,
    /// Nothing was changed.
    #[error("overloaded")]
    Overloaded,
    /// The charge was made.
    #[error("response lost")]
    ResponseLost,
    /// Other requests are changing the same payment intent.
    #[error("the payment intent is locked")]
    Locked,
}

impl ProviderError {
    /// Whether the request was processed far enough for its response to be stored under its key.
    #[must_use]
    pub const fn is_persisted(&self) -> bool {
        !matches!(
            self,
            Self::NotFound { .. }
                | Self::RateLimited
                | Self::Reset
                | Self::Overloaded
                | Self::Locked
        )
    }
}

/// The effect of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentTransition {
    /// The new state of the payment intent; `None` if it doesn't change.
    pub intent: Option<PaymentIntent>,
    pub result: Result<ProviderObject, ProviderError>,
    /// Whether the response is delayed.
    pub slow: bool,
}

impl IntentTransition {
    pub(super) fn changed(
        intent: PaymentIntent,
        result: Result<ProviderObject, ProviderError>,
    ) -> Self {
        Self { intent: Some(intent), result, slow: false }
    }

    pub(super) const fn rejected(error: ProviderError) -> Self {
        Self { intent: None, result: Err(error), slow: false }
    }
}

impl IntentCommand {
    /// The id of the payment intent that it creates or changes.
    #[must_use]
    pub fn intent(&self) -> &str {
        match self {
            Self::Create(new) => &new.id,
            Self::Confirm { id, .. }
            | Self::Act { id, .. }
            | Self::Cancel { id }
            | Self::Refund { id, .. }
            | Self::CloseDispute { id, .. } => id,
        }
    }

    /// Decides on the effect, given the current state of the payment intent.
    #[must_use]
    pub fn decide(&self, current: Option<&PaymentIntent>, now: Timestamp) -> IntentTransition {
        let existing =
            || current.ok_or_else(|| ProviderError::NotFound { id: self.intent().to_owned() });
        match self {
            Self::Create(new) => PaymentIntent::create(new, now),
            Self::Confirm { method, return_url, .. } => existing()
                .map_or_else(IntentTransition::rejected, |intent| {
                    intent.confirm(*method, return_url.clone())
                }),
            Self::Act { action, .. } => {
                existing().map_or_else(IntentTransition::rejected, |intent| intent.act(*action))
            }
            Self::Cancel { .. } => {
                existing().map_or_else(IntentTransition::rejected, PaymentIntent::cancel)
            }
            Self::CloseDispute { status, .. } => existing()
                .map_or_else(IntentTransition::rejected, |intent| intent.close_dispute(*status)),
            Self::Refund { amount, metadata, .. } => existing()
                .map_or_else(IntentTransition::rejected, |intent| {
                    intent.refund(*amount, metadata, now)
                }),
        }
    }
}

/// The failures of a flaky confirmation, in order.
const TRANSIENT_FAILURES: [ProviderError; 3] =
    [ProviderError::RateLimited, ProviderError::Reset, ProviderError::Overloaded];

impl PaymentIntent {
    fn create(new: &NewPaymentIntent, now: Timestamp) -> IntentTransition {
        let intent = Self {
            id: new.id.clone(),
            amount: new.amount,
            currency: new.currency.clone(),
            metadata: new.metadata.clone(),
            created: now,
            state: new.method.map_or(PaymentIntentState::RequiresPaymentMethod, |_| {
                PaymentIntentState::RequiresConfirmation
            }),
            method: new.method,
            decline: None,
            charge: None,
            return_url: new.return_url.clone(),
            action: None,
            event: None,
            refunds: Vec::new(),
            dispute: None,
            // An intent that is confirmed at creation doesn't exist yet, so its failures couldn't
            // be counted: it skips them.
            transient_failures: if new.confirm { 3 } else { 0 },
            version: 1,
        };
        if !new.confirm {
            return IntentTransition::changed(intent.clone(), Ok(ProviderObject::Intent(intent)));
        }
        let IntentTransition { intent: confirmed, result, slow } =
            intent.confirm(None, new.return_url.clone());
        IntentTransition {
            intent: confirmed.map(|confirmed| Self { version: 1, ..confirmed }),
            result,
            slow,
        }
    }

    /// A copy with the next version, which no event reports.
    pub(super) fn next(&self) -> Self {
        Self { version: self.version + 1, event: None, ..self.clone() }
    }

    fn confirm(
        &self,
        method: Option<TestPaymentMethod>,
        return_url: Option<String>,
    ) -> IntentTransition {
        if !matches!(
            self.state,
            PaymentIntentState::RequiresPaymentMethod | PaymentIntentState::RequiresConfirmation
        ) {
            return self.unexpected("confirm");
        }
        let Some(method) = method.or(self.method) else {
            return IntentTransition::rejected(ProviderError::NoPaymentMethod {
                intent: Box::new(self.clone()),
            });
        };
        let charge = self.new_charge();
        let confirmed = Self {
            method: Some(method),
            charge: Some(charge),
            decline: None,
            action: None,
            return_url: return_url.or_else(|| self.return_url.clone()),
            ..self.next()
        };
        let paid = || Self { state: PaymentIntentState::Succeeded, ..confirmed.clone() };
        match method {
            TestPaymentMethod::Visa => {
                IntentTransition::changed(paid(), Ok(ProviderObject::Intent(paid())))
            }
            TestPaymentMethod::Dispute => {
                let disputed = confirmed.disputed();
                IntentTransition::changed(disputed.clone(), Ok(ProviderObject::Intent(disputed)))
            }
            TestPaymentMethod::Slow => IntentTransition {
                slow: true,
                ..IntentTransition::changed(paid(), Ok(ProviderObject::Intent(paid())))
            },
            TestPaymentMethod::Lost => {
                IntentTransition::changed(paid(), Err(ProviderError::ResponseLost))
            }
            TestPaymentMethod::Flaky => {
                match TRANSIENT_FAILURES.get(self.transient_failures as usize) {
                    Some(failure) => IntentTransition::changed(
                        Self { transient_failures: self.transient_failures + 1, ..self.next() },
                        Err(failure.clone()),
                    ),
                    None => IntentTransition::changed(paid(), Ok(ProviderObject::Intent(paid()))),
                }
            }
            TestPaymentMethod::Async | TestPaymentMethod::Stuck => {
                let processing =
                    Self { state: PaymentIntentState::Processing, charge: None, ..confirmed };
                IntentTransition::changed(
                    processing.clone(),
                    Ok(ProviderObject::Intent(processing)),
                )
            }
            TestPaymentMethod::ThreeDSecure => confirmed.require_action(),
            TestPaymentMethod::Declined => confirmed.declined(DeclineReason::GenericDecline),
            TestPaymentMethod::InsufficientFunds => {
                confirmed.declined(DeclineReason::InsufficientFunds)
            }
        }
    }

    /// A declined charge removes the payment method: the next confirmation must provide one.
    fn declined(self, decline: DeclineReason) -> IntentTransition {
        let intent = Self {
            state: PaymentIntentState::RequiresPaymentMethod,
            method: None,
            decline: Some(decline),
            ..self
        };
        IntentTransition::changed(
            intent.clone(),
            Err(ProviderError::Declined { intent: Box::new(intent), decline }),
        )
    }

    /// The payment intent after its charge has succeeded; `None` unless it is processing.
    #[must_use]
    pub fn settle(&self) -> Option<Self> {
        let charge = Some(self.new_charge());
        (self.state == PaymentIntentState::Processing).then(|| Self {
            state: PaymentIntentState::Succeeded,
            charge,
            ..self.next()
        })
    }

    pub(super) fn new_charge(&self) -> String {
        format!("ch_{}", suffix(&[self.id.as_bytes(), &self.version.to_be_bytes()]))
    }

    fn cancel(&self) -> IntentTransition {
        if matches!(self.state, PaymentIntentState::Succeeded | PaymentIntentState::Canceled) {
            return self.unexpected("cancel");
        }
        let canceled = Self { state: PaymentIntentState::Canceled, ..self.next() };
        IntentTransition::changed(canceled.clone(), Ok(ProviderObject::Intent(canceled)))
    }

    fn refund(&self, amount: Option<u64>, metadata: &Metadata, now: Timestamp) -> IntentTransition {
        let (PaymentIntentState::Succeeded, Some(charge)) = (self.state, &self.charge) else {
            return IntentTransition::rejected(ProviderError::NotCharged { id: self.id.clone() });
        };
        if self.blocks_refunds() {
            return IntentTransition::rejected(ProviderError::Disputed { charge: charge.clone() });
        }
        let left = self.amount.saturating_sub(self.refunded());
        if left == 0 {
            return IntentTransition::rejected(ProviderError::AlreadyRefunded {
                charge: charge.clone(),
            });
        }
        let amount = amount.unwrap_or(left);
        if amount > left {
            return IntentTransition::rejected(ProviderError::ExceedsRefundable {
                refundable: left,
            });
        }
        let refund = ProviderRefund {
            id: format!("re_{}", suffix(&[self.id.as_bytes(), &self.version.to_be_bytes()])),
            intent: self.id.clone(),
            charge: charge.clone(),
            amount,
            currency: self.currency.clone(),
            metadata: metadata.clone(),
            created: now,
        };
        let mut intent = self.next();
        intent.refunds.push(refund.clone());
        IntentTransition::changed(intent, Ok(ProviderObject::Refund(refund)))
    }

    fn unexpected(&self, action: &'static str) -> IntentTransition {
        IntentTransition::rejected(ProviderError::UnexpectedState {
            intent: Box::new(self.clone()),
            action,
        })
    }

    /// The total of all refunds.
    #[must_use]
    pub fn refunded(&self) -> u64 {
        self.refunds.iter().map(|refund| refund.amount).sum()
    }
}

/// The suffix of an id derived from these parts.
pub(super) fn suffix(parts: &[&[u8]]) -> String {
    digest::hex(&digest::sha256(parts)[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn new(method: TestPaymentMethod) -> NewPaymentIntent {
        NewPaymentIntent { method: Some(method), ..NewPaymentIntent::new("pi_1", 1_000, "eur") }
    }

    fn created(method: TestPaymentMethod) -> PaymentIntent {
        IntentCommand::Create(new(method)).decide(None, NOW).intent.unwrap()
    }

    fn confirm(intent: &PaymentIntent) -> IntentTransition {
        IntentCommand::Confirm { id: intent.id.clone(), method: None, return_url: None }
            .decide(Some(intent), NOW)
    }

    fn refund(intent: &PaymentIntent, amount: Option<u64>) -> IntentTransition {
        IntentCommand::Refund { id: intent.id.clone(), amount, metadata: Metadata::new() }
            .decide(Some(intent), NOW)
    }

    #[test]
    fn a_valid_card_pays_once() {
        let intent = created(TestPaymentMethod::Visa);
        assert_eq!((intent.state, intent.version), (PaymentIntentState::RequiresConfirmation, 1));
        let paid = confirm(&intent).intent.unwrap();
        assert_eq!((paid.state, paid.version), (PaymentIntentState::Succeeded, 2));
        let again = confirm(&paid);
        assert_eq!(again.intent, None);
        assert!(matches!(
            again.result,
            Err(ProviderError::UnexpectedState { action: "confirm", .. })
        ));
    }

    #[test]
    fn a_declined_charge_requires_another_payment_method() {
        for (method, decline) in [
            (TestPaymentMethod::Declined, DeclineReason::GenericDecline),
            (TestPaymentMethod::InsufficientFunds, DeclineReason::InsufficientFunds),
        ] {
            let transition = confirm(&created(method));
            let intent = transition.intent.unwrap();
            assert_eq!(
                (intent.state, intent.method),
                (PaymentIntentState::RequiresPaymentMethod, None)
            );
            assert_eq!(intent.decline, Some(decline));
            assert!(transition.result.is_err_and(|error| error.is_persisted()));
            assert!(matches!(confirm(&intent).result, Err(ProviderError::NoPaymentMethod { .. })));

            let other = IntentCommand::Confirm {
                id: intent.id.clone(),
                method: Some(TestPaymentMethod::Visa),
                return_url: None,
            };
            let paid = other.decide(Some(&intent), NOW).intent.unwrap();
            assert_eq!((paid.state, paid.decline), (PaymentIntentState::Succeeded, None));
            assert_ne!(paid.charge, intent.charge);
        }
    }

    #[test]
    fn a_flaky_method_pays_after_three_transient_failures() {
        let mut intent = created(TestPaymentMethod::Flaky);
        for failure in TRANSIENT_FAILURES {
            let transition = confirm(&intent);
            assert_eq!(transition.result, Err(failure.clone()));
            assert!(!failure.is_persisted());
            let failed = transition.intent.unwrap();
            assert_eq!(
                (failed.state, &failed.charge),
                (PaymentIntentState::RequiresConfirmation, &None)
            );
            intent = failed;
        }
        assert_eq!(confirm(&intent).intent.unwrap().state, PaymentIntentState::Succeeded);
    }

    #[test]
    fn a_lost_response_does_not_undo_the_charge() {
        let transition = confirm(&created(TestPaymentMethod::Lost));
        assert_eq!(transition.result, Err(ProviderError::ResponseLost));
        assert!(ProviderError::ResponseLost.is_persisted());
        assert_eq!(transition.intent.unwrap().state, PaymentIntentState::Succeeded);
    }

    #[test]
    fn a_slow_method_pays_before_it_responds() {
        let transition = confirm(&created(TestPaymentMethod::Slow));
        assert!(transition.slow);
        assert_eq!(transition.intent.unwrap().state, PaymentIntentState::Succeeded);
    }

    #[test]
    fn a_processing_intent_can_be_cancelled_but_not_confirmed() {
        let processing = confirm(&created(TestPaymentMethod::Async)).intent.unwrap();
        assert_eq!((processing.state, &processing.charge), (PaymentIntentState::Processing, &None));
        assert_eq!(confirm(&processing).intent, None);
        let cancel = IntentCommand::Cancel { id: processing.id.clone() };
        let canceled = cancel.decide(Some(&processing), NOW).intent.unwrap();
        assert_eq!(canceled.state, PaymentIntentState::Canceled);
        assert_eq!(cancel.decide(Some(&canceled), NOW).intent, None);
    }

    #[test]
    fn a_processing_intent_settles_once() {
        for method in [TestPaymentMethod::Async, TestPaymentMethod::Stuck] {
            let processing = confirm(&created(method)).intent.unwrap();
            let settled = processing.settle().unwrap();
            assert_eq!(
                (settled.state, settled.version),
                (PaymentIntentState::Succeeded, processing.version + 1)
            );
            assert!(settled.charge.is_some());
            assert_eq!(settled.settle(), None);
            assert_eq!(refund(&settled, None).intent.unwrap().refunded(), 1_000);
        }
        assert_eq!(created(TestPaymentMethod::Async).settle(), None);
    }

    #[test]
    fn a_paid_intent_cannot_be_cancelled() {
        let paid = confirm(&created(TestPaymentMethod::Visa)).intent.unwrap();
        let transition = IntentCommand::Cancel { id: paid.id.clone() }.decide(Some(&paid), NOW);
        assert!(matches!(
            transition.result,
            Err(ProviderError::UnexpectedState { action: "cancel", .. })
        ));
    }

    #[test]
    fn refunds_never_exceed_the_charge() {
        let paid = confirm(&created(TestPaymentMethod::Visa)).intent.unwrap();
        let part = refund(&paid, Some(400)).intent.unwrap();
        assert_eq!(part.refunded(), 400);
        assert_eq!(
            refund(&part, Some(601)).result,
            Err(ProviderError::ExceedsRefundable { refundable: 600 })
        );
        let all = refund(&part, None).intent.unwrap();
        assert_eq!((all.refunded(), all.version), (1_000, 4));
        assert_ne!(all.refunds[0].id, all.refunds[1].id);
        assert!(matches!(refund(&all, Some(1)).result, Err(ProviderError::AlreadyRefunded { .. })));
        assert!(matches!(refund(&all, None).result, Err(ProviderError::AlreadyRefunded { .. })));
    }

    #[test]
    fn an_unpaid_intent_cannot_be_refunded() {
        for method in [TestPaymentMethod::Declined, TestPaymentMethod::Async] {
            let intent = confirm(&created(method)).intent.unwrap();
            assert!(matches!(
                refund(&intent, Some(1)).result,
                Err(ProviderError::NotCharged { .. })
            ));
        }
    }

    #[test]
    fn an_intent_can_be_confirmed_at_creation() {
        for (method, state) in [
            (TestPaymentMethod::Visa, PaymentIntentState::Succeeded),
            (TestPaymentMethod::Declined, PaymentIntentState::RequiresPaymentMethod),
            (TestPaymentMethod::Flaky, PaymentIntentState::Succeeded),
        ] {
            let create = IntentCommand::Create(NewPaymentIntent { confirm: true, ..new(method) });
            let intent = create.decide(None, NOW).intent.unwrap();
            assert_eq!((intent.state, intent.version), (state, 1));
        }
    }

    #[test]
    fn commands_on_unknown_intents_are_not_found_nor_persisted() {
        let transition = IntentCommand::Cancel { id: "pi_2".to_owned() }.decide(None, NOW);
        assert_eq!(transition.result, Err(ProviderError::NotFound { id: "pi_2".to_owned() }));
        assert!(!transition.result.unwrap_err().is_persisted());
    }
}
