//! The HTTP client of every AWS client: rustls on ring, trusting the roots that AWS's own certificates come from.
//!
//! Reading the system's hundred and forty roots would be nine tenths of a function's start.

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::{
    Builder, Connector,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpClient};
use std::time::Duration;

/// Amazon Root CA 1 to 4 and Starfield Services Root CA G2 (https://www.amazontrust.com/repository/).
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon_roots.pem");

const PROVIDER: Provider = Provider::Rustls(CryptoMode::Ring);

pub(crate) fn client() -> SharedHttpClient {
    let builder = Builder::new().tls_provider(PROVIDER);
    match amazon() {
        Some(context) => builder.tls_context(context).build_https(),
        None => builder.build_https(),
    }
}

pub(crate) fn connector(read_timeout: Duration) -> Connector {
    let settings = HttpConnectorSettings::builder()
        .connect_timeout(Duration::from_secs(1))
        .read_timeout(read_timeout)
        .build();
    let builder = Connector::builder()
        .tls_provider(PROVIDER)
        .connector_settings(settings)
        .sleep_impl(TokioSleep::new());
    match amazon() {
        Some(context) => builder.tls_context(context).build(),
        None => builder.build(),
    }
}

/// None would only mean that the system's roots are read after all.
fn amazon() -> Option<TlsContext> {
    let roots = TrustStore::empty().with_pem_certificate(AMAZON_ROOTS);
    TlsContext::builder().with_trust_store(roots).build().ok()
}
