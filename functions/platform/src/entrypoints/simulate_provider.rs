//! The payment provider's simulator: one function that serves every path of an API in Stripe's
//! format.

mod form;
mod page;
pub(super) mod responses;

use crate::{
    adapters::dynamodb::DynamoIntents,
    application::simulate_provider::{
        IdempotentRequest, SimulateError, SimulatorResponse, simulate_provider,
    },
    domain::{
        dispute::{self, ProviderDispute},
        intent::{IntentCommand, NewPaymentIntent, PaymentIntent, ProviderError},
    },
    ports::{IntentStore, RateLimiter},
};
use form::Form;
use responses::ErrorResponse;
use rialto_kernel::{
    StoreError, digest,
    settings::{PROVIDER_URL, SIMULATOR_KEY, SIMULATOR_RATE_LIMIT},
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
    settings.prefetch(&[PROVIDER_URL.name, SIMULATOR_KEY.name, SIMULATOR_RATE_LIMIT.name]);
    Ok(Arc::new(move |request| {
        let (store, settings) = (store.clone(), Arc::clone(&settings));
        Box::pin(async move {
            let key = settings.get(&SIMULATOR_KEY).await?;
            let rate_limit = settings.get(&SIMULATOR_RATE_LIMIT).await?;
            let base = settings.get(&PROVIDER_URL).await?;
            let simulator = Simulator { store, key, rate_limit, base };
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
    /// The address that clients reach it at: all of it before `/v1/…`.
    pub base: String,
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
        let path = request.path.get("proxy").map_or("", |path| path.trim_matches('/'));
        let parts: Vec<&str> = path.split('/').collect();
        let page = match parts.as_slice() {
            ["v1", "simulator", "intents", id, "action"]
                if request.header("authorization").is_none() =>
            {
                Some(*id)
            }
            _ => None,
        };
        if page.is_none() {
            authenticate(&self.key, request)?;
        }
        if self.rate_limit > 0 && !self.store.admit(self.rate_limit, request.now()).await? {
            return Err(ErrorResponse::rate_limited().into());
        }
        match page {
            Some(id) => Ok((self.page(request, id).await?, ResponseTiming::Prompt)),
            None => self.route(request, path, &parts).await,
        }
    }

    async fn route(
        &self,
        request: &Request,
        path: &str,
        parts: &[&str],
    ) -> Result<(Response, ResponseTiming), HandlerError> {
        let store = &self.store;
        match (request.method.as_str(), parts) {
            ("POST", ["v1", "payment_intents"]) => self.execute(request, create(request)?).await,
            ("GET", ["v1", "payment_intents", id]) => {
                let intent = intent(store, id).await?;
                Ok((responses::intent(&intent, &self.base), ResponseTiming::Prompt))
            }
            ("POST", ["v1", "payment_intents", id, "confirm"]) => {
                let mut form = Form::read(request)?;
                let confirm = IntentCommand::Confirm {
                    id: (*id).to_owned(),
                    method: form.method()?,
                    return_url: form.return_url()?,
                };
                form.finish()?;
                self.execute(request, confirm).await
            }
            ("POST", ["v1", "payment_intents", id, "cancel"]) => {
                Form::read(request)?.finish()?;
                self.execute(request, IntentCommand::Cancel { id: (*id).to_owned() }).await
            }
            ("POST", ["v1", "simulator", "intents", id, "action"]) => {
                let mut form = Form::read(request)?;
                let act = IntentCommand::Act { id: (*id).to_owned(), action: form.action()? };
                form.finish()?;
                self.execute(request, act).await
            }
            ("POST", ["v1", "refunds"]) => {
                let mut form = Form::read(request)?;
                let refund = IntentCommand::Refund {
                    id: form.required("payment_intent")?,
                    amount: form.amount("amount")?,
                    metadata: form.metadata()?,
                };
                form.finish()?;
                self.execute(request, refund).await
            }
            ("GET", ["v1", "refunds"]) => list_refunds(store, request).await,
            ("GET", ["v1", "disputes", id]) => {
                let dispute = dispute(store, id).await?;
                Ok((responses::dispute(&dispute), ResponseTiming::Prompt))
            }
            ("POST", ["v1", "simulator", "disputes", id, "close"]) => {
                let mut form = Form::read(request)?;
                let status = form.dispute_status()?;
                form.finish()?;
                let id = disputed_intent(id)?;
                self.execute(request, IntentCommand::CloseDispute { id, status }).await
            }
            _ => Err(ErrorResponse::unknown_url(&request.method, path).into()),
        }
    }

    /// The page on which the buyer acts on an intent, and its form.
    async fn page(&self, request: &Request, id: &str) -> Result<Response, HandlerError> {
        let response = match request.method.as_str() {
            "GET" => self.show(request, id).await,
            "POST" => self.submit(request, id).await,
            method => {
                Err(ErrorResponse::unknown_url(method, "v1/simulator/intents/…/action").into())
            }
        };
        match response {
            Err(HandlerError::Response(error)) => Ok(page::error(error.status(), error.message())),
            response => response,
        }
    }

    async fn show(&self, request: &Request, id: &str) -> Result<Response, HandlerError> {
        let intent = intent(&self.store, id).await?;
        authenticate_buyer(&intent, &mut Form::of_query(request))?;
        Ok(page::of(&intent))
    }

    async fn submit(&self, request: &Request, id: &str) -> Result<Response, HandlerError> {
        let mut form = Form::read(request)?;
        authenticate_buyer(&intent(&self.store, id).await?, &mut form)?;
        let act = IntentCommand::Act { id: id.to_owned(), action: form.action()? };
        form.finish()?;
        self.execute(request, act).await?;
        Ok(page::of(&intent(&self.store, id).await?))
    }

    async fn execute(
        &self,
        request: &Request,
        command: IntentCommand,
    ) -> Result<(Response, ResponseTiming), HandlerError> {
        let path = request.path.get("proxy").map_or("", String::as_str);
        let idempotent = IdempotentRequest {
            command,
            idempotency_key: request.header("idempotency-key"),
            request_hash: digest::hex(&digest::sha256(&[path.as_bytes(), &request.body])),
        };
        let render = |result: &_| responses::render(result, &self.base);
        let SimulatorResponse { response, replayed, slow } =
            simulate_provider(&self.store, &idempotent, render, request.now()).await?;
        let response = Response::raw(response.status, "application/json", response.body);
        let response =
            if replayed { response.header("Idempotent-Replayed", "true") } else { response };
        Ok((response, if slow { ResponseTiming::Slow } else { ResponseTiming::Prompt }))
    }
}

async fn intent(store: &impl IntentStore, id: &str) -> Result<PaymentIntent, HandlerError> {
    let intent = store.intent(id).await?;
    intent.ok_or_else(|| ErrorResponse::no_such_intent(id, "intent").into())
}

/// The id of the intent that a dispute is about.
fn disputed_intent(dispute_id: &str) -> Result<String, ErrorResponse> {
    dispute::intent_of(dispute_id).ok_or_else(|| ErrorResponse::no_such_dispute(dispute_id))
}

async fn dispute(store: &impl IntentStore, id: &str) -> Result<ProviderDispute, HandlerError> {
    let intent = store.intent(&disputed_intent(id)?).await?;
    let dispute = intent.and_then(|intent| intent.dispute);
    dispute.ok_or_else(|| ErrorResponse::no_such_dispute(id).into())
}

/// Requires the secret of the intent, which its buyer has.
fn authenticate_buyer(intent: &PaymentIntent, form: &mut Form) -> Result<(), ErrorResponse> {
    let given = form.required("client_secret")?;
    let hash = |secret: &str| digest::sha256(&[secret.as_bytes()]);
    if hash(&given) == hash(&intent.client_secret()) {
        Ok(())
    } else {
        Err(ErrorResponse::wrong_client_secret())
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
        return_url: form.return_url()?,
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
