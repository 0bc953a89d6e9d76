//! The same as `read_item`, configured by `aws-config`'s default chain: profiles, roles, metadata
//! services and the system's root certificates. Its TLS is rustls on ring, because aws-lc is not a
//! dependency of this workspace.

mod route;

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use lambda_http::Error;
use rialto_aws::http::{TrustedRoots, sdk_client};

fn main() -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let http = sdk_client(TrustedRoots::System);
        let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
        route::serve(Client::new(&config)).await
    })
}
