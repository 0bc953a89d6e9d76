//! Cross-origin rules, applied by the functions themselves so that the allowed origins are a live setting.

use super::Response;

const METHODS: &str = "GET,POST,PUT,PATCH,DELETE,OPTIONS";
const REQUEST_HEADERS: &str =
    "Authorization,Content-Type,Idempotency-Key,If-Match,Last-Event-ID,traceparent";
const EXPOSED: &str = "Allow,ETag,Idempotent-Replayed,Location,Retry-After";

/// Adds what a browser needs to let the page at `origin` read the answer; nothing for an origin that isn't allowed.
pub(super) fn allow(reply: Response, origin: Option<&str>, allowed: &[String]) -> Response {
    let reply = reply.header("Vary", "Origin");
    match origin.filter(|origin| allowed.iter().any(|allowed| allowed == origin)) {
        Some(origin) => reply
            .header("Access-Control-Allow-Origin", origin)
            .header("Access-Control-Allow-Credentials", "true")
            .header("Access-Control-Expose-Headers", EXPOSED),
        None => reply,
    }
}

/// The answer to a preflight request.
#[must_use]
pub fn preflight(origin: Option<&str>, allowed: &[String]) -> Response {
    let reply = allow(Response::no_content(), origin, allowed);
    if reply.headers.iter().all(|(name, _)| *name != "Access-Control-Allow-Origin") {
        return reply;
    }
    reply
        .header("Access-Control-Allow-Methods", METHODS)
        .header("Access-Control-Allow-Headers", REQUEST_HEADERS)
        .header("Access-Control-Max-Age", "600")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(reply: &Response, wanted: &str) -> Option<String> {
        reply.headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone())
    }

    #[test]
    fn an_allowed_origin_may_call_with_credentials_and_a_key() {
        let reply = preflight(Some("https://shop.example"), &["https://shop.example".to_owned()]);
        assert_eq!(reply.status, 204);
        assert_eq!(header(&reply, "Access-Control-Allow-Origin").unwrap(), "https://shop.example");
        assert_eq!(header(&reply, "Access-Control-Allow-Credentials").unwrap(), "true");
        let accepted = header(&reply, "Access-Control-Allow-Headers").unwrap();
        for name in ["Idempotency-Key", "If-Match", "Last-Event-ID"] {
            assert!(accepted.contains(name), "{name}");
        }
        let exposed = header(&reply, "Access-Control-Expose-Headers").unwrap();
        for name in ["Allow", "ETag", "Idempotent-Replayed", "Location", "Retry-After"] {
            assert!(exposed.contains(name), "{name}");
        }
    }

    #[test]
    fn another_origin_is_told_nothing() {
        let reply = preflight(Some("https://evil.example"), &["https://shop.example".to_owned()]);
        assert_eq!(header(&reply, "Access-Control-Allow-Origin"), None);
        assert_eq!(header(&reply, "Access-Control-Allow-Methods"), None);
        assert_eq!(header(&reply, "Vary").unwrap(), "Origin");
    }
}
