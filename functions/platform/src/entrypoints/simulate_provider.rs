//! The payment provider's simulator: one function that serves every path of an API in Stripe's
//! format.

mod form;
pub(super) mod responses;

use crate::{
    adapters::dynamodb::DynamoIntents,
    application::simulate_provider::{
        IdempotentRequest, SimulateError, SimulatorResponse, simulate_provider,
    },
    domain::{
        dispute,
        intent::{IntentCommand, NewPaymentIntent, ProviderError},
    },
    ports::{IntentStore, RateLimiter},
};
use form::Form;
use responses::ErrorResponse;
use rialto_kernel::{
    StoreError, digest,
    settings::{SIMULATOR_KEY, SIMULATOR_RATE_LIMIT},
};
use rialto_lambda::{
    FunctionContext,
    app::StartError,
    boot::Failure,
    caller,
    http::{self, Request, Response},
};
use std::{sync::Arc, time::Duration};

/// The delay of responses with `pm_sim_slow`.
const SLOW_RESPONSE_DELAY: Duration = Duration::from_secs(2);

pub fn main() {
    http::serve_raw("platform-simulate-provider", build);
}

fn build(app: &FunctionContext) -> Result<http::RawHandler, StartError> {
    if app.stage.as_str() == "prod" {
        return Err(StartError::NotForProd(app.function));
    }
    let (store, settings) = (DynamoIntents::open(app), Arc::clone(&app.settings));
    settings.prefetch(&[SIMULATOR_KEY.name, SIMULATOR_RATE_LIMIT.name]);
    Ok(Arc::new(move |request| {
        let (store, settings) = (store.clone(), Arc::clone(&settings));
        Box::pin(async move {
            let key = settings.get(&SIMULATOR_KEY).await?;
            let rate_limit = settings.get(&SIMULATOR_RATE_LIMIT).await?;
            let simulator = Simulator { store, key, rate_limit };
            let (response, timing) = simulator.handle(&request).await?;
            if timing == ResponseTiming::Slow {
                tokio::time::sleep(SLOW_RESPONSE_DELAY).await;
            }
            Ok(response)
        })
    }))
}

/// Whether a response is delayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseTiming {
    Prompt,
    Slow,
}

/// The simulator, with its settings.
#[derive(Debug, Clone)]
pub struct Simulator<S> {
    pub store: S,
    /// The API key that requests must have.
    pub key: String,
    /// The requests that are processed in a second; 0 without a limit.
    pub rate_limit: u32,
}

impl<S: IntentStore + RateLimiter + Sync> Simulator<S> {
    /// Responds to a request of any path.
    ///
    /// # Errors
    /// If there is to be no response, as if the connection were reset.
    pub async fn handle(&self, request: &Request) -> Result<(Response, ResponseTiming), Failure> {
        match self.admit_and_route(request).await {
            Ok(response) => Ok(response),
            Err(HandlerError::Response(error)) => {
                Ok((error.into_response(), ResponseTiming::Prompt))
            }
            Err(HandlerError::Failure(failure)) => Err(failure),
        }
    }

    async fn admit_and_route(
        &self,
        request: &Request,
    ) -> Result<(Response, ResponseTiming), HandlerError> {
        authenticate(&self.key, request)?;
        if self.rate_limit > 0 && !self.store.admit(self.rate_limit, request.now()).await? {
            return Err(ErrorResponse::rate_limited().into());
        }
        route(&self.store, request).await
    }
}

/// The outcomes of a request other than success.
enum HandlerError {
    Response(ErrorResponse),
    /// No response is sent.
    Failure(Failure),
}

impl From<ErrorResponse> for HandlerError {
    fn from(error: ErrorResponse) -> Self {
        Self::Response(error)
    }
}

impl From<SimulateError> for HandlerError {
    fn from(error: SimulateError) -> Self {
        match error {
            SimulateError::KeyReused => Self::Response(ErrorResponse::key_reused()),
            SimulateError::Reset | SimulateError::Store(_) => Self::Failure(error.into()),
        }
    }
}

impl From<StoreError> for HandlerError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

async fn route(
    store: &impl IntentStore,
    request: &Request,
) -> Result<(Response, ResponseTiming), HandlerError> {
    let path = request.path.get("proxy").map_or("", |path| path.trim_matches('/'));
    let parts: Vec<&str> = path.split('/').collect();
    match (request.method.as_str(), parts.as_slice()) {
        ("POST", ["v1", "payment_intents"]) => execute(store, request, create(request)?).await,
        ("GET", ["v1", "payment_intents", id]) => {
            let intent = store
                .intent(id)
                .await?
                .ok_or_else(|| ErrorResponse::no_such_intent(id, "intent"))?;
            Ok((responses::intent(&intent), ResponseTiming::Prompt))
        }
        ("POST", ["v1", "payment_intents", id, "confirm"]) => {
            let mut form = Form::read(request)?;
            let confirm = IntentCommand::Confirm { id: (*id).to_owned(), method: form.method()? };
            form.finish()?;
            execute(store, request, confirm).await
        }
        ("POST", ["v1", "payment_intents", id, "cancel"]) => {
            Form::read(request)?.finish()?;
            execute(store, request, IntentCommand::Cancel { id: (*id).to_owned() }).await
        }
        ("POST", ["v1", "refunds"]) => {
            let mut form = Form::read(request)?;
            let refund = IntentCommand::Refund {
                id: form.required("payment_intent")?,
                amount: form.amount("amount")?,
                metadata: form.metadata()?,
            };
            form.finish()?;
            execute(store, request, refund).await
        }
        ("GET", ["v1", "disputes", id]) => {
            let intent = match dispute::intent_of(id) {
                Some(intent) => store.intent(&intent).await?,
                None => None,
            };
            let dispute = intent.and_then(|intent| intent.dispute);
            let dispute = dispute.ok_or_else(|| ErrorResponse::no_such_dispute(id))?;
            Ok((responses::dispute(&dispute), ResponseTiming::Prompt))
        }
        ("POST", ["v1", "simulator", "disputes", id, "close"]) => {
            let mut form = Form::read(request)?;
            let status = form.dispute_status()?;
            form.finish()?;
            let intent =
                dispute::intent_of(id).ok_or_else(|| ErrorResponse::no_such_dispute(id))?;
            execute(store, request, IntentCommand::CloseDispute { id: intent, status }).await
        }
        ("GET", ["v1", "refunds"]) => list_refunds(store, request).await,
        _ => Err(ErrorResponse::unknown_url(&request.method, path).into()),
    }
}

/// Requires the simulator's key. Without one in the settings, every request is rejected.
fn authenticate(key: &str, request: &Request) -> Result<(), ErrorResponse> {
    let given = request
        .header("authorization")
        .and_then(caller::bearer)
        .ok_or_else(ErrorResponse::no_key)?;
    // Comparing digests takes a time that reveals nothing about the key.
    let hash = |key: &str| digest::sha256(&[key.as_bytes()]);
    if key.is_empty() || hash(given) != hash(key) {
        Err(ErrorResponse::wrong_key())
    } else {
        Ok(())
    }
}

fn create(request: &Request) -> Result<IntentCommand, HandlerError> {
    let mut form = Form::read(request)?;
    let id = new_id().map_err(HandlerError::Failure)?;
    let amount = form.amount("amount")?.ok_or_else(|| ErrorResponse::missing("amount"))?;
    let new = NewPaymentIntent {
        metadata: form.metadata()?,
        method: form.method()?,
        confirm: form.flag("confirm")?,
        ..NewPaymentIntent::new(id, amount, form.currency()?)
    };
    form.finish()?;
    Ok(IntentCommand::Create(new))
}

fn new_id() -> Result<String, Failure> {
    let mut random = [0; 12];
    getrandom::fill(&mut random).map_err(|error| error.to_string())?;
    Ok(format!("pi_{}", digest::hex(&random)))
}

async fn execute(
    store: &impl IntentStore,
    request: &Request,
    command: IntentCommand,
) -> Result<(Response, ResponseTiming), HandlerError> {
    let path = request.path.get("proxy").map_or("", String::as_str);
    let idempotent = IdempotentRequest {
        command,
        idempotency_key: request.header("idempotency-key"),
        request_hash: digest::hex(&digest::sha256(&[path.as_bytes(), &request.body])),
    };
    let SimulatorResponse { response, replayed, slow } =
        simulate_provider(store, &idempotent, responses::render, request.now()).await?;
    let response = Response::raw(response.status, "application/json", response.body);
    let response = if replayed { response.header("Idempotent-Replayed", "true") } else { response };
    Ok((response, if slow { ResponseTiming::Slow } else { ResponseTiming::Prompt }))
}

/// Lists refunds newest first, 10 by default, like the provider.
async fn list_refunds(
    store: &impl IntentStore,
    request: &Request,
) -> Result<(Response, ResponseTiming), HandlerError> {
    let mut form = Form::of_query(request);
    let id = form.required("payment_intent")?;
    let limit = form.limit()?;
    let after = form.take("starting_after");
    form.finish()?;
    let intent = store
        .intent(&id)
        .await?
        .ok_or_else(|| ErrorResponse::no_such_intent(&id, "payment_intent"))?;
    let mut refunds: Vec<_> = intent.refunds.into_iter().rev().collect();
    if let Some(after) = after {
        let at = refunds.iter().position(|refund| refund.id == after);
        let at = at.ok_or_else(|| ErrorResponse::parameter("starting_after", "No such refund"))?;
        refunds.drain(..=at);
    }
    let has_more = refunds.len() > limit;
    refunds.truncate(limit);
    Ok((responses::refunds(&refunds, has_more), ResponseTiming::Prompt))
}

impl From<&ProviderError> for ErrorResponse {
    fn from(error: &ProviderError) -> Self {
        match error {
            ProviderError::NotFound { id } => Self::no_such_intent(id, "intent"),
            ProviderError::Declined { intent, decline } => Self::declined(intent, *decline),
            ProviderError::UnexpectedState { intent, action } => {
                Self::unexpected_state(intent, action)
            }
            ProviderError::NoPaymentMethod { intent } => Self::no_payment_method(intent),
            ProviderError::NotCharged { id } => Self::not_charged(id),
            ProviderError::Disputed { charge } => Self::disputed(charge),
            ProviderError::NotDisputed { id } => Self::no_such_dispute(id),
            ProviderError::DisputeClosed { id } => Self::dispute_closed(id),
            ProviderError::AlreadyRefunded { charge } => Self::already_refunded(charge),
            ProviderError::ExceedsRefundable { refundable } => {
                Self::exceeds_refundable(*refundable)
            }
            ProviderError::RateLimited => Self::rate_limited(),
            ProviderError::Overloaded => Self::overloaded(),
            ProviderError::Reset | ProviderError::ResponseLost => Self::internal_error(),
            ProviderError::Locked => Self::locked(),
        }
    }
}

#[cfg(test)]
mod tests;
