//! Responses in the provider's format.

use crate::domain::{
    dispute::{DisputeStatus, ProviderDispute},
    idempotency::StoredResponse,
    intent::{
        DeclineReason, IntentEvent, PaymentIntent, PaymentIntentState, ProviderError,
        ProviderObject, ProviderRefund,
    },
};
use rialto_kernel::digest;
use rialto_lambda::http::Response;
use serde_json::{Value, json};

/// Renders the result of a command as the client sees it. `base` is the simulator's address.
pub(super) fn render(result: &Result<ProviderObject, ProviderError>, base: &str) -> StoredResponse {
    match result {
        Ok(ProviderObject::Intent(intent)) => {
            StoredResponse { status: 200, body: intent_object(intent, base).to_string() }
        }
        Ok(ProviderObject::Refund(refund)) => {
            StoredResponse { status: 200, body: refund_object(refund).to_string() }
        }
        Ok(ProviderObject::Dispute(dispute)) => {
            StoredResponse { status: 200, body: dispute_object(dispute).to_string() }
        }
        Err(error) => {
            let response = ErrorResponse::from(error);
            StoredResponse { status: response.status, body: response.body().to_string() }
        }
    }
}

pub(super) fn intent(intent: &PaymentIntent, base: &str) -> Response {
    json_response(200, &intent_object(intent, base))
}

pub(super) fn dispute(dispute: &ProviderDispute) -> Response {
    json_response(200, &dispute_object(dispute))
}

pub(super) fn refunds(refunds: &[ProviderRefund], has_more: bool) -> Response {
    let data: Vec<_> = refunds.iter().map(refund_object).collect();
    json_response(
        200,
        &json!({"object": "list", "url": "/v1/refunds", "has_more": has_more, "data": data}),
    )
}

fn json_response(status: u16, body: &Value) -> Response {
    Response::raw(status, "application/json", body.to_string())
}

fn intent_object(intent: &PaymentIntent, base: &str) -> Value {
    let received = if intent.state == PaymentIntentState::Succeeded { intent.amount } else { 0 };
    let next_action =
        (intent.state == PaymentIntentState::RequiresAction).then(|| next_action(intent, base));
    json!({
        "id": intent.id,
        "object": "payment_intent",
        "amount": intent.amount,
        "amount_received": received,
        "capture_method": "automatic",
        "client_secret": intent.client_secret(),
        "created": intent.created.seconds(),
        "currency": intent.currency,
        "last_payment_error": intent.decline.map(decline_object),
        "latest_charge": intent.charge,
        "livemode": false,
        "metadata": intent.metadata,
        "next_action": next_action,
        "payment_method": intent.method,
        "payment_method_types": ["card"],
        "status": intent.state,
    })
}

/// The page on which the buyer accepts or declines.
fn next_action(intent: &PaymentIntent, base: &str) -> Value {
    let (id, secret) = (&intent.id, intent.client_secret());
    let url = format!("{base}/v1/simulator/intents/{id}/action?client_secret={secret}");
    json!({
        "type": "redirect_to_url",
        "redirect_to_url": {"return_url": intent.return_url, "url": url},
    })
}

/// A webhook event about an intent. It has the same id each time it is delivered.
pub(in crate::entrypoints) fn event(intent: &PaymentIntent, event: IntentEvent) -> String {
    let kind = event.as_str();
    let id = digest::hex(&digest::sha256(&[intent.id.as_bytes(), kind.as_bytes()])[..12]);
    json!({
        "id": format!("evt_{id}"),
        "object": "event",
        "created": intent.created.seconds(),
        "data": {"object": intent_object(intent, "")},
        "livemode": false,
        "pending_webhooks": 1,
        "type": format!("payment_intent.{kind}"),
    })
    .to_string()
}

/// The webhook event of a dispute: that it was opened, or decided.
pub(in crate::entrypoints) fn disputed(dispute: &ProviderDispute) -> String {
    let kind = match dispute.status {
        DisputeStatus::NeedsResponse => "charge.dispute.created",
        DisputeStatus::Won | DisputeStatus::Lost => "charge.dispute.closed",
    };
    let id = digest::hex(&digest::sha256(&[dispute.id.as_bytes(), kind.as_bytes()])[..12]);
    json!({
        "id": format!("evt_{id}"),
        "object": "event",
        "created": dispute.created.seconds(),
        "data": {"object": dispute_object(dispute)},
        "livemode": false,
        "pending_webhooks": 1,
        "type": kind,
    })
    .to_string()
}

fn dispute_object(dispute: &ProviderDispute) -> Value {
    let transactions: Vec<_> = dispute
        .balance_changes()
        .into_iter()
        .map(|amount| {
            json!({
                "object": "balance_transaction",
                "amount": amount,
                "currency": dispute.currency,
                "fee": 0,
                "net": amount,
                "source": dispute.id,
                "type": "adjustment",
            })
        })
        .collect();
    json!({
        "id": dispute.id,
        "object": "dispute",
        "amount": dispute.amount,
        "balance_transactions": transactions,
        "charge": dispute.charge,
        "created": dispute.created.seconds(),
        "currency": dispute.currency,
        "livemode": false,
        "metadata": {},
        "payment_intent": dispute.intent,
        "reason": "fraudulent",
        "status": dispute.status,
    })
}

fn refund_object(refund: &ProviderRefund) -> Value {
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

fn decline_object(decline: DeclineReason) -> Value {
    let message = match decline {
        DeclineReason::GenericDecline => "Your card was declined.",
        DeclineReason::InsufficientFunds => "Your card has insufficient funds.",
        DeclineReason::AuthenticationFailure => {
            let message = "The payment method has failed authentication.";
            let code = "payment_intent_authentication_failure";
            return json!({"type": "invalid_request_error", "code": code, "message": message});
        }
    };
    json!({"type": "card_error", "code": "card_declined", "decline_code": decline, "message": message})
}

/// An error in the provider's format.
#[derive(Debug)]
pub(super) struct ErrorResponse {
    status: u16,
    error: Value,
}

impl ErrorResponse {
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

    pub(super) const fn status(&self) -> u16 {
        self.status
    }

    pub(super) fn message(&self) -> &str {
        self.error["message"].as_str().unwrap_or_default()
    }

    pub(super) fn into_response(self) -> Response {
        json_response(self.status, &self.body())
    }

    pub(super) fn no_key() -> Self {
        Self::new(401, "invalid_request_error", "You did not provide an API key.")
    }

    pub(super) fn wrong_key() -> Self {
        Self::new(401, "invalid_request_error", "Invalid API Key provided.")
    }

    pub(super) fn wrong_client_secret() -> Self {
        Self::new(401, "invalid_request_error", "The client_secret isn't that of the intent.")
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

    pub(super) fn no_such_payment_method(name: &str) -> Self {
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

    pub(super) fn declined(intent: &PaymentIntent, decline: DeclineReason) -> Self {
        let error = decline_object(decline);
        Self { status: 402, error }
            .with("charge", intent.charge.clone())
            .with("payment_intent", intent_object(intent, ""))
    }

    pub(super) fn unexpected_state(intent: &PaymentIntent, action: &str) -> Self {
        let state = json!(intent.state);
        let state = state.as_str().unwrap_or_default();
        Self::invalid(&format!(
            "You cannot {action} this PaymentIntent because it has a status of {state}."
        ))
        .with("code", "payment_intent_unexpected_state")
        .with("payment_intent", intent_object(intent, ""))
    }

    pub(super) fn no_payment_method(intent: &PaymentIntent) -> Self {
        Self::invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
        )
        .with("code", "payment_intent_unexpected_state")
        .with("payment_intent", intent_object(intent, ""))
    }

    pub(super) fn not_charged(id: &str) -> Self {
        Self::invalid(&format!(
            "This PaymentIntent ({id}) does not have a successful charge to refund."
        ))
        .with("code", "payment_intent_unexpected_state")
        .with("param", "payment_intent")
    }

    pub(super) fn no_such_dispute(id: &str) -> Self {
        Self::new(404, "invalid_request_error", &format!("No such dispute: '{id}'"))
            .with("code", "resource_missing")
            .with("param", "dispute")
    }

    pub(super) fn disputed(charge: &str) -> Self {
        Self::invalid(&format!("Charge {charge} has been charged back; cannot issue a refund."))
            .with("code", "charge_disputed")
    }

    pub(super) fn dispute_closed(id: &str) -> Self {
        Self::invalid(&format!("Dispute {id} is already closed."))
            .with("code", "dispute_already_closed")
    }

    pub(super) fn already_refunded(charge: &str) -> Self {
        Self::invalid(&format!("Charge {charge} has already been refunded."))
            .with("code", "charge_already_refunded")
    }

    pub(super) fn exceeds_refundable(refundable: u64) -> Self {
        Self::invalid(&format!(
            "Refund amount is greater than unrefunded amount on charge ({refundable})"
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

    pub(super) fn internal_error() -> Self {
        Self::new(500, "api_error", "An unknown error occurred.")
    }
}
