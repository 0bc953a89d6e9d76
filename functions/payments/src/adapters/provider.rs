//! The payment provider over HTTP, by Stripe's API: form-encoded requests, JSON responses.

use crate::{
    domain::{
        intent::{DeclineCode, IntentId, IntentState, NextAction},
        payment::Charge,
        refund::{Refund, RefundOutcome, RefundProgress},
    },
    ports::{ActionProvider, Provider, ProviderError},
};
use aws_smithy_runtime_api::client::{http::SharedHttpConnector, orchestrator::HttpRequest};
use aws_smithy_types::body::SdkBody;
use rialto_aws::http::{self, Connector, ResponseLimits, TrustedRoots, WholeResponse};
use rialto_kernel::{
    Backoff, OrderId,
    settings::{PROVIDER_KEY, PROVIDER_URL, RETURN_URL},
};
use rialto_lambda::{FunctionContext, settings::Settings, telemetry::InvocationContext};
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

mod disputes;

/// The version of Stripe's API whose requests and responses these are. Without it, Stripe would use
/// the account's, which can be changed outside of this code.
const API_VERSION: &str = "2026-05-27.dahlia";
/// The only host that live keys are sent to.
const STRIPE: &str = "https://api.stripe.com";
/// How Stripe's live keys begin: a secret or a restricted one.
const LIVE_KEYS: [&str; 2] = ["sk_live_", "rk_live_"];
/// The limits of one response.
const LIMITS: ResponseLimits = ResponseLimits { time: Duration::from_secs(4), bytes: 1024 * 1024 };
/// The pauses between attempts.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(200), longest: Duration::from_secs(4) };
/// The attempts of a request that fails for other reasons than a rate limit or a lock, or outside
/// of an invocation.
const MAX_ATTEMPTS: u32 = 4;
/// The time that another attempt and the write after it may take. No request is repeated with less
/// time left.
const ATTEMPT_TIME: Duration = Duration::from_secs(5);
/// The time that is left of the invocation after each request, for the write of its outcome.
const WRITE_TIME: Duration = Duration::from_secs(1);

/// The provider that the settings name. The first request opens the connection.
#[derive(Clone)]
pub struct HttpProvider {
    settings: Arc<Settings>,
    connector: Arc<OnceLock<SharedHttpConnector>>,
}

/// A request to the provider.
struct ProviderRequest<'a> {
    method: &'static str,
    /// With its query.
    path: String,
    form: Vec<(&'static str, String)>,
    idempotency_key: Option<&'a str>,
}

impl<'a> ProviderRequest<'a> {
    const fn get(path: String) -> Self {
        Self { method: "GET", path, form: Vec::new(), idempotency_key: None }
    }

    const fn post(
        path: String,
        form: Vec<(&'static str, String)>,
        idempotency_key: Option<&'a str>,
    ) -> Self {
        Self { method: "POST", path, form, idempotency_key }
    }
}

/// Why a request didn't succeed.
struct Failure {
    error: ProviderError,
    /// Whether a repetition may succeed soon.
    is_transient: bool,
    /// Whether the provider refused the charge.
    is_decline: bool,
}

impl Failure {
    /// The request may or may not have been processed.
    fn unknown(reason: impl std::fmt::Display) -> Self {
        let error = ProviderError::Unknown(reason.to_string());
        Self { error, is_transient: false, is_decline: false }
    }
}

impl HttpProvider {
    #[must_use]
    pub fn open(app: &FunctionContext) -> Self {
        Self::with(Arc::clone(&app.settings))
    }

    #[must_use]
    pub fn with(settings: Arc<Settings>) -> Self {
        settings.prefetch(&[PROVIDER_URL.name, PROVIDER_KEY.name, RETURN_URL.name]);
        Self { settings, connector: Arc::default() }
    }

    /// A provider that is reached by this connector.
    #[must_use]
    pub fn over(settings: Arc<Settings>, connector: SharedHttpConnector) -> Self {
        Self { connector: Arc::new(OnceLock::from(connector)), ..Self::with(settings) }
    }

    /// Sends a request and decodes the body of a successful response. Repeated after transient
    /// failures: the request reads, or has an idempotency key, or has no further effect.
    async fn fetch<T: DeserializeOwned>(
        &self,
        request: ProviderRequest<'_>,
    ) -> Result<T, ProviderError> {
        let mut failures = 0;
        loop {
            let failure = match self.send(&request).await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            failures += 1;
            if !failure.is_transient || !self.wait_to_repeat(failures, &failure.error).await {
                return Err(failure.error);
            }
        }
    }

    async fn send<T: DeserializeOwned>(&self, request: &ProviderRequest<'_>) -> Result<T, Failure> {
        let request = self.http_request(request).await?;
        let connector = self
            .connector
            .get_or_init(|| SharedHttpConnector::new(Connector::new(TrustedRoots::System, None)));
        let time = InvocationContext::current().time_left();
        let time =
            time.map_or(LIMITS.time, |left| left.saturating_sub(WRITE_TIME).min(LIMITS.time));
        let response = http::fetch(connector, request, ResponseLimits { time, ..LIMITS }).await;
        let response =
            response.map_err(|error| Failure { is_transient: true, ..Failure::unknown(error) })?;
        if !(200..300).contains(&response.status) {
            return Err(failure(&response));
        }
        serde_json::from_slice(&response.body)
            .map_err(|error| Failure::unknown(format!("invalid response: {error}")))
    }

    async fn http_request(&self, request: &ProviderRequest<'_>) -> Result<HttpRequest, Failure> {
        let base = self.settings.get(&PROVIDER_URL).await.map_err(Failure::unknown)?;
        let secret = self.settings.get(&PROVIDER_KEY).await.map_err(Failure::unknown)?;
        if secret.is_empty() {
            return Err(Failure::unknown(format!("setting {} is empty", PROVIDER_KEY.name)));
        }
        if base != STRIPE && LIVE_KEYS.iter().any(|prefix| secret.starts_with(prefix)) {
            return Err(Failure::unknown(format!("a live key is only sent to {STRIPE}")));
        }
        let form =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(&request.form).finish();
        let mut http_request = HttpRequest::new(SdkBody::from(form));
        let malformed = |_| Failure::unknown("malformed request");
        http_request.set_method(request.method).map_err(malformed)?;
        http_request.set_uri(format!("{base}{}", request.path)).map_err(malformed)?;
        let headers = http_request.headers_mut();
        headers.try_insert("authorization", format!("Bearer {secret}")).map_err(malformed)?;
        headers
            .try_insert("traceparent", InvocationContext::current().trace.traceparent())
            .map_err(malformed)?;
        headers.insert("stripe-version", API_VERSION);
        if request.method == "POST" {
            headers.insert("content-type", "application/x-www-form-urlencoded");
        }
        if let Some(key) = request.idempotency_key {
            headers.try_insert("idempotency-key", key.to_owned()).map_err(malformed)?;
        }
        Ok(http_request)
    }
}

/// Classifies an unsuccessful response. Only a refusal of this very request is final; idempotency,
/// authentication, server and proxy errors leave the outcome unknown.
fn failure(response: &WholeResponse) -> Failure {
    let status = response.status;
    let body = serde_json::from_slice::<FailureBody>(&response.body);
    let should_retry = response.headers.get("stripe-should-retry");
    let error = match (status, body) {
        (400 | 402 | 404, Ok(FailureBody { error })) if error.is_final() => {
            ProviderError::Refused(error.reason())
        }
        _ if should_retry == Some("false") => {
            ProviderError::Unrepeatable(format!("HTTP status {status}"))
        }
        (429, _) => {
            let seconds = response.headers.get("retry-after").and_then(|text| text.parse().ok());
            let retry_after = seconds.map(Duration::from_secs);
            ProviderError::Busy { reason: format!("HTTP status {status}"), retry_after }
        }
        (status, _) => ProviderError::Unknown(format!("HTTP status {status}")),
    };
    let is_transient = match should_retry {
        Some("true") => true,
        Some("false") => false,
        _ => matches!(status, 409 | 429 | 500..),
    };
    Failure { error, is_transient, is_decline: status == 402 }
}

#[derive(Deserialize)]
struct FailureBody {
    error: ErrorBody,
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(rename = "type", default)]
    kind: String,
    code: Option<String>,
    decline_code: Option<String>,
}

impl ErrorBody {
    /// Whether the provider refused the operation. An error without a code is about the form of the
    /// request, such as its path or API version.
    fn is_final(&self) -> bool {
        self.code.is_some() && matches!(self.kind.as_str(), "card_error" | "invalid_request_error")
    }

    fn reason(&self) -> DeclineCode {
        DeclineCode::new(self.decline_code.as_ref().or(self.code.as_ref()).unwrap_or(&self.kind))
    }
}

#[derive(Deserialize)]
struct IntentBody {
    id: String,
    status: String,
    last_payment_error: Option<ErrorBody>,
    next_action: Option<NextActionBody>,
    client_secret: Option<String>,
}

#[derive(Deserialize)]
struct NextActionBody {
    redirect_to_url: Option<RedirectBody>,
}

#[derive(Deserialize)]
struct RedirectBody {
    url: Option<String>,
}

impl IntentBody {
    fn state(&self) -> Result<IntentState, ProviderError> {
        Ok(match (self.status.as_str(), &self.last_payment_error) {
            ("requires_confirmation", _) => IntentState::RequiresConfirmation,
            ("processing", _) => IntentState::Processing,
            ("succeeded", _) => IntentState::Succeeded,
            ("canceled", _) => IntentState::Canceled,
            ("requires_payment_method", Some(error)) => {
                IntentState::Failed { reason: error.reason() }
            }
            ("requires_action", _) => IntentState::RequiresAction,
            ("requires_payment_method" | "requires_capture", _) => IntentState::Unusable,
            _ => {
                return Err(ProviderError::Unknown("unknown intent status".to_owned()));
            }
        })
    }
}

#[derive(Deserialize)]
struct RefundBody {
    status: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    failure_reason: Option<String>,
}

#[derive(Deserialize)]
struct RefundList {
    data: Vec<RefundBody>,
    has_more: bool,
}

impl RefundBody {
    fn progress(&self) -> Result<RefundProgress, ProviderError> {
        Ok(match self.status.as_str() {
            "succeeded" => RefundProgress::Ended(RefundOutcome::Issued),
            "pending" | "requires_action" => RefundProgress::Pending,
            "failed" | "canceled" => {
                let reason = DeclineCode::new(self.failure_reason.as_ref().unwrap_or(&self.status));
                RefundProgress::Ended(RefundOutcome::Failed { reason })
            }
            _ => {
                return Err(ProviderError::Unknown("unknown refund status".to_owned()));
            }
        })
    }
}

/// The metadata key of a refund that holds the name of its try.
const REFUND_ID_KEY: &str = "refund_id";

impl HttpProvider {
    /// The page for buyers who have authenticated a payment; empty without one.
    async fn return_url(&self) -> Result<String, ProviderError> {
        let url = self.settings.get(&RETURN_URL).await;
        url.map_err(|error| ProviderError::Unknown(error.to_string()))
    }
}

impl ActionProvider for HttpProvider {
    async fn next_action(&self, intent: &IntentId) -> Result<Option<NextAction>, ProviderError> {
        let path = format!("/v1/payment_intents/{}", intent.as_str());
        let body: IntentBody = self.fetch(ProviderRequest::get(path)).await?;
        let required = body.state()? == IntentState::RequiresAction;
        let redirect = body.next_action.and_then(|action| action.redirect_to_url);
        let url = redirect.and_then(|redirect| redirect.url);
        Ok(required.then_some(NextAction { url, client_secret: body.client_secret }))
    }
}

impl Provider for HttpProvider {
    async fn wait_to_repeat(&self, failures: u32, error: &ProviderError) -> bool {
        let time_left = InvocationContext::current().time_left();
        let pause = match error {
            ProviderError::Refused(_) | ProviderError::Unrepeatable(_) => return false,
            // Others are served meanwhile, so that it is worth all of the time.
            ProviderError::Busy { retry_after, .. } if time_left.is_some() => {
                retry_after.unwrap_or_default() + BACKOFF.pause(failures)
            }
            ProviderError::Busy { .. } | ProviderError::Unknown(_) if failures < MAX_ATTEMPTS => {
                BACKOFF.pause(failures)
            }
            ProviderError::Busy { .. } | ProviderError::Unknown(_) => return false,
        };
        if time_left.is_some_and(|left| left < pause + ATTEMPT_TIME) {
            return false;
        }
        tokio::time::sleep(pause).await;
        true
    }

    async fn create_intent(
        &self,
        order: OrderId,
        charge: &Charge,
    ) -> Result<IntentId, ProviderError> {
        let order = order.to_string();
        // Each attempt has a key of its own.
        let key = match charge.attempt {
            0 | 1 => order.clone(),
            number => format!("{order}#{number}"),
        };
        let redirects = if self.return_url().await?.is_empty() { "never" } else { "always" };
        let form = vec![
            ("amount", charge.total.to_string()),
            ("currency", charge.currency.to_string().to_ascii_lowercase()),
            ("payment_method", charge.payment_method.clone()),
            ("automatic_payment_methods[enabled]", "true".to_owned()),
            // Methods that redirect the buyer need an address to return to.
            ("automatic_payment_methods[allow_redirects]", redirects.to_owned()),
            ("metadata[order_id]", order.clone()),
        ];
        let request = ProviderRequest::post("/v1/payment_intents".to_owned(), form, Some(&key));
        let intent: IntentBody = self.fetch(request).await?;
        IntentId::parse(&intent.id)
            .map_err(|error| ProviderError::Unknown(format!("intent id {error}")))
    }

    async fn retrieve_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        let path = format!("/v1/payment_intents/{}", intent.as_str());
        self.fetch::<IntentBody>(ProviderRequest::get(path)).await?.state()
    }

    /// Sends no idempotency key: an intent is charged at most once, and with a key the provider
    /// would replay a failure for a day.
    async fn confirm_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        let path = format!("/v1/payment_intents/{}/confirm", intent.as_str());
        let return_url = self.return_url().await?;
        let form = Some(("return_url", return_url)).filter(|(_, url)| !url.is_empty());
        let request = ProviderRequest::post(path, form.into_iter().collect(), None);
        match self.send::<IntentBody>(&request).await {
            Ok(intent) => intent.state(),
            Err(Failure { error: ProviderError::Refused(reason), is_decline: true, .. }) => {
                Ok(IntentState::Failed { reason })
            }
            Err(failure) => Err(failure.error),
        }
    }

    async fn cancel_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        let path = format!("/v1/payment_intents/{}/cancel", intent.as_str());
        self.fetch::<IntentBody>(ProviderRequest::post(path, Vec::new(), None)).await?.state()
    }

    async fn find_refund(
        &self,
        intent: &IntentId,
        refund: &Refund,
    ) -> Result<Option<RefundProgress>, ProviderError> {
        let path = format!("/v1/refunds?payment_intent={}&limit=100", intent.as_str());
        let list: RefundList = self.fetch(ProviderRequest::get(path)).await?;
        let mut created = Vec::new();
        for refund in &list.data {
            if let Some(name) = refund.metadata.get(REFUND_ID_KEY) {
                created.push((name.clone(), refund.progress()?));
            }
        }
        match refund.progress(created) {
            // Another try may be on the next page.
            None | Some(RefundProgress::Ended(RefundOutcome::Failed { .. })) if list.has_more => {
                let intent = intent.as_str();
                let reason = format!("{intent} has more refunds than one page");
                Err(ProviderError::Unknown(reason))
            }
            progress => Ok(progress),
        }
    }

    async fn create_refund(
        &self,
        order: OrderId,
        intent: &IntentId,
        refund: &Refund,
    ) -> Result<RefundProgress, ProviderError> {
        let name = refund.try_name();
        let form = vec![
            ("payment_intent", intent.as_str().to_owned()),
            ("amount", refund.payable().to_string()),
            ("metadata[order_id]", order.to_string()),
            ("metadata[refund_id]", name.clone()),
        ];
        let request = ProviderRequest::post("/v1/refunds".to_owned(), form, Some(&name));
        self.fetch::<RefundBody>(request).await?.progress()
    }
}
