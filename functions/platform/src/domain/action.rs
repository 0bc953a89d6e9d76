//! The buyer's authentication of a payment (3-D Secure) as the simulated provider processes it.

use super::intent::{
    DeclineReason, IntentEvent, IntentTransition, PaymentIntent, PaymentIntentState, ProviderError,
    ProviderObject, suffix,
};
use serde::{Deserialize, Serialize};

/// What the buyer does with a payment that has to be authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuyerAction {
    Accept,
    Decline,
}

impl BuyerAction {
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "accept" => Some(Self::Accept),
            "decline" => Some(Self::Decline),
            _ => None,
        }
    }
}

impl PaymentIntent {
    /// The secret with which the buyer's browser may act on the intent.
    #[must_use]
    pub fn client_secret(&self) -> String {
        format!("{}_secret_{}", self.id, suffix(&[b"client secret", self.id.as_bytes()]))
    }

    /// Leaves a confirmed charge to the buyer, who has to authenticate it.
    pub(super) fn require_action(self) -> IntentTransition {
        let intent = Self {
            state: PaymentIntentState::RequiresAction,
            charge: None,
            action: None,
            event: Some(IntentEvent::RequiresAction),
            ..self
        };
        IntentTransition::changed(intent.clone(), Ok(ProviderObject::Intent(intent)))
    }

    /// The effect of the buyer's action. Once there was one, further ones change nothing.
    pub(super) fn act(&self, action: BuyerAction) -> IntentTransition {
        match (self.state, self.action) {
            (PaymentIntentState::RequiresAction, _) => {}
            (_, Some(_)) => {
                let result = Ok(ProviderObject::Intent(self.clone()));
                return IntentTransition { intent: None, result, slow: false };
            }
            (_, None) => {
                return IntentTransition::rejected(ProviderError::UnexpectedState {
                    intent: Box::new(self.clone()),
                    action: "authenticate",
                });
            }
        }
        let acted = Self { action: Some(action), charge: Some(self.new_charge()), ..self.next() };
        let acted = match action {
            BuyerAction::Accept => Self {
                state: PaymentIntentState::Succeeded,
                event: Some(IntentEvent::Succeeded),
                ..acted
            },
            BuyerAction::Decline => Self {
                state: PaymentIntentState::RequiresPaymentMethod,
                method: None,
                decline: Some(DeclineReason::AuthenticationFailure),
                event: Some(IntentEvent::PaymentFailed),
                ..acted
            },
        };
        IntentTransition::changed(acted.clone(), Ok(ProviderObject::Intent(acted)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        intent::{IntentCommand, NewPaymentIntent},
        method::TestPaymentMethod,
    };
    use rialto_kernel::Timestamp;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn decide(intent: &PaymentIntent, command: &IntentCommand) -> IntentTransition {
        command.decide(Some(intent), NOW)
    }

    fn act(intent: &PaymentIntent, action: BuyerAction) -> IntentTransition {
        decide(intent, &IntentCommand::Act { id: intent.id.clone(), action })
    }

    /// An intent that waits for the buyer.
    fn waiting() -> PaymentIntent {
        let new = NewPaymentIntent {
            method: Some(TestPaymentMethod::ThreeDSecure),
            confirm: true,
            ..NewPaymentIntent::new("pi_1", 1_000, "eur")
        };
        IntentCommand::Create(new).decide(None, NOW).intent.unwrap()
    }

    #[test]
    fn a_confirmed_3ds_charge_requires_the_buyers_action() {
        let intent = waiting();
        assert_eq!(
            (intent.state, intent.event, &intent.charge),
            (PaymentIntentState::RequiresAction, Some(IntentEvent::RequiresAction), &None)
        );
        let confirm =
            IntentCommand::Confirm { id: intent.id.clone(), method: None, return_url: None };
        assert_eq!(decide(&intent, &confirm).intent, None);
        let refund =
            IntentCommand::Refund { id: intent.id.clone(), amount: None, metadata: [].into() };
        assert!(decide(&intent, &refund).result.is_err());
    }

    #[test]
    fn an_accepted_charge_succeeds_once() {
        let paid = act(&waiting(), BuyerAction::Accept).intent.unwrap();
        assert_eq!(
            (paid.state, paid.event),
            (PaymentIntentState::Succeeded, Some(IntentEvent::Succeeded))
        );
        assert!(paid.charge.is_some());
        for action in [BuyerAction::Accept, BuyerAction::Decline] {
            let again = act(&paid, action);
            assert_eq!(again.intent, None);
            assert_eq!(again.result, Ok(ProviderObject::Intent(paid.clone())));
        }
    }

    #[test]
    fn a_declined_charge_fails_and_requires_another_method() {
        let failed = act(&waiting(), BuyerAction::Decline).intent.unwrap();
        assert_eq!(
            (failed.state, failed.event),
            (PaymentIntentState::RequiresPaymentMethod, Some(IntentEvent::PaymentFailed))
        );
        assert_eq!(failed.decline, Some(DeclineReason::AuthenticationFailure));
        assert_eq!(act(&failed, BuyerAction::Accept).intent, None);
        let other = IntentCommand::Confirm {
            id: failed.id.clone(),
            method: Some(TestPaymentMethod::Visa),
            return_url: None,
        };
        let paid = decide(&failed, &other).intent.unwrap();
        assert_eq!((paid.state, paid.event), (PaymentIntentState::Succeeded, None));
    }

    #[test]
    fn a_cancelled_charge_cannot_be_authenticated() {
        let cancel = IntentCommand::Cancel { id: "pi_1".to_owned() };
        let canceled = decide(&waiting(), &cancel).intent.unwrap();
        assert_eq!((canceled.state, canceled.event), (PaymentIntentState::Canceled, None));
        let acted = act(&canceled, BuyerAction::Accept);
        assert_eq!(acted.intent, None);
        assert!(matches!(acted.result, Err(ProviderError::UnexpectedState { .. })));
    }

    #[test]
    fn only_accept_and_decline_are_actions() {
        assert_eq!(BuyerAction::parse("accept"), Some(BuyerAction::Accept));
        assert_eq!(BuyerAction::parse("decline"), Some(BuyerAction::Decline));
        assert_eq!(BuyerAction::parse("Accept"), None);
    }
}
