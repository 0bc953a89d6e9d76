//! The payment provider's simulator: one function behind every path of an API of its own, in Stripe's form.

pub(super) mod answer;
mod form;

use crate::{
    adapters::dynamodb::DynamoIntents,
    application::simulate_provider::{
        IdempotentRequest, SimulateError, SimulatorResponse, simulate_provider,
    },
    domain::intent::{NewIntent, ProviderError, Request as Change},
    ports::Intents,
};
use answer::Fault;
use form::Form;
use rialto_kernel::{StoreError, digest, settings::PROVIDER_KEY};
use rialto_lambda::{
    FunctionContext,
    app::StartError,
    boot::Failure,
    caller,
    http::{self, Request, Response},
};
use std::{sync::Arc, time::Duration};

/// How late `pm_sim_slow` answers.
const SLOWNESS: Duration = Duration::from_secs(2);

pub fn main() {
    http::serve_raw("platform-simulate-provider", build);
}

fn build(app: &FunctionContext) -> Result<http::RawHandler, StartError> {
    if app.stage.as_str() == "prod" {
        return Err(StartError::NotForProd(app.function));
    }
    let (store, settings) = (DynamoIntents::open(app), Arc::clone(&app.settings));
    Ok(Arc::new(move |request| {
        let (store, settings) = (store.clone(), Arc::clone(&settings));
        Box::pin(async move {
            let key = settings.get(&PROVIDER_KEY).await?;
            let reply = handle(&store, &key, &request).await?;
            if let ResponseTiming::Slow = reply.1 {
                tokio::time::sleep(SLOWNESS).await;
            }
            Ok(reply.0)
        })
    }))
}

/// Whether an answer is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ResponseTiming {
    Prompt,
    Slow,
}

/// A failure is a connection that breaks without an answer.
async fn handle(
    store: &impl Intents,
    key: &str,
    request: &Request,
) -> Result<(Response, ResponseTiming), Failure> {
    match route(store, key, request).await {
        Ok(answered) => Ok(answered),
        Err(HandlerError::Fault(fault)) => Ok((fault.into_reply(), ResponseTiming::Prompt)),
        Err(HandlerError::Broken(failure)) => Err(failure),
    }
}

/// Why there is nothing to answer with.
enum HandlerError {
    Fault(Fault),
    Broken(Failure),
}

impl From<Fault> for HandlerError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<SimulateError> for HandlerError {
    fn from(error: SimulateError) -> Self {
        match error {
            SimulateError::KeyReused => Self::Fault(Fault::key_reused()),
            SimulateError::Reset | SimulateError::Store(_) => Self::Broken(error.into()),
        }
    }
}

impl From<StoreError> for HandlerError {
    fn from(error: StoreError) -> Self {
        Self::Broken(error.into())
    }
}

async fn route(
    store: &impl Intents,
    key: &str,
    request: &Request,
) -> Result<(Response, ResponseTiming), HandlerError> {
    authenticate(key, request)?;
    let path = request.path.get("proxy").map_or("", |path| path.trim_matches('/'));
    let parts: Vec<&str> = path.split('/').collect();
    match (request.method.as_str(), parts.as_slice()) {
        ("POST", ["v1", "payment_intents"]) => change(store, request, create(request)?).await,
        ("GET", ["v1", "payment_intents", id]) => {
            let intent =
                store.intent(id).await?.ok_or_else(|| Fault::no_such_intent(id, "intent"))?;
            Ok((answer::intent(&intent), ResponseTiming::Prompt))
        }
        ("POST", ["v1", "payment_intents", id, "confirm"]) => {
            let mut form = Form::read(request)?;
            let confirm = Change::Confirm { id: (*id).to_owned(), method: form.method()? };
            form.finish()?;
            change(store, request, confirm).await
        }
        ("POST", ["v1", "payment_intents", id, "cancel"]) => {
            Form::read(request)?.finish()?;
            change(store, request, Change::Cancel { id: (*id).to_owned() }).await
        }
        ("POST", ["v1", "refunds"]) => {
            let mut form = Form::read(request)?;
            let refund = Change::Refund {
                id: form.required("payment_intent")?,
                amount: form.amount("amount")?,
                metadata: form.metadata()?,
            };
            form.finish()?;
            change(store, request, refund).await
        }
        ("GET", ["v1", "refunds"]) => list_refunds(store, request).await,
        _ => Err(Fault::unknown_url(&request.method, path).into()),
    }
}

/// Only who knows the stage's provider key is answered; without a key in the settings, nobody.
fn authenticate(key: &str, request: &Request) -> Result<(), Fault> {
    let given =
        request.header("authorization").and_then(caller::bearer).ok_or_else(Fault::no_key)?;
    // Digests compare in a time that tells nothing of the key.
    let hash = |key: &str| digest::sha256(&[key.as_bytes()]);
    if key.is_empty() || hash(given) != hash(key) { Err(Fault::wrong_key()) } else { Ok(()) }
}

fn create(request: &Request) -> Result<Change, HandlerError> {
    let mut form = Form::read(request)?;
    let new = NewIntent {
        id: new_id().map_err(HandlerError::Broken)?,
        amount: form.amount("amount")?.ok_or_else(|| Fault::missing("amount"))?,
        currency: form.currency()?,
        metadata: form.metadata()?,
        method: form.method()?,
        confirm: form.flag("confirm")?,
    };
    form.finish()?;
    Ok(Change::Create(new))
}

fn new_id() -> Result<String, Failure> {
    let mut random = [0; 12];
    getrandom::fill(&mut random).map_err(|error| error.to_string())?;
    Ok(format!("pi_{}", digest::hex(&random)))
}

async fn change(
    store: &impl Intents,
    request: &Request,
    change: Change,
) -> Result<(Response, ResponseTiming), HandlerError> {
    let path = request.path.get("proxy").map_or("", String::as_str);
    let keyed = IdempotentRequest {
        request: change,
        idempotency_key: request.header("idempotency-key"),
        request_hash: digest::hex(&digest::sha256(&[path.as_bytes(), &request.body])),
    };
    let SimulatorResponse { answer, replayed, slow } =
        simulate_provider(store, &keyed, answer::write, request.now()).await?;
    let reply = Response::raw(answer.status, "application/json", answer.body);
    let reply = if replayed { reply.header("Idempotent-Replayed", "true") } else { reply };
    Ok((reply, if slow { ResponseTiming::Slow } else { ResponseTiming::Prompt }))
}

/// Newest first, 10 unless asked, as the provider does.
async fn list_refunds(
    store: &impl Intents,
    request: &Request,
) -> Result<(Response, ResponseTiming), HandlerError> {
    let mut form = Form::of_query(request);
    let id = form.required("payment_intent")?;
    let limit = form.limit()?;
    let after = form.take("starting_after");
    form.finish()?;
    let intent =
        store.intent(&id).await?.ok_or_else(|| Fault::no_such_intent(&id, "payment_intent"))?;
    let mut refunds: Vec<_> = intent.refunds.into_iter().rev().collect();
    if let Some(after) = after {
        let at = refunds.iter().position(|refund| refund.id == after);
        let at = at.ok_or_else(|| Fault::parameter("starting_after", "No such refund"))?;
        refunds.drain(..=at);
    }
    let has_more = refunds.len() > limit;
    refunds.truncate(limit);
    Ok((answer::refunds(&refunds, has_more), ResponseTiming::Prompt))
}

impl From<&ProviderError> for Fault {
    fn from(refusal: &ProviderError) -> Self {
        match refusal {
            ProviderError::NotFound { id } => Self::no_such_intent(id, "intent"),
            ProviderError::Declined { intent, decline } => Self::declined(intent, *decline),
            ProviderError::UnexpectedState { intent, action } => {
                Self::unexpected_state(intent, action)
            }
            ProviderError::NoMethod { intent } => Self::no_method(intent),
            ProviderError::NotCharged { id } => Self::not_charged(id),
            ProviderError::AlreadyRefunded { charge } => Self::already_refunded(charge),
            ProviderError::AboveRest { left } => Self::above_rest(*left),
            ProviderError::RateLimited => Self::rate_limited(),
            ProviderError::Overloaded => Self::overloaded(),
            ProviderError::Reset | ProviderError::AnswerLost => Self::broken(),
            ProviderError::Locked => Self::locked(),
        }
    }
}

#[cfg(test)]
mod tests;
