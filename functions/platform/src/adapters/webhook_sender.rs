//! Delivery of the simulator's webhooks over HTTP.

use crate::ports::{DeliveryFailed, WebhookSender};
use aws_smithy_runtime_api::client::{http::HttpConnector, orchestrator::HttpRequest};
use aws_smithy_types::{body::SdkBody, error::display::DisplayErrorContext};
use rialto_aws::http::{Connector, TrustedRoots};
use rialto_kernel::signature;
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

/// The time limit until the response's headers have arrived.
const READ_TIMEOUT: Duration = Duration::from_secs(8);

/// Posts webhooks to a URL.
#[derive(Debug, Clone)]
pub struct HttpWebhookSender {
    pub url: String,
    pub connector: Arc<OnceLock<Connector>>,
}

impl WebhookSender for HttpWebhookSender {
    async fn deliver(&self, body: &str, signature: &str) -> Result<(), DeliveryFailed> {
        let malformed = |_| DeliveryFailed("malformed request".to_owned());
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST").map_err(malformed)?;
        request.set_uri(self.url.clone()).map_err(malformed)?;
        let headers = request.headers_mut();
        headers.insert("content-type", "application/json; charset=utf-8");
        headers.try_insert(signature::HEADER, signature.to_owned()).map_err(malformed)?;
        let result = self.connector.get_or_init(connector).call(request).await;
        let response =
            result.map_err(|error| DeliveryFailed(DisplayErrorContext(error).to_string()))?;
        if response.status().is_success() {
            Ok(())
        } else {
            Err(DeliveryFailed(format!("status {}", response.status())))
        }
    }
}

fn connector() -> Connector {
    Connector::new(TrustedRoots::System, Some(READ_TIMEOUT))
}
