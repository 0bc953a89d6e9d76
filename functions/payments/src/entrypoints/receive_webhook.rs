use crate::{
    adapters::{dynamodb::DynamoPayments, provider::HttpProvider},
    application::{
        receive_dispute::receive_dispute,
        receive_webhook::{
            ChargeNotification, ReceiveWebhookError, WebhookOutcome, receive_webhook,
        },
    },
    domain::{dispute::DisputeId, intent::IntentId},
    ports::{DisputeProvider, PaymentReader, PaymentWriter, Provider},
};
use rialto_kernel::{Clock, OrderId, RefundId, settings::WEBHOOK_SECRET, signature};
use rialto_lambda::{
    FunctionContext,
    http::{self, Problem, Request, Response},
    settings::Settings,
    telemetry::InvocationContext,
};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

pub fn main() {
    http::serve("payments-receive-webhook", |app| http::handler(WebhookState::open(app), handle));
}

#[derive(Clone)]
pub(crate) struct WebhookState {
    store: DynamoPayments,
    provider: HttpProvider,
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
}

impl WebhookState {
    fn open(app: &FunctionContext) -> Self {
        app.settings.prefetch(&[WEBHOOK_SECRET.name]);
        Self {
            store: DynamoPayments::open(app),
            provider: HttpProvider::open(app),
            settings: Arc::clone(&app.settings),
            clock: Arc::clone(&app.clock),
        }
    }
}

/// The provider's event. Only the charge, refund or dispute that it names is used.
#[derive(Debug, Deserialize)]
struct ProviderEvent {
    #[serde(rename = "type")]
    kind: String,
    data: EventData,
}

#[derive(Debug, Deserialize)]
struct EventData {
    object: Value,
}

/// Events that report how far a charge has come.
const CHARGE_EVENTS: [&str; 5] = [
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
];

/// Events that report a refund's outcome, also one that fails after it succeeded. The last is sent
/// instead of the others by API versions before 2024-10-28.
const REFUND_EVENTS: [&str; 3] = ["refund.failed", "refund.updated", "charge.refund.updated"];

/// Events that report a change of a dispute.
const DISPUTE_EVENTS: [&str; 5] = [
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
];

impl ProviderEvent {
    /// The dispute that the event is about; `None` for other events.
    fn parse_dispute(&self) -> Option<DisputeId> {
        let id = self.data.object["id"].as_str()?;
        DISPUTE_EVENTS.contains(&self.kind.as_str()).then(|| DisputeId::parse(id))?
    }

    /// The charge or refund that the event is about; `None` for other events, and for charges and
    /// refunds without an order.
    fn parse_notification(&self) -> Option<ChargeNotification> {
        let (kind, object) = (self.kind.as_str(), &self.data.object);
        let (intent, refund) = if CHARGE_EVENTS.contains(&kind) {
            (&object["id"], None)
        } else if REFUND_EVENTS.contains(&kind) {
            // The name of a try: an id and, from the second on, its number.
            let name = object["metadata"]["refund_id"].as_str()?;
            let id = name.split_once('#').map_or(name, |(id, _)| id);
            (&object["payment_intent"], Some(RefundId::parse(id).ok()?))
        } else {
            return None;
        };
        let order_id = OrderId::parse(object["metadata"]["order_id"].as_str()?).ok()?;
        let intent = IntentId::parse(intent.as_str()?).ok()?;
        Some(ChargeNotification { order_id, intent, refund })
    }
}

/// Receive a payment webhook
///
/// For the payment provider: an event in Stripe's form, signed in `Stripe-Signature` (`t=…,v1=…`,
/// an HMAC of `<t>.<body>`; `t` within five minutes; several `v1` while the secret is rotated). A
/// wrong signature or timestamp is 400 `invalid`. The webhook only identifies a charge, a refund or
/// a dispute; its state is fetched from the provider and recorded. Other events, repeated ones and
/// those of unknown charges are acknowledged without an effect.
#[utoipa::path(
    post, path = "/webhooks/payments",
    params(
        ("Stripe-Signature" = String, Header, pattern = "^t=[0-9]+(, *v[0-9]+=([0-9a-f]{2})+)+$"),
    ),
    request_body(content = Object, description = "An event of the payment provider"),
    responses((status = 204, description = "Acknowledged")),
)]
pub(crate) async fn handle(state: WebhookState, request: Request) -> Result<Response, Problem> {
    let secret = state.settings.get(&WEBHOOK_SECRET).await.map_err(Problem::unavailable)?;
    receive(&state.store, &state.provider, &secret, &request, &*state.clock).await
}

async fn receive(
    store: &(impl PaymentReader + PaymentWriter),
    provider: &(impl Provider + DisputeProvider),
    secret: &str,
    request: &Request,
    clock: &(impl Clock + ?Sized),
) -> Result<Response, Problem> {
    if secret.is_empty() {
        return Err(Problem::unavailable(format!("setting {} is empty", WEBHOOK_SECRET.name)));
    }
    let header =
        request.header(signature::HEADER).ok_or_else(|| Problem::field(HEADER, "is required"))?;
    signature::verify(secret, header, &request.body, request.now())
        .map_err(|error| Problem::field(HEADER, error))?;
    let event: ProviderEvent = serde_json::from_slice(&request.body)
        .map_err(|_| Problem::field("body", "must be an event of the payment provider"))?;
    let traceparent = Some(InvocationContext::current().trace.traceparent());
    if let Some(dispute) = event.parse_dispute() {
        let outcome = receive_dispute(store, provider, &dispute, traceparent, clock).await?;
        tracing::info!(dispute = dispute.as_str(), ?outcome, "dispute notification handled");
        return Ok(Response::no_content());
    }
    let Some(notification) = event.parse_notification() else {
        tracing::info!(kind = event.kind, "ignored provider event");
        return Ok(Response::no_content());
    };
    let outcome = receive_webhook(store, provider, &notification, traceparent, clock).await?;
    let (order, intent) = (notification.order_id, notification.intent.as_str());
    match outcome {
        WebhookOutcome::UnknownCharge => tracing::warn!(%order, intent, "unknown charge"),
        WebhookOutcome::Recorded | WebhookOutcome::Unchanged => {
            tracing::info!(%order, intent, ?outcome, "charge notification handled")
        }
    }
    Ok(Response::no_content())
}

const HEADER: &str = "Stripe-Signature";

impl From<ReceiveWebhookError> for Problem {
    fn from(error: ReceiveWebhookError) -> Self {
        match error {
            ReceiveWebhookError::Store(error) => error.into(),
            ReceiveWebhookError::Settle(error) => Self::unavailable(error),
        }
    }
}

#[cfg(test)]
mod tests;
