use rialto_lambda::{
    FunctionContext,
    http::{self, Problem, Response},
};
use std::sync::Arc;

/// Its server is `.`: relative to the document itself, and so right under every stage prefix and domain.
const DOCUMENT: &str = include_str!("../../../../openapi.json");

pub fn main() {
    http::serve("platform-get-openapi", build);
}

fn build(_: &FunctionContext) -> http::Handler {
    Arc::new(|_| Box::pin(handle()))
}

/// Read this document
///
/// The OpenAPI document of every route.
#[utoipa::path(
    get, path = "/openapi.json",
    responses((status = 200, body = Object, content_type = "application/json")),
)]
pub(crate) async fn handle() -> Result<Response, Problem> {
    Ok(Response::raw(200, "application/json", DOCUMENT.to_owned()))
}
