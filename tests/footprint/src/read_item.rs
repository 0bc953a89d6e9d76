//! `GET /products/{product_id}` by `lambda_http` and the SDK with nothing else in it: no checks,
//! logs, settings or response types. Its AWS configuration is the one that Rialto's functions have.

mod route;

use aws_sdk_dynamodb::Client;
use lambda_http::Error;

fn main() -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = Client::new(&rialto_aws::sdk_config()?);
    runtime.block_on(route::serve(client))
}
