use crate::{
    adapters::{dynamodb::DynamoPayments, provider::HttpProvider},
    application::receive_webhook::{
        ChargeNotification, ReceiveWebhookError, WebhookOutcome, receive_webhook,
    },
    domain::intent::IntentId,
    ports::{PaymentReader, PaymentWriter, Provider},
};
use rialto_kernel::{OrderId, settings::WEBHOOK_SECRET, signature};
use rialto_lambda::{
    FunctionContext,
    http::{self, Problem, Request, Response},
    telemetry::InvocationContext,
};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

pub fn main() {
    http::serve("payments-receive-webhook", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let (store, provider) = (DynamoPayments::open(app), HttpProvider::open(app));
    let settings = Arc::clone(&app.settings);
    settings.prefetch(&[WEBHOOK_SECRET.name]);
    Arc::new(move |request| {
        let (store, provider, settings) = (store.clone(), provider.clone(), Arc::clone(&settings));
        Box::pin(async move {
            let secret = settings.get(&WEBHOOK_SECRET).await.map_err(Problem::unavailable)?;
            handle(&store, &provider, &secret, &request).await
        })
    })
}

/// The provider's event, of which nothing is believed but what it is about.
#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Debug, Deserialize)]
struct Data {
    object: Value,
}

/// The events that tell how a charge ended.
const ENDS: [&str; 3] =
    ["payment_intent.canceled", "payment_intent.payment_failed", "payment_intent.succeeded"];

impl Event {
    /// The charge that it tells of; none for any other event, and for charges that aren't of an order.
    fn parse_notification(&self) -> Option<ChargeNotification> {
        let object = ENDS.contains(&self.kind.as_str()).then_some(&self.data.object)?;
        let order_id = OrderId::parse(object["metadata"]["order_id"].as_str()?).ok()?;
        Some(ChargeNotification { order_id, intent: IntentId::parse(object["id"].as_str()?).ok()? })
    }
}

/// Tell of a charge
///
/// For the payment provider, in Stripe's form: an event, signed in `Stripe-Signature` (`t=…,v1=…` over `<t>.<body>`, five
/// minutes either way, several `v1` while the secret changes). What is wrongly signed or too old is 400 `invalid`. The
/// charge is looked up at the provider; how it ended there is recorded. An event that is unknown, known already or about
/// something else is acknowledged and changes nothing. No token opens this route.
#[utoipa::path(
    post, path = "/webhooks/payments",
    params(("Stripe-Signature" = String, Header)),
    request_body(content = Object, description = "An event of the provider's"),
    responses((status = 204, description = "Heard")),
)]
pub(crate) async fn handle(
    store: &(impl PaymentReader + PaymentWriter),
    provider: &impl Provider,
    secret: &str,
    request: &Request,
) -> Result<Response, Problem> {
    if secret.is_empty() {
        return Err(Problem::unavailable(format!("the setting {} is empty", WEBHOOK_SECRET.name)));
    }
    let header =
        request.header(signature::HEADER).ok_or_else(|| Problem::field(HEADER, "is required"))?;
    signature::verify(secret, header, &request.body, request.now())
        .map_err(|error| Problem::field(HEADER, error))?;
    let event: Event = serde_json::from_slice(&request.body)
        .map_err(|_| Problem::field("body", "must be an event of the provider's"))?;
    let Some(told) = event.parse_notification() else {
        tracing::info!(kind = event.kind, "no use for the provider's event");
        return Ok(Response::no_content());
    };
    let traceparent = Some(InvocationContext::current().trace.traceparent());
    let received = receive_webhook(store, provider, &told, traceparent, request.now()).await?;
    let (order, intent) = (told.order_id, told.intent.as_str());
    match received {
        WebhookOutcome::UnknownCharge => {
            tracing::warn!(%order, intent, "a charge that no payment knows")
        }
        WebhookOutcome::Recorded | WebhookOutcome::Unchanged => {
            tracing::info!(%order, intent, ?received, "told of a charge")
        }
    }
    Ok(Response::no_content())
}

const HEADER: &str = "Stripe-Signature";

impl From<ReceiveWebhookError> for Problem {
    fn from(error: ReceiveWebhookError) -> Self {
        match error {
            ReceiveWebhookError::Store(error) => error.into(),
            ReceiveWebhookError::Step(error) => Self::unavailable(error),
        }
    }
}

#[cfg(test)]
mod tests;
