//! The same as `read_item`, configured by `aws-config`'s default chain: profiles, roles, metadata services and the
//! system's root certificates. Its TLS is rustls on ring, because aws-lc is not a dependency of this workspace.

mod route;

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use lambda_http::Error;

fn main() -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
        route::serve(Client::new(&config)).await
    })
}
