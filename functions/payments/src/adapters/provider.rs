//! The payment provider over HTTP, by Stripe's API: form-encoded requests, JSON responses.

use crate::{
    domain::{
        intent::{DeclineCode, IntentId, IntentState},
        payment::Charge,
        refund::{Refund, RefundOutcome, RefundProgress},
    },
    ports::{Provider, ProviderError},
};
use aws_smithy_runtime_api::client::{http::HttpConnector, orchestrator::HttpRequest};
use aws_smithy_types::{
    body::SdkBody, byte_stream::ByteStream, error::display::DisplayErrorContext,
};
use rialto_aws::http::{Connector, TrustedRoots};
use rialto_kernel::{
    OrderId, RefundId,
    settings::{PROVIDER_KEY, PROVIDER_URL},
};
use rialto_lambda::{FunctionContext, settings::Settings, telemetry::InvocationContext};
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

/// The time for one request and its whole response.
const CALL_TIMEOUT: Duration = Duration::from_secs(4);
/// The size limit of a response body, in bytes.
const MAX_RESPONSE_BYTES: usize = 1024 * 1024;

/// The provider that the settings name. The first request opens the connection.
#[derive(Clone)]
pub struct HttpProvider {
    settings: Arc<Settings>,
    connector: Arc<OnceLock<Connector>>,
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

/// A response of any status.
struct ProviderResponse {
    status: u16,
    body: Vec<u8>,
}

impl HttpProvider {
    #[must_use]
    pub fn open(app: &FunctionContext) -> Self {
        Self::with(Arc::clone(&app.settings))
    }

    #[must_use]
    pub fn with(settings: Arc<Settings>) -> Self {
        settings.prefetch(&[PROVIDER_URL.name, PROVIDER_KEY.name]);
        Self { settings, connector: Arc::default() }
    }

    /// Sends a request and decodes the body of a successful response.
    async fn fetch<T: DeserializeOwned>(
        &self,
        request: ProviderRequest<'_>,
    ) -> Result<T, ProviderError> {
        self.send(request).await?.decode()
    }

    async fn send(&self, request: ProviderRequest<'_>) -> Result<ProviderResponse, ProviderError> {
        let request = self.http_request(request).await?;
        let exchange = async {
            let connector =
                self.connector.get_or_init(|| Connector::new(TrustedRoots::System, None));
            let mut response =
                connector.call(request).await.map_err(|error| unknown_outcome(&error))?;
            let status = response.status().as_u16();
            let mut stream = ByteStream::new(response.take_body());
            let mut body = Vec::new();
            while let Some(part) = stream.next().await {
                body.extend_from_slice(&part.map_err(|error| unknown_outcome(&error))?);
                if body.len() > MAX_RESPONSE_BYTES {
                    return Err(ProviderError::Unknown("response body too large".to_owned()));
                }
            }
            Ok(ProviderResponse { status, body })
        };
        match tokio::time::timeout(CALL_TIMEOUT, exchange).await {
            Ok(response) => response,
            Err(_) => Err(ProviderError::Unknown("no response in time".to_owned())),
        }
    }

    async fn http_request(
        &self,
        request: ProviderRequest<'_>,
    ) -> Result<HttpRequest, ProviderError> {
        let unknown = |error: &dyn std::fmt::Display| ProviderError::Unknown(error.to_string());
        let base = self.settings.get(&PROVIDER_URL).await.map_err(|error| unknown(&error))?;
        let secret = self.settings.get(&PROVIDER_KEY).await.map_err(|error| unknown(&error))?;
        if secret.is_empty() {
            return Err(ProviderError::Unknown(format!("setting {} is empty", PROVIDER_KEY.name)));
        }
        let form =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(&request.form).finish();
        let mut http_request = HttpRequest::new(SdkBody::from(form));
        let malformed = |_| ProviderError::Unknown("malformed request".to_owned());
        http_request.set_method(request.method).map_err(malformed)?;
        http_request.set_uri(format!("{base}{}", request.path)).map_err(malformed)?;
        let headers = http_request.headers_mut();
        headers.try_insert("authorization", format!("Bearer {secret}")).map_err(malformed)?;
        headers
            .try_insert("traceparent", InvocationContext::current().trace.traceparent())
            .map_err(malformed)?;
        if request.method == "POST" {
            headers.insert("content-type", "application/x-www-form-urlencoded");
        }
        if let Some(key) = request.idempotency_key {
            headers.try_insert("idempotency-key", key.to_owned()).map_err(malformed)?;
        }
        Ok(http_request)
    }
}

/// The request may or may not have been processed.
fn unknown_outcome(error: &(dyn std::error::Error + 'static)) -> ProviderError {
    ProviderError::Unknown(DisplayErrorContext(error).to_string())
}

impl ProviderResponse {
    fn decode<T: DeserializeOwned>(&self) -> Result<T, ProviderError> {
        if !(200..300).contains(&self.status) {
            return Err(self.error());
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| ProviderError::Unknown(format!("invalid response: {error}")))
    }

    /// Classifies an unsuccessful response. Only a refusal of this very request is final;
    /// throttling, authentication, server and proxy errors leave the outcome unknown.
    fn error(&self) -> ProviderError {
        match (self.status, serde_json::from_slice::<FailureBody>(&self.body)) {
            (400 | 402 | 404, Ok(FailureBody { error })) if error.is_final() => {
                ProviderError::Refused(error.reason())
            }
            (status, _) => ProviderError::Unknown(format!("HTTP status {status}")),
        }
    }

    fn is_decline(&self) -> bool {
        self.status == 402
    }
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
            ("requires_payment_method" | "requires_action" | "requires_capture", _) => {
                IntentState::RequiresAction
            }
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

/// The metadata key of a refund that holds its [`RefundId`].
const REFUND_ID_KEY: &str = "refund_id";

impl Provider for HttpProvider {
    async fn create_intent(
        &self,
        order: OrderId,
        charge: &Charge,
    ) -> Result<IntentId, ProviderError> {
        let order = order.to_string();
        let form = vec![
            ("amount", charge.total.to_string()),
            ("currency", charge.currency.to_string().to_ascii_lowercase()),
            ("payment_method", charge.payment_method.clone()),
            // Off-session: the buyer can't be redirected.
            ("automatic_payment_methods[enabled]", "true".to_owned()),
            ("automatic_payment_methods[allow_redirects]", "never".to_owned()),
            ("metadata[order_id]", order.clone()),
        ];
        let request = ProviderRequest::post("/v1/payment_intents".to_owned(), form, Some(&order));
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
        let response = self.send(ProviderRequest::post(path, Vec::new(), None)).await?;
        match response.decode::<IntentBody>() {
            Err(ProviderError::Refused(reason)) if response.is_decline() => {
                Ok(IntentState::Failed { reason })
            }
            intent => intent?.state(),
        }
    }

    async fn cancel_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        let path = format!("/v1/payment_intents/{}/cancel", intent.as_str());
        self.fetch::<IntentBody>(ProviderRequest::post(path, Vec::new(), None)).await?.state()
    }

    async fn find_refund(
        &self,
        intent: &IntentId,
        refund: RefundId,
    ) -> Result<Option<RefundProgress>, ProviderError> {
        let path = format!("/v1/refunds?payment_intent={}&limit=100", intent.as_str());
        let list: RefundList = self.fetch(ProviderRequest::get(path)).await?;
        let refund_id = refund.to_string();
        match list
            .data
            .iter()
            .find(|created| created.metadata.get(REFUND_ID_KEY) == Some(&refund_id))
        {
            Some(created) => created.progress().map(Some),
            None if list.has_more => Err(ProviderError::Unknown(format!(
                "{} has more refunds than one page",
                intent.as_str()
            ))),
            None => Ok(None),
        }
    }

    async fn create_refund(
        &self,
        intent: &IntentId,
        refund: &Refund,
    ) -> Result<RefundProgress, ProviderError> {
        let refund_id = refund.refund_id.to_string();
        let form = vec![
            ("payment_intent", intent.as_str().to_owned()),
            ("amount", refund.amount.to_string()),
            ("metadata[refund_id]", refund_id.clone()),
        ];
        let request = ProviderRequest::post("/v1/refunds".to_owned(), form, Some(&refund_id));
        self.fetch::<RefundBody>(request).await?.progress()
    }
}
