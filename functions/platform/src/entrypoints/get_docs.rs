use rialto_lambda::http::{self, Problem, Response};

/// The page that `build.rs` assembles: one file, which loads nothing else than `openapi.json`.
const PACKED_PAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/docs.html.deflate"));
const SCRIPT_HASH: &str = include_str!(concat!(env!("OUT_DIR"), "/docs.script.sha256"));

pub fn main() {
    http::serve("platform-get-docs", |_| http::handler((), |(), _| handle()));
}

/// Browse the API documentation
///
/// An HTML page of the OpenAPI document, from which every route can be called.
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

/// Allows the page's own script and requests to the page's own origin only.
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
    async fn the_page_loads_nothing_from_other_origins() {
        let page = page().await;
        // The script contains markup too; what the browser loads by itself is outside of it.
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
    async fn the_page_fits_into_a_function_response() {
        let body = serde_json::to_string(&page().await).unwrap();
        assert!(body.len() < 4 * 1024 * 1024, "{}", body.len());
    }

    #[tokio::test]
    async fn the_policy_names_the_hash_of_the_script() {
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
