//! The payment provider over HTTP, in Stripe's form: forms in, JSON out.

use crate::{
    domain::{
        intent::{DeclineCode, IntentId, IntentState},
        payment::Charge,
        refund::{Refund, RefundEnd, RefundProgress},
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

/// For a request as a whole, its answer included.
const CALL_TIME: Duration = Duration::from_secs(4);
/// No answer is longer.
const MAX_ANSWER: usize = 1024 * 1024;

/// The provider that the settings name. The connection is made at the first request.
#[derive(Clone)]
pub struct HttpProvider {
    settings: Arc<Settings>,
    connector: Arc<OnceLock<Connector>>,
}

/// A request: its path with a query, its form, and the key under which it is done once.
struct Call<'a> {
    method: &'static str,
    path: String,
    form: Vec<(&'static str, String)>,
    key: Option<&'a str>,
}

impl<'a> Call<'a> {
    const fn get(path: String) -> Self {
        Self { method: "GET", path, form: Vec::new(), key: None }
    }

    const fn post(path: String, form: Vec<(&'static str, String)>, key: Option<&'a str>) -> Self {
        Self { method: "POST", path, form, key }
    }
}

/// What came back, whatever its status.
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

    /// The answer of a request that did what it was asked.
    async fn send<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, ProviderError> {
        self.answer(call).await?.read()
    }

    async fn answer(&self, call: Call<'_>) -> Result<ProviderResponse, ProviderError> {
        let request = self.request(call).await?;
        let answer = async {
            let connector =
                self.connector.get_or_init(|| Connector::new(TrustedRoots::System, None));
            let mut response = connector.call(request).await.map_err(|error| lost(&error))?;
            let status = response.status().as_u16();
            let mut stream = ByteStream::new(response.take_body());
            let mut body = Vec::new();
            while let Some(part) = stream.next().await {
                body.extend_from_slice(&part.map_err(|error| lost(&error))?);
                if body.len() > MAX_ANSWER {
                    return Err(ProviderError::Unknown("the answer doesn't end".to_owned()));
                }
            }
            Ok(ProviderResponse { status, body })
        };
        match tokio::time::timeout(CALL_TIME, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(ProviderError::Unknown("no answer in time".to_owned())),
        }
    }

    async fn request(&self, call: Call<'_>) -> Result<HttpRequest, ProviderError> {
        let setting = |error: &dyn std::fmt::Display| ProviderError::Unknown(error.to_string());
        let base = self.settings.get(&PROVIDER_URL).await.map_err(|error| setting(&error))?;
        let secret = self.settings.get(&PROVIDER_KEY).await.map_err(|error| setting(&error))?;
        if secret.is_empty() {
            return Err(ProviderError::Unknown(format!(
                "the setting {} is empty",
                PROVIDER_KEY.name
            )));
        }
        let form =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(&call.form).finish();
        let mut request = HttpRequest::new(SdkBody::from(form));
        let malformed = |_| ProviderError::Unknown("the request is malformed".to_owned());
        request.set_method(call.method).map_err(malformed)?;
        request.set_uri(format!("{base}{}", call.path)).map_err(malformed)?;
        let headers = request.headers_mut();
        headers.try_insert("authorization", format!("Bearer {secret}")).map_err(malformed)?;
        headers
            .try_insert("traceparent", InvocationContext::current().trace.traceparent())
            .map_err(malformed)?;
        if call.method == "POST" {
            headers.insert("content-type", "application/x-www-form-urlencoded");
        }
        if let Some(key) = call.key {
            headers.try_insert("idempotency-key", key.to_owned()).map_err(malformed)?;
        }
        Ok(request)
    }
}

/// The request may have arrived or not.
fn lost(error: &(dyn std::error::Error + 'static)) -> ProviderError {
    ProviderError::Unknown(DisplayErrorContext(error).to_string())
}

impl ProviderResponse {
    fn read<T: DeserializeOwned>(&self) -> Result<T, ProviderError> {
        if !(200..300).contains(&self.status) {
            return Err(self.refusal());
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| ProviderError::Unknown(format!("the answer can't be read: {error}")))
    }

    /// What an answer without success means. Only what the provider says about this very request is final; all else
    /// (throttling, keys, its own troubles, something in between that answers) tells nothing of what happened.
    fn refusal(&self) -> ProviderError {
        match (self.status, serde_json::from_slice::<FailureBody>(&self.body)) {
            (400 | 402 | 404, Ok(FailureBody { error })) if error.is_final() => {
                ProviderError::Refused(error.reason())
            }
            (status, _) => ProviderError::Unknown(format!("status {status}")),
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
    /// Without a code it isn't about what was asked, but about how: a wrong path, a wrong version.
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
                return Err(ProviderError::Unknown(
                    "the intent's status is unknown here".to_owned(),
                ));
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
            "succeeded" => RefundProgress::Ended(RefundEnd::Issued),
            "pending" | "requires_action" => RefundProgress::Pending,
            "failed" | "canceled" => {
                let reason = DeclineCode::new(self.failure_reason.as_ref().unwrap_or(&self.status));
                RefundProgress::Ended(RefundEnd::Failed { reason })
            }
            _ => {
                return Err(ProviderError::Unknown(
                    "the refund's status is unknown here".to_owned(),
                ));
            }
        })
    }
}

/// Where a refund carries our name for it.
const REFUND_NAME: &str = "refund_id";

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
            // Nobody is there to be sent to another page.
            ("automatic_payment_methods[enabled]", "true".to_owned()),
            ("automatic_payment_methods[allow_redirects]", "never".to_owned()),
            ("metadata[order_id]", order.clone()),
        ];
        let call = Call::post("/v1/payment_intents".to_owned(), form, Some(&order));
        let intent: IntentBody = self.send(call).await?;
        IntentId::parse(&intent.id)
            .map_err(|error| ProviderError::Unknown(format!("the intent's id {error}")))
    }

    async fn retrieve_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        let path = format!("/v1/payment_intents/{}", intent.as_str());
        self.send::<IntentBody>(Call::get(path)).await?.state()
    }

    /// Without a key: the intent itself is charged once at most, and a key would have a failure repeated for a day.
    async fn confirm_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        let path = format!("/v1/payment_intents/{}/confirm", intent.as_str());
        let answer = self.answer(Call::post(path, Vec::new(), None)).await?;
        match answer.read::<IntentBody>() {
            Err(ProviderError::Refused(reason)) if answer.is_decline() => {
                Ok(IntentState::Failed { reason })
            }
            intent => intent?.state(),
        }
    }

    async fn cancel_intent(&self, intent: &IntentId) -> Result<IntentState, ProviderError> {
        let path = format!("/v1/payment_intents/{}/cancel", intent.as_str());
        self.send::<IntentBody>(Call::post(path, Vec::new(), None)).await?.state()
    }

    async fn find_refund(
        &self,
        intent: &IntentId,
        refund: RefundId,
    ) -> Result<Option<RefundProgress>, ProviderError> {
        let path = format!("/v1/refunds?payment_intent={}&limit=100", intent.as_str());
        let list: RefundList = self.send(Call::get(path)).await?;
        let name = refund.to_string();
        match list.data.iter().find(|made| made.metadata.get(REFUND_NAME) == Some(&name)) {
            Some(made) => made.progress().map(Some),
            None if list.has_more => Err(ProviderError::Unknown(format!(
                "{} has too many refunds to look through",
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
        let name = refund.refund_id.to_string();
        let form = vec![
            ("payment_intent", intent.as_str().to_owned()),
            ("amount", refund.amount.to_string()),
            ("metadata[refund_id]", name.clone()),
        ];
        let call = Call::post("/v1/refunds".to_owned(), form, Some(&name));
        self.send::<RefundBody>(call).await?.progress()
    }
}
