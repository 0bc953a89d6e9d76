//! Answers in the provider's form.

use crate::domain::{
    intent::{Decline, Intent, Object, ProviderError, Refund, State},
    saved::StoredResponse,
};
use rialto_kernel::digest;
use rialto_lambda::http::Response;
use serde_json::{Value, json};

/// What a change leads to, as the client sees it.
pub(super) fn write(result: &Result<Object, ProviderError>) -> StoredResponse {
    match result {
        Ok(Object::Intent(intent)) => {
            StoredResponse { status: 200, body: intent_object(intent).to_string() }
        }
        Ok(Object::Refund(refund)) => {
            StoredResponse { status: 200, body: refund_object(refund).to_string() }
        }
        Err(refusal) => {
            let fault = Fault::from(refusal);
            StoredResponse { status: fault.status, body: fault.body().to_string() }
        }
    }
}

pub(super) fn intent(intent: &Intent) -> Response {
    reply(200, &intent_object(intent))
}

pub(super) fn refunds(refunds: &[Refund], has_more: bool) -> Response {
    let data: Vec<_> = refunds.iter().map(refund_object).collect();
    reply(200, &json!({"object": "list", "url": "/v1/refunds", "has_more": has_more, "data": data}))
}

fn reply(status: u16, body: &Value) -> Response {
    Response::raw(status, "application/json", body.to_string())
}

fn intent_object(intent: &Intent) -> Value {
    let received = if intent.state == State::Succeeded { intent.amount } else { 0 };
    json!({
        "id": intent.id,
        "object": "payment_intent",
        "amount": intent.amount,
        "amount_received": received,
        "capture_method": "automatic",
        "created": intent.created.seconds(),
        "currency": intent.currency,
        "last_payment_error": intent.decline.map(decline_object),
        "latest_charge": intent.charge,
        "livemode": false,
        "metadata": intent.metadata,
        "next_action": null,
        "payment_method": intent.method,
        "payment_method_types": ["card"],
        "status": intent.state,
    })
}

/// The event that tells of a charge's success, the same however often it is told.
pub(in crate::entrypoints) fn succeeded(intent: &Intent) -> String {
    let id = digest::hex(&digest::sha256(&[intent.id.as_bytes(), b"succeeded"])[..12]);
    json!({
        "id": format!("evt_{id}"),
        "object": "event",
        "created": intent.created.seconds(),
        "data": {"object": intent_object(intent)},
        "livemode": false,
        "pending_webhooks": 1,
        "type": "payment_intent.succeeded",
    })
    .to_string()
}

fn refund_object(refund: &Refund) -> Value {
    json!({
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "charge": refund.charge,
        "created": refund.created.seconds(),
        "currency": refund.currency,
        "metadata": refund.metadata,
        "payment_intent": refund.intent,
        "reason": null,
        "status": "succeeded",
    })
}

fn decline_object(decline: Decline) -> Value {
    let message = match decline {
        Decline::GenericDecline => "Your card was declined.",
        Decline::InsufficientFunds => "Your card has insufficient funds.",
    };
    json!({"type": "card_error", "code": "card_declined", "decline_code": decline, "message": message})
}

/// An error in the provider's form.
#[derive(Debug)]
pub(super) struct Fault {
    status: u16,
    error: Value,
}

impl Fault {
    fn new(status: u16, kind: &str, message: &str) -> Self {
        Self { status, error: json!({"type": kind, "message": message}) }
    }

    fn invalid(message: &str) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.error[name] = value.into();
        self
    }

    fn body(&self) -> Value {
        json!({"error": self.error})
    }

    pub(super) fn into_reply(self) -> Response {
        reply(self.status, &self.body())
    }

    pub(super) fn no_key() -> Self {
        Self::new(401, "invalid_request_error", "You did not provide an API key.")
    }

    pub(super) fn wrong_key() -> Self {
        Self::new(401, "invalid_request_error", "Invalid API Key provided.")
    }

    pub(super) fn unknown_url(method: &str, path: &str) -> Self {
        Self::new(
            404,
            "invalid_request_error",
            &format!("Unrecognized request URL ({method}: /{path})."),
        )
    }

    pub(super) fn not_a_form() -> Self {
        Self::invalid("Send the body as application/x-www-form-urlencoded.")
    }

    pub(super) fn missing(name: &str) -> Self {
        Self::invalid(&format!("Missing required param: {name}."))
            .with("code", "parameter_missing")
            .with("param", name)
    }

    pub(super) fn unknown_parameter(name: &str) -> Self {
        Self::invalid(&format!("Received unknown parameter: {name}"))
            .with("code", "parameter_unknown")
            .with("param", name)
    }

    pub(super) fn parameter(name: &str, message: &str) -> Self {
        Self::invalid(message).with("code", "parameter_invalid").with("param", name)
    }

    pub(super) fn no_such_method(name: &str) -> Self {
        Self::invalid(&format!("No such PaymentMethod: '{name}'"))
            .with("code", "resource_missing")
            .with("param", "payment_method")
    }

    pub(super) fn no_such_intent(id: &str, param: &str) -> Self {
        Self::new(404, "invalid_request_error", &format!("No such payment_intent: '{id}'"))
            .with("code", "resource_missing")
            .with("param", param)
    }

    pub(super) fn key_reused() -> Self {
        Self::new(
            400,
            "idempotency_error",
            "Keys for idempotent requests can only be used with the same parameters they were first used with.",
        )
    }

    pub(super) fn declined(intent: &Intent, decline: Decline) -> Self {
        let error = decline_object(decline);
        Self { status: 402, error }
            .with("charge", intent.charge.clone())
            .with("payment_intent", intent_object(intent))
    }

    pub(super) fn unexpected_state(intent: &Intent, action: &str) -> Self {
        let state = json!(intent.state);
        let state = state.as_str().unwrap_or_default();
        Self::invalid(&format!(
            "You cannot {action} this PaymentIntent because it has a status of {state}."
        ))
        .with("code", "payment_intent_unexpected_state")
        .with("payment_intent", intent_object(intent))
    }

    pub(super) fn no_method(intent: &Intent) -> Self {
        Self::invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
        )
        .with("code", "payment_intent_unexpected_state")
        .with("payment_intent", intent_object(intent))
    }

    pub(super) fn not_charged(id: &str) -> Self {
        Self::invalid(&format!(
            "This PaymentIntent ({id}) does not have a successful charge to refund."
        ))
        .with("code", "payment_intent_unexpected_state")
        .with("param", "payment_intent")
    }

    pub(super) fn already_refunded(charge: &str) -> Self {
        Self::invalid(&format!("Charge {charge} has already been refunded."))
            .with("code", "charge_already_refunded")
    }

    pub(super) fn above_rest(left: u64) -> Self {
        Self::invalid(&format!(
            "Refund amount is greater than unrefunded amount on charge ({left})"
        ))
        .with("code", "amount_too_large")
        .with("param", "amount")
    }

    pub(super) fn rate_limited() -> Self {
        Self::new(429, "invalid_request_error", "Too many requests hit the API too quickly.")
            .with("code", "rate_limit")
    }

    pub(super) fn locked() -> Self {
        Self::new(
            429,
            "invalid_request_error",
            "This object cannot be accessed right now: it is locked.",
        )
        .with("code", "lock_timeout")
    }

    pub(super) fn overloaded() -> Self {
        Self::new(503, "api_error", "The API is temporarily unavailable.")
    }

    pub(super) fn broken() -> Self {
        Self::new(500, "api_error", "An unknown error occurred.")
    }
}
