use aws_sdk_dynamodb::{Client, types::AttributeValue};
use lambda_http::{Body, Error, Request, RequestExt, Response, service_fn};
use serde_json::Value;

pub(crate) async fn serve(client: Client) -> Result<(), Error> {
    lambda_http::run(service_fn(|request| read_item(&client, request))).await
}

async fn read_item(client: &Client, request: Request) -> Result<Response<Body>, Error> {
    let parameters = request.path_parameters();
    let product_id = parameters.first("product_id").ok_or("no product_id")?;
    let output = client
        .get_item()
        .table_name("rialto-local-catalog")
        .key("pk", AttributeValue::S(format!("PRODUCT#{product_id}")))
        .key("sk", AttributeValue::S("PRODUCT".to_owned()))
        .consistent_read(true)
        .send()
        .await?;
    let product: Value = serde_dynamo::from_item(output.item.ok_or("no such product")?)?;
    let response = Response::builder().header("Content-Type", "application/json");
    Ok(response.body(Body::from(product.to_string()))?)
}
