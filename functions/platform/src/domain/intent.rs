//! A payment intent and its refunds: what the provider does with them, step by step.

use super::method::TestPaymentMethod;
use rialto_kernel::{Timestamp, digest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub type Metadata = BTreeMap<String, String>;

/// A payment that was asked for, with everything that was given back of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// `pi_…`
    pub id: String,
    /// In minor units.
    pub amount: u64,
    /// Three lower-case letters.
    pub currency: String,
    pub metadata: Metadata,
    pub created: Timestamp,
    pub state: State,
    pub method: Option<TestPaymentMethod>,
    /// Why the last charge was declined, if it was.
    pub decline: Option<Decline>,
    /// The last charge, declined or not: `ch_…`
    pub charge: Option<String>,
    /// Oldest first.
    pub refunds: Vec<Refund>,
    /// How often a confirmation failed before anything happened.
    pub trips: u32,
    /// Rises with every change.
    pub version: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    RequiresPaymentMethod,
    RequiresConfirmation,
    Processing,
    Succeeded,
    Canceled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decline {
    GenericDecline,
    InsufficientFunds,
}

/// Money given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// `re_…`
    pub id: String,
    pub intent: String,
    pub charge: String,
    pub amount: u64,
    pub currency: String,
    pub metadata: Metadata,
    pub created: Timestamp,
}

/// A payment as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIntent {
    pub id: String,
    pub amount: u64,
    pub currency: String,
    pub metadata: Metadata,
    pub method: Option<TestPaymentMethod>,
    /// Whether it is confirmed in the same breath.
    pub confirm: bool,
}

/// What is to be done with an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    Create(NewIntent),
    Confirm {
        id: String,
        method: Option<TestPaymentMethod>,
    },
    Cancel {
        id: String,
    },
    /// Without an amount, all that is left.
    Refund {
        id: String,
        amount: Option<u64>,
        metadata: Metadata,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    Intent(Intent),
    Refund(Refund),
}

/// Why something isn't done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    #[error("there is no such intent")]
    NotFound { id: String },
    #[error("the charge was declined")]
    Declined { intent: Box<Intent>, decline: Decline },
    #[error("the intent's state doesn't allow this")]
    UnexpectedState { intent: Box<Intent>, action: &'static str },
    #[error("the intent has no payment method")]
    NoMethod { intent: Box<Intent> },
    #[error("there is no charge to refund")]
    NotCharged { id: String },
    #[error("everything was refunded already")]
    AlreadyRefunded { charge: String },
    #[error("only {left} is left to refund")]
    AboveRest { left: u64 },
    /// Nothing happened.
    #[error("too many requests")]
    RateLimited,
    /// Nothing happened, and nothing is answered.
    #[error("the connection is reset")]
    Reset,
    /// Nothing happened.
    #[error("overloaded")]
    Overloaded,
    /// The charge was made.
    #[error("the answer is lost")]
    AnswerLost,
    /// Another request is changing the same thing.
    #[error("the intent is locked")]
    Locked,
}

impl ProviderError {
    /// Whether the request got far enough for its answer to be kept under its key.
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

/// What a request leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentTransition {
    /// The intent as it will be; none if it stays as it is.
    pub intent: Option<Intent>,
    pub result: Result<Object, ProviderError>,
    /// Whether the answer takes its time.
    pub slow: bool,
}

impl IntentTransition {
    fn changed(intent: Intent, result: Result<Object, ProviderError>) -> Self {
        Self { intent: Some(intent), result, slow: false }
    }

    const fn refused(refusal: ProviderError) -> Self {
        Self { intent: None, result: Err(refusal), slow: false }
    }
}

impl Request {
    /// The intent that it is about.
    #[must_use]
    pub fn intent(&self) -> &str {
        match self {
            Self::Create(new) => &new.id,
            Self::Confirm { id, .. } | Self::Cancel { id } | Self::Refund { id, .. } => id,
        }
    }

    /// What it leads to, from the intent as it is.
    #[must_use]
    pub fn decide(&self, known: Option<&Intent>, now: Timestamp) -> IntentTransition {
        let known =
            || known.ok_or_else(|| ProviderError::NotFound { id: self.intent().to_owned() });
        match self {
            Self::Create(new) => Intent::create(new, now),
            Self::Confirm { method, .. } => {
                known().map_or_else(IntentTransition::refused, |is| is.confirm(*method))
            }
            Self::Cancel { .. } => known().map_or_else(IntentTransition::refused, Intent::cancel),
            Self::Refund { amount, metadata, .. } => known()
                .map_or_else(IntentTransition::refused, |is| is.refund(*amount, metadata, now)),
        }
    }
}

/// What a flaky confirmation meets, one after the other.
const TRANSIENT_FAILURES: [ProviderError; 3] =
    [ProviderError::RateLimited, ProviderError::Reset, ProviderError::Overloaded];

impl Intent {
    fn create(new: &NewIntent, now: Timestamp) -> IntentTransition {
        let intent = Self {
            id: new.id.clone(),
            amount: new.amount,
            currency: new.currency.clone(),
            metadata: new.metadata.clone(),
            created: now,
            state: new.method.map_or(State::RequiresPaymentMethod, |_| State::RequiresConfirmation),
            method: new.method,
            decline: None,
            charge: None,
            refunds: Vec::new(),
            // One that is created and confirmed at once has nothing yet to count its trips by, so it has none.
            trips: if new.confirm { 3 } else { 0 },
            version: 1,
        };
        if !new.confirm {
            return IntentTransition::changed(intent.clone(), Ok(Object::Intent(intent)));
        }
        let IntentTransition { intent: confirmed, result, slow } = intent.confirm(None);
        IntentTransition {
            intent: confirmed.map(|confirmed| Self { version: 1, ..confirmed }),
            result,
            slow,
        }
    }

    /// The intent at its next version.
    fn next(&self) -> Self {
        Self { version: self.version + 1, ..self.clone() }
    }

    fn confirm(&self, method: Option<TestPaymentMethod>) -> IntentTransition {
        if !matches!(self.state, State::RequiresPaymentMethod | State::RequiresConfirmation) {
            return self.unexpected("confirm");
        }
        let Some(method) = method.or(self.method) else {
            return IntentTransition::refused(ProviderError::NoMethod {
                intent: Box::new(self.clone()),
            });
        };
        let charge = self.new_charge();
        let confirmed =
            Self { method: Some(method), charge: Some(charge), decline: None, ..self.next() };
        let paid = || Self { state: State::Succeeded, ..confirmed.clone() };
        match method {
            TestPaymentMethod::Visa => {
                IntentTransition::changed(paid(), Ok(Object::Intent(paid())))
            }
            TestPaymentMethod::Slow => IntentTransition {
                slow: true,
                ..IntentTransition::changed(paid(), Ok(Object::Intent(paid())))
            },
            TestPaymentMethod::Lost => {
                IntentTransition::changed(paid(), Err(ProviderError::AnswerLost))
            }
            TestPaymentMethod::Flaky => match TRANSIENT_FAILURES.get(self.trips as usize) {
                Some(trip) => IntentTransition::changed(
                    Self { trips: self.trips + 1, ..self.next() },
                    Err(trip.clone()),
                ),
                None => IntentTransition::changed(paid(), Ok(Object::Intent(paid()))),
            },
            TestPaymentMethod::Async | TestPaymentMethod::Stuck => {
                let processing = Self { state: State::Processing, charge: None, ..confirmed };
                IntentTransition::changed(processing.clone(), Ok(Object::Intent(processing)))
            }
            TestPaymentMethod::Declined => confirmed.declined(Decline::GenericDecline),
            TestPaymentMethod::InsufficientFunds => confirmed.declined(Decline::InsufficientFunds),
        }
    }

    /// A declined charge takes its method with it: the next confirmation has to bring one.
    fn declined(self, decline: Decline) -> IntentTransition {
        let intent = Self {
            state: State::RequiresPaymentMethod,
            method: None,
            decline: Some(decline),
            ..self
        };
        IntentTransition::changed(
            intent.clone(),
            Err(ProviderError::Declined { intent: Box::new(intent), decline }),
        )
    }

    /// The intent whose charge succeeded after all; none unless it is processing.
    #[must_use]
    pub fn settled(&self) -> Option<Self> {
        let charge = Some(self.new_charge());
        (self.state == State::Processing).then(|| Self {
            state: State::Succeeded,
            charge,
            ..self.next()
        })
    }

    fn new_charge(&self) -> String {
        format!("ch_{}", suffix(&[self.id.as_bytes(), &self.version.to_be_bytes()]))
    }

    fn cancel(&self) -> IntentTransition {
        if matches!(self.state, State::Succeeded | State::Canceled) {
            return self.unexpected("cancel");
        }
        let canceled = Self { state: State::Canceled, ..self.next() };
        IntentTransition::changed(canceled.clone(), Ok(Object::Intent(canceled)))
    }

    fn refund(&self, amount: Option<u64>, metadata: &Metadata, now: Timestamp) -> IntentTransition {
        let (State::Succeeded, Some(charge)) = (self.state, &self.charge) else {
            return IntentTransition::refused(ProviderError::NotCharged { id: self.id.clone() });
        };
        let left = self.amount.saturating_sub(self.refunded());
        if left == 0 {
            return IntentTransition::refused(ProviderError::AlreadyRefunded {
                charge: charge.clone(),
            });
        }
        let amount = amount.unwrap_or(left);
        if amount > left {
            return IntentTransition::refused(ProviderError::AboveRest { left });
        }
        let refund = Refund {
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
        IntentTransition::changed(intent, Ok(Object::Refund(refund)))
    }

    fn unexpected(&self, action: &'static str) -> IntentTransition {
        IntentTransition::refused(ProviderError::UnexpectedState {
            intent: Box::new(self.clone()),
            action,
        })
    }

    /// What was given back so far.
    #[must_use]
    pub fn refunded(&self) -> u64 {
        self.refunds.iter().map(|refund| refund.amount).sum()
    }
}

/// The part of an id that these parts lead to.
fn suffix(parts: &[&[u8]]) -> String {
    digest::hex(&digest::sha256(parts)[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn new(method: TestPaymentMethod) -> NewIntent {
        NewIntent {
            id: "pi_1".to_owned(),
            amount: 1_000,
            currency: "eur".to_owned(),
            metadata: Metadata::new(),
            method: Some(method),
            confirm: false,
        }
    }

    fn created(method: TestPaymentMethod) -> Intent {
        Request::Create(new(method)).decide(None, NOW).intent.unwrap()
    }

    fn confirm(intent: &Intent) -> IntentTransition {
        Request::Confirm { id: intent.id.clone(), method: None }.decide(Some(intent), NOW)
    }

    fn refund(intent: &Intent, amount: Option<u64>) -> IntentTransition {
        Request::Refund { id: intent.id.clone(), amount, metadata: Metadata::new() }
            .decide(Some(intent), NOW)
    }

    #[test]
    fn a_good_card_pays_once() {
        let intent = created(TestPaymentMethod::Visa);
        assert_eq!((intent.state, intent.version), (State::RequiresConfirmation, 1));
        let paid = confirm(&intent).intent.unwrap();
        assert_eq!((paid.state, paid.version), (State::Succeeded, 2));
        let again = confirm(&paid);
        assert_eq!(again.intent, None);
        assert!(matches!(
            again.result,
            Err(ProviderError::UnexpectedState { action: "confirm", .. })
        ));
    }

    #[test]
    fn a_declined_charge_asks_for_another_method() {
        for (method, decline) in [
            (TestPaymentMethod::Declined, Decline::GenericDecline),
            (TestPaymentMethod::InsufficientFunds, Decline::InsufficientFunds),
        ] {
            let step = confirm(&created(method));
            let intent = step.intent.unwrap();
            assert_eq!((intent.state, intent.method), (State::RequiresPaymentMethod, None));
            assert_eq!(intent.decline, Some(decline));
            assert!(step.result.is_err_and(|refusal| refusal.is_persisted()));
            assert!(matches!(confirm(&intent).result, Err(ProviderError::NoMethod { .. })));

            let other =
                Request::Confirm { id: intent.id.clone(), method: Some(TestPaymentMethod::Visa) };
            let paid = other.decide(Some(&intent), NOW).intent.unwrap();
            assert_eq!((paid.state, paid.decline), (State::Succeeded, None));
            assert_ne!(paid.charge, intent.charge);
        }
    }

    #[test]
    fn a_flaky_method_trips_three_times_before_anything_happens_then_pays() {
        let mut intent = created(TestPaymentMethod::Flaky);
        for trip in TRANSIENT_FAILURES {
            let step = confirm(&intent);
            assert_eq!(step.result, Err(trip.clone()));
            assert!(!trip.is_persisted());
            let tripped = step.intent.unwrap();
            assert_eq!((tripped.state, &tripped.charge), (State::RequiresConfirmation, &None));
            intent = tripped;
        }
        assert_eq!(confirm(&intent).intent.unwrap().state, State::Succeeded);
    }

    #[test]
    fn a_lost_answer_leaves_the_charge_made() {
        let step = confirm(&created(TestPaymentMethod::Lost));
        assert_eq!(step.result, Err(ProviderError::AnswerLost));
        assert!(ProviderError::AnswerLost.is_persisted());
        assert_eq!(step.intent.unwrap().state, State::Succeeded);
    }

    #[test]
    fn a_slow_method_pays_before_it_answers() {
        let step = confirm(&created(TestPaymentMethod::Slow));
        assert!(step.slow);
        assert_eq!(step.intent.unwrap().state, State::Succeeded);
    }

    #[test]
    fn what_is_processing_can_be_cancelled_but_not_confirmed_again() {
        let processing = confirm(&created(TestPaymentMethod::Async)).intent.unwrap();
        assert_eq!((processing.state, &processing.charge), (State::Processing, &None));
        assert_eq!(confirm(&processing).intent, None);
        let cancel = Request::Cancel { id: processing.id.clone() };
        let canceled = cancel.decide(Some(&processing), NOW).intent.unwrap();
        assert_eq!(canceled.state, State::Canceled);
        assert_eq!(cancel.decide(Some(&canceled), NOW).intent, None);
    }

    #[test]
    fn what_is_processing_settles_once() {
        for method in [TestPaymentMethod::Async, TestPaymentMethod::Stuck] {
            let processing = confirm(&created(method)).intent.unwrap();
            let settled = processing.settled().unwrap();
            assert_eq!(
                (settled.state, settled.version),
                (State::Succeeded, processing.version + 1)
            );
            assert!(settled.charge.is_some());
            assert_eq!(settled.settled(), None);
            assert_eq!(refund(&settled, None).intent.unwrap().refunded(), 1_000);
        }
        assert_eq!(created(TestPaymentMethod::Async).settled(), None);
    }

    #[test]
    fn what_is_paid_cannot_be_cancelled() {
        let paid = confirm(&created(TestPaymentMethod::Visa)).intent.unwrap();
        let step = Request::Cancel { id: paid.id.clone() }.decide(Some(&paid), NOW);
        assert!(matches!(
            step.result,
            Err(ProviderError::UnexpectedState { action: "cancel", .. })
        ));
    }

    #[test]
    fn refunds_never_exceed_the_charge() {
        let paid = confirm(&created(TestPaymentMethod::Visa)).intent.unwrap();
        let part = refund(&paid, Some(400)).intent.unwrap();
        assert_eq!(part.refunded(), 400);
        assert_eq!(refund(&part, Some(601)).result, Err(ProviderError::AboveRest { left: 600 }));
        let all = refund(&part, None).intent.unwrap();
        assert_eq!((all.refunded(), all.version), (1_000, 4));
        assert_ne!(all.refunds[0].id, all.refunds[1].id);
        assert!(matches!(refund(&all, Some(1)).result, Err(ProviderError::AlreadyRefunded { .. })));
        assert!(matches!(refund(&all, None).result, Err(ProviderError::AlreadyRefunded { .. })));
    }

    #[test]
    fn what_was_not_paid_is_not_refunded() {
        for method in [TestPaymentMethod::Declined, TestPaymentMethod::Async] {
            let intent = confirm(&created(method)).intent.unwrap();
            assert!(matches!(
                refund(&intent, Some(1)).result,
                Err(ProviderError::NotCharged { .. })
            ));
        }
    }

    #[test]
    fn an_intent_can_be_created_and_confirmed_in_one_step() {
        for (method, state) in [
            (TestPaymentMethod::Visa, State::Succeeded),
            (TestPaymentMethod::Declined, State::RequiresPaymentMethod),
            (TestPaymentMethod::Flaky, State::Succeeded),
        ] {
            let create = Request::Create(NewIntent { confirm: true, ..new(method) });
            let intent = create.decide(None, NOW).intent.unwrap();
            assert_eq!((intent.state, intent.version), (state, 1));
        }
    }

    #[test]
    fn what_does_not_exist_is_not_found_and_not_kept() {
        let step = Request::Cancel { id: "pi_2".to_owned() }.decide(None, NOW);
        assert_eq!(step.result, Err(ProviderError::NotFound { id: "pi_2".to_owned() }));
        assert!(!step.result.unwrap_err().is_persisted());
    }
}
