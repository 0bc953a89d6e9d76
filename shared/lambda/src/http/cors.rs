//! Cross-origin headers, set by the functions so that the allowed origins are a live setting.

use super::Response;

const METHODS: &str = "GET,POST,PUT,PATCH,DELETE,OPTIONS";
const REQUEST_HEADERS: &str =
    "Authorization,Content-Type,Idempotency-Key,If-Match,Last-Event-ID,traceparent";
/// The response headers that a page of an allowed origin may read.
pub const EXPOSED_HEADERS: &str = "Allow,ETag,Idempotent-Replayed,Location,Retry-After";

/// Adds the headers that let the page at `origin` read the response, if the origin is allowed.
pub(super) fn allow(response: Response, origin: Option<&str>, allowed: &[String]) -> Response {
    let response = response.header("Vary", "Origin");
    match origin.filter(|origin| allowed.iter().any(|allowed| allowed == origin)) {
        Some(origin) => response
            .header("Access-Control-Allow-Origin", origin)
            .header("Access-Control-Allow-Credentials", "true")
            .header("Access-Control-Expose-Headers", EXPOSED_HEADERS),
        None => response,
    }
}

/// The response to a preflight request.
#[must_use]
pub fn preflight(origin: Option<&str>, allowed: &[String]) -> Response {
    let response = allow(Response::no_content(), origin, allowed);
    if response.headers.iter().all(|(name, _)| *name != "Access-Control-Allow-Origin") {
        return response;
    }
    response
        .header("Access-Control-Allow-Methods", METHODS)
        .header("Access-Control-Allow-Headers", REQUEST_HEADERS)
        .header("Access-Control-Max-Age", "600")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(response: &Response, wanted: &str) -> Option<String> {
        response.headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone())
    }

    #[test]
    fn an_allowed_origin_may_call_with_credentials_and_a_key() {
        let response =
            preflight(Some("https://shop.example"), &["https://shop.example".to_owned()]);
        assert_eq!(response.status, 204);
        assert_eq!(
            header(&response, "Access-Control-Allow-Origin").unwrap(),
            "https://shop.example"
        );
        assert_eq!(header(&response, "Access-Control-Allow-Credentials").unwrap(), "true");
        let accepted = header(&response, "Access-Control-Allow-Headers").unwrap();
        for name in ["Idempotency-Key", "If-Match", "Last-Event-ID"] {
            assert!(accepted.contains(name), "{name}");
        }
        let exposed = header(&response, "Access-Control-Expose-Headers").unwrap();
        for name in ["Allow", "ETag", "Idempotent-Replayed", "Location", "Retry-After"] {
            assert!(exposed.contains(name), "{name}");
        }
    }

    #[test]
    fn other_origins_get_no_cors_headers() {
        let response =
            preflight(Some("https://evil.example"), &["https://shop.example".to_owned()]);
        assert_eq!(header(&response, "Access-Control-Allow-Origin"), None);
        assert_eq!(header(&response, "Access-Control-Allow-Methods"), None);
        assert_eq!(header(&response, "Vary").unwrap(), "Origin");
    }
}
