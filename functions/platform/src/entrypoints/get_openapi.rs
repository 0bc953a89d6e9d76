use rialto_lambda::http::{self, Problem, Response};

/// The document. Its server is `.`, relative to the document itself, which is right for every stage
/// prefix and domain.
const DOCUMENT: &str = include_str!("../../../../openapi.json");

pub fn main() {
    http::serve("platform-get-openapi", |_| http::handler((), |(), _| handle()));
}

/// Get the OpenAPI document
///
/// Describes every route.
#[utoipa::path(
    get, path = "/openapi.json",
    responses((status = 200, body = Object, content_type = "application/json")),
)]
pub(crate) async fn handle() -> Result<Response, Problem> {
    Ok(Response::raw(200, "application/json", DOCUMENT.to_owned())
        .header("Cache-Control", "public, max-age=300"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_document_may_be_cached_by_everybody() {
        let response = handle().await.unwrap();
        let caching = ("Cache-Control", "public, max-age=300".to_owned());
        assert!(response.headers.contains(&caching), "{:?}", response.headers);
    }
}
