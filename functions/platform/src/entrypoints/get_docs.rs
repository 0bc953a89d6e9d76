use rialto_lambda::{
    FunctionContext,
    http::{self, Problem, Response},
};
use std::sync::Arc;

/// The page that `build.rs` puts together: one file, which asks for nothing but `openapi.json` beside it.
const PACKED_PAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/docs.html.deflate"));
const SCRIPT_HASH: &str = include_str!(concat!(env!("OUT_DIR"), "/docs.script.sha256"));

pub fn main() {
    http::serve("platform-get-docs", build);
}

fn build(_: &FunctionContext) -> http::Handler {
    Arc::new(|_| Box::pin(handle()))
}

/// Browse the API
///
/// This document as a page, from which every route can be tried.
#[utoipa::path(
    get, path = "/docs",
    responses((status = 200, body = String, content_type = "text/html")),
)]
pub(crate) async fn handle() -> Result<Response, Problem> {
    let page = miniz_oxide::inflate::decompress_to_vec(PACKED_PAGE).map_err(Problem::internal)?;
    let page = String::from_utf8(page).map_err(Problem::internal)?;
    Ok(Response::raw(200, "text/html; charset=utf-8", page)
        .header("Content-Security-Policy", content_security_policy())
        .header("Cache-Control", "public, max-age=300")
        .header("Referrer-Policy", "no-referrer")
        .header("X-Content-Type-Options", "nosniff"))
}

/// Runs the page's one script and nothing else; talks to the page's own origin only.
fn content_security_policy() -> String {
    format!(
        "default-src 'none'; script-src 'sha256-{SCRIPT_HASH}'; style-src 'unsafe-inline'; img-src 'self' data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn page() -> String {
        handle().await.unwrap().body
    }

    #[tokio::test]
    async fn the_page_loads_nothing_from_elsewhere() {
        let page = page().await;
        // The one script holds markup of its own; what the browser loads by itself stands around it.
        let (head, rest) = page.split_once("<script>").unwrap();
        let (_, tail) = rest.split_once("</script>").unwrap();
        for part in [head, tail] {
            for loads in [
                "src=",
                "@import",
                "<iframe",
                "<script",
                "sourceMappingURL",
                "url(http",
                "url(\"http",
            ] {
                assert!(!part.contains(loads), "{loads}");
            }
        }
        assert!(page.contains("new URL(\"openapi.json\", location.href)"));
    }

    #[tokio::test]
    async fn an_answer_stays_below_what_a_function_may_answer() {
        let body = serde_json::to_string(&page().await).unwrap();
        assert!(body.len() < 4 * 1024 * 1024, "{}", body.len());
    }

    #[tokio::test]
    async fn the_policy_names_the_script_that_is_in_the_page() {
        let page = page().await;
        let (_, rest) = page.split_once("<script>").unwrap();
        let (script, _) = rest.split_once("</script>").unwrap();
        assert_eq!(super::SCRIPT_HASH, hash(script));
    }

    fn hash(text: &str) -> String {
        use base64::Engine as _;
        use sha2::Digest as _;
        base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(text))
    }
}
