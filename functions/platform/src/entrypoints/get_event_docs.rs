use rialto_lambda::http::{self, Problem, Response};

/// The page that `tests/documents` generates from the AsyncAPI document. It has no script and loads
/// nothing.
const PAGE: &str = include_str!("../../docs/events.html");

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub fn main() {
    http::serve("platform-get-event-docs", |_| http::handler((), |(), _| handle()));
}

/// Browse the documentation of the events
///
/// An HTML page of the AsyncAPI document: every event with its fields, its source, its consumers
/// and an example.
#[utoipa::path(
    get, path = "/docs/events",
    responses((status = 200, body = String, content_type = "text/html")),
)]
pub(crate) async fn handle() -> Result<Response, Problem> {
    Ok(Response::raw(200, "text/html; charset=utf-8", PAGE.to_owned())
        .header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        .header("Cache-Control", "public, max-age=300")
        .header("Referrer-Policy", "no-referrer")
        .header("X-Content-Type-Options", "nosniff"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_page_loads_nothing() {
        let page = handle().await.unwrap().body;
        for loads in ["src=", "@import", "<iframe", "<script", "url(", "http:", "https:"] {
            assert!(!page.contains(loads), "{loads}");
        }
        assert!(page.contains("<link rel=\"icon\" href=\"data:,\">"));
        assert_eq!(page.matches("<link").count(), 1);
    }

    #[tokio::test]
    async fn links_of_the_page_have_a_target() {
        let page = handle().await.unwrap().body;
        let targets = page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
        let targets: Vec<_> = targets.collect();
        assert!(!targets.is_empty());
        for target in targets {
            assert_eq!(page.matches(&format!("id=\"{target}\"")).count(), 1, "{target}");
        }
    }
}
