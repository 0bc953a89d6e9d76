//! Who hears the simulator's webhooks, over HTTP.

use crate::ports::{DeliveryFailed, WebhookSender};
use aws_smithy_runtime_api::client::{http::HttpConnector, orchestrator::HttpRequest};
use aws_smithy_types::{body::SdkBody, error::display::DisplayErrorContext};
use rialto_aws::http::{Connector, TrustedRoots};
use rialto_kernel::signature;
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

/// Until the answer's head is there.
const ANSWER_TIME: Duration = Duration::from_secs(8);

/// Whoever is at this URL.
#[derive(Debug, Clone)]
pub struct HttpListener {
    pub url: String,
    pub connector: Arc<OnceLock<Connector>>,
}

impl WebhookSender for HttpListener {
    async fn deliver(&self, body: &str, signature: &str) -> Result<(), DeliveryFailed> {
        let malformed = |_| DeliveryFailed("the request is malformed".to_owned());
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST").map_err(malformed)?;
        request.set_uri(self.url.clone()).map_err(malformed)?;
        let headers = request.headers_mut();
        headers.insert("content-type", "application/json; charset=utf-8");
        headers.try_insert(signature::HEADER, signature.to_owned()).map_err(malformed)?;
        let answer = self.connector.get_or_init(connector).call(request).await;
        let answer =
            answer.map_err(|error| DeliveryFailed(DisplayErrorContext(error).to_string()))?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(DeliveryFailed(format!("status {}", answer.status())))
        }
    }
}

fn connector() -> Connector {
    Connector::new(TrustedRoots::System, Some(ANSWER_TIME))
}
