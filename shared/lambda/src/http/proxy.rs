//! API Gateway's proxy events and responses, as far as functions read and write them.
//!
//! An event is parsed once and straight into what a [`Request`](super::Request) is made of.
//! (`lambda_http` goes through a URI, header maps and extensions, for every gateway and load
//! balancer there is.)

use super::Response;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
    ser::{SerializeMap, SerializeStruct},
};
use serde_json::value::RawValue;
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

/// A proxy event: of a REST API, or of an HTTP API with the feature `http-api`.
#[derive(Debug, Default)]
pub(super) struct ProxyRequest {
    pub(super) method: String,
    /// Names in lower case. A value may be of any characters: each parser rejects the ones
    /// that its header can't have.
    pub(super) headers: HashMap<String, String>,
    /// In the event's order, repeated ones included.
    pub(super) query: Vec<(String, String)>,
    pub(super) path_parameters: HashMap<String, String>,
    pub(super) body: Vec<u8>,
    pub(super) context: RequestContext,
    #[cfg(feature = "http-api")]
    pub(super) from_http_api: bool,
}

/// A REST API's `requestContext`. Empty for an HTTP API.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RequestContext {
    /// The path that the client called, with the stage or the base path of a custom domain.
    pub(super) path: Option<String>,
    /// The route's own path, such as `/products/{product_id}`.
    pub(super) resource_path: Option<String>,
    pub(super) identity: Option<Identity>,
    /// The authorizer's context, as JSON.
    pub(super) authorizer: Option<Box<RawValue>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Identity {
    pub(super) source_ip: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestEvent {
    http_method: String,
    /// The last value of each header.
    #[serde(default)]
    headers: Pairs,
    /// All values of each header.
    #[serde(default)]
    multi_value_headers: Pairs,
    #[serde(default)]
    query_string_parameters: Pairs,
    #[serde(default)]
    multi_value_query_string_parameters: Pairs,
    path_parameters: Option<HashMap<String, String>>,
    request_context: RequestContext,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

impl TryFrom<RestEvent> for ProxyRequest {
    type Error = base64::DecodeError;

    fn try_from(event: RestEvent) -> Result<Self, Self::Error> {
        // The repeated values include the single ones.
        let query = match event.multi_value_query_string_parameters {
            Pairs(pairs) if pairs.is_empty() => event.query_string_parameters.0,
            Pairs(pairs) => pairs,
        };
        let mut headers = lower_case(event.headers);
        if let Some(if_match) = joined(&event.multi_value_headers, IF_MATCH) {
            headers.insert(IF_MATCH.to_owned(), if_match);
        }
        Ok(Self {
            method: event.http_method,
            headers,
            query,
            path_parameters: event.path_parameters.unwrap_or_default(),
            body: decode(event.body, event.is_base64_encoded)?,
            context: event.request_context,
            #[cfg(feature = "http-api")]
            from_http_api: false,
        })
    }
}

impl<'de> Deserialize<'de> for ProxyRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The runtime's deserializer follows the path of each value for its error messages, which
        // costs more than looking at the text twice.
        let event = <&RawValue>::deserialize(deserializer)?.get();
        let rest: RestEvent = match serde_json::from_str(event) {
            Ok(event) => event,
            #[cfg(feature = "http-api")]
            Err(_) => return http_api::parse(event).map_err(D::Error::custom),
            #[cfg(not(feature = "http-api"))]
            Err(error) => return Err(D::Error::custom(error)),
        };
        rest.try_into().map_err(D::Error::custom)
    }
}

/// The one header whose value is a list and may therefore be sent in several lines.
const IF_MATCH: &str = "if-match";

/// The values of a header's lines as one list (RFC 9110, section 5.3).
fn joined(headers: &Pairs, name: &str) -> Option<String> {
    let lines = headers.0.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
    let values: Vec<_> = lines.map(|(_, value)| value.as_str()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

fn lower_case(headers: Pairs) -> HashMap<String, String> {
    let lower = headers.0.into_iter().map(|(mut name, value)| {
        name.make_ascii_lowercase();
        (name, value)
    });
    lower.collect()
}

fn decode(body: Option<String>, base64: Option<bool>) -> Result<Vec<u8>, base64::DecodeError> {
    let body = body.unwrap_or_default();
    if base64.unwrap_or_default() { BASE64_STANDARD.decode(body) } else { Ok(body.into_bytes()) }
}

/// An object of strings or lists of strings, as pairs in its order; none for null.
#[derive(Debug, Default)]
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings or lists of strings, or null")
    }

    fn visit_unit<E>(self) -> Result<Pairs, E> {
        Ok(Pairs::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Pairs, A::Error> {
        let mut pairs = Vec::new();
        while let Some(name) = object.next_key::<String>()? {
            object.next_value_seed(ValuesSeed { name, pairs: &mut pairs })?;
        }
        Ok(Pairs(pairs))
    }
}

struct ValuesSeed<'a> {
    name: String,
    pairs: &'a mut Vec<(String, String)>,
}

impl<'de> DeserializeSeed<'de> for ValuesSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValuesSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a list of strings, or null")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.pairs.push((self.name, value.to_owned()));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        while let Some(value) = values.next_element()? {
            self.pairs.push((self.name.clone(), value));
        }
        Ok(())
    }
}

/// A proxy response: a body as text, and header names in lower case.
#[derive(Debug)]
pub(super) struct ProxyResponse {
    pub(super) reply: Response,
    #[cfg(feature = "http-api")]
    pub(super) to_http_api: bool,
}

impl Serialize for ProxyResponse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[cfg(feature = "http-api")]
        if self.to_http_api {
            return http_api::write(&self.reply, serializer);
        }
        let mut response = serializer.serialize_struct("ProxyResponse", 5)?;
        response.serialize_field("statusCode", &self.reply.status)?;
        // The gateway would add these to the ones below.
        response.serialize_field("headers", &BTreeMap::<&str, &str>::new())?;
        response.serialize_field("multiValueHeaders", &MultiValueHeaders(&self.reply.headers))?;
        if !self.reply.body.is_empty() {
            response.serialize_field("body", &self.reply.body)?;
        }
        response.serialize_field("isBase64Encoded", &false)?;
        response.end()
    }
}

struct MultiValueHeaders<'a>(&'a [(&'static str, String)]);

impl Serialize for MultiValueHeaders<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        for (at, (name, _)) in self.0.iter().enumerate() {
            if !self.0[..at].iter().any(|(earlier, _)| earlier.eq_ignore_ascii_case(name)) {
                object.serialize_entry(&name.to_ascii_lowercase(), &HeaderValues(name, self.0))?;
            }
        }
        object.end()
    }
}

struct HeaderValues<'a>(&'a str, &'a [(&'static str, String)]);

impl Serialize for HeaderValues<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let same = self.1.iter().filter(|(name, _)| name.eq_ignore_ascii_case(self.0));
        serializer.collect_seq(same.map(|(_, value)| value))
    }
}

/// Whether a text may be a header's value: no control characters but tabs.
pub(super) fn is_header_value(value: &str) -> bool {
    value.bytes().all(|b| b == b'\t' || (b >= 0x20 && b != 0x7f))
}

/// The events and responses of HTTP APIs (payload version 2.0), which cargo lambda watch's own
/// router uses.
#[cfg(feature = "http-api")]
mod http_api {
    use super::{Pairs, ProxyRequest, RequestContext, decode, lower_case};
    use crate::http::Response;
    use serde::{Deserialize, Serializer, de::Error, ser::SerializeStruct};
    use std::collections::{BTreeMap, HashMap};

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct HttpApiEvent {
        #[serde(default)]
        headers: Pairs,
        #[serde(default)]
        cookies: Option<Vec<String>>,
        raw_query_string: Option<String>,
        path_parameters: Option<HashMap<String, String>>,
        request_context: HttpApiContext,
        body: Option<String>,
        is_base64_encoded: Option<bool>,
    }

    #[derive(Deserialize)]
    struct HttpApiContext {
        http: HttpDescription,
    }

    #[derive(Deserialize)]
    struct HttpDescription {
        method: String,
    }

    pub(super) fn parse(event: &str) -> serde_json::Result<ProxyRequest> {
        let event: HttpApiEvent = serde_json::from_str(event)?;
        let mut headers = lower_case(event.headers);
        if let Some(cookies) = event.cookies {
            headers.insert("cookie".to_owned(), cookies.join("; "));
        }
        let query = event.raw_query_string.unwrap_or_default();
        Ok(ProxyRequest {
            method: event.request_context.http.method,
            headers,
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            path_parameters: event.path_parameters.unwrap_or_default(),
            body: decode(event.body, event.is_base64_encoded).map_err(serde_json::Error::custom)?,
            context: RequestContext::default(),
            from_http_api: true,
        })
    }

    pub(super) fn write<S: Serializer>(reply: &Response, serializer: S) -> Result<S::Ok, S::Error> {
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        let mut cookies = Vec::new();
        for (name, value) in &reply.headers {
            if name.eq_ignore_ascii_case("set-cookie") {
                cookies.push(value);
                continue;
            }
            let values = headers.entry(name.to_ascii_lowercase()).or_default();
            if !values.is_empty() {
                values.push_str(", ");
            }
            values.push_str(value);
        }
        let mut response = serializer.serialize_struct("ProxyResponse", 5)?;
        response.serialize_field("statusCode", &reply.status)?;
        response.serialize_field("headers", &headers)?;
        response.serialize_field("cookies", &cookies)?;
        response.serialize_field("body", &reply.body)?;
        response.serialize_field("isBase64Encoded", &false)?;
        response.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parse(event: &Value) -> serde_json::Result<ProxyRequest> {
        serde_json::from_str(&event.to_string())
    }

    #[test]
    fn an_event_is_read_as_the_gateway_writes_it() {
        let event = include_str!("../../../../events/samples/catalog-get-product.json");
        let request: ProxyRequest = serde_json::from_str(event).unwrap();
        assert_eq!(request.method, "GET");
        assert_eq!(request.headers["accept"], "application/json");
        assert_eq!(request.path_parameters["product_id"], "prd_01m7yq1whxp8vvmh99e3d8ee2y");
        assert_eq!(request.context.resource_path.as_deref(), Some("/products/{product_id}"));
        assert_eq!(request.context.identity.unwrap().source_ip.as_deref(), Some("192.0.2.1"));
        assert!(request.query.is_empty() && request.body.is_empty());
    }

    #[test]
    fn repeated_query_parameters_are_kept_in_order() {
        let request = parse(&json!({
            "httpMethod": "GET", "requestContext": {},
            "queryStringParameters": {"b": "2", "a": "3"},
            "multiValueQueryStringParameters": {"b": ["1", "2"], "a": ["3"]},
        }));
        let query = request.unwrap().query;
        let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(query, ["a=3", "b=1", "b=2"]);
        let single = json!({
            "httpMethod": "GET", "requestContext": {}, "queryStringParameters": {"a": "1"},
            "multiValueQueryStringParameters": null,
        });
        assert_eq!(parse(&single).unwrap().query, [("a".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn a_base64_body_is_decoded() {
        let event = |body: &str, base64: bool| {
            json!({
                "httpMethod": "POST", "requestContext": {}, "body": body, "isBase64Encoded": base64,
            })
        };
        assert_eq!(parse(&event("e30=", true)).unwrap().body, b"{}");
        assert_eq!(parse(&event("e30=", false)).unwrap().body, b"e30=");
        assert!(parse(&event("{}", true)).is_err());
    }

    #[test]
    fn headers_that_are_not_visible_ascii_are_present() {
        let request = parse(&json!({
            "httpMethod": "PATCH", "requestContext": {},
            "headers": {"If-Match": "\"é\"", "X-Control": "a\nb"},
        }));
        let headers = request.unwrap().headers;
        assert_eq!(headers["if-match"], "\"é\"");
        assert_eq!(headers["x-control"], "a\nb");
    }

    #[test]
    fn repeated_if_match_lines_are_one_list() {
        let request = parse(&json!({
            "httpMethod": "PATCH", "requestContext": {},
            "headers": {"if-match": "\"c\"", "Accept": "text/html"},
            "multiValueHeaders": {
                "If-Match": ["\"a\"", "\"b\""], "if-match": ["\"c\""],
                "Accept": ["application/json", "text/html"],
            },
        }));
        let headers = request.unwrap().headers;
        assert_eq!(headers["if-match"], r#""a", "b", "c""#);
        assert_eq!(headers["accept"], "text/html");
        let single = parse(&json!({
            "httpMethod": "PATCH", "requestContext": {}, "headers": {"If-Match": "*"},
            "multiValueHeaders": null,
        }));
        assert_eq!(single.unwrap().headers["if-match"], "*");
    }

    #[test]
    #[cfg(not(feature = "http-api"))]
    fn an_event_of_another_kind_is_refused() {
        assert!(parse(&json!({"Records": []})).is_err());
        assert!(parse(&json!({"httpMethod": "GET"})).is_err());
    }

    #[test]
    fn a_response_lists_the_values_of_each_header() {
        let reply = Response::raw(200, "text/plain", "é".to_owned())
            .header("Set-Cookie", "a=1")
            .header("Set-Cookie", "b=2");
        let response = ProxyResponse {
            reply,
            #[cfg(feature = "http-api")]
            to_http_api: false,
        };
        assert_eq!(
            json!(response),
            json!({
                "statusCode": 200, "headers": {}, "body": "é", "isBase64Encoded": false,
                "multiValueHeaders": {"content-type": ["text/plain"], "set-cookie": ["a=1", "b=2"]},
            })
        );
    }

    #[cfg(feature = "http-api")]
    #[test]
    fn an_http_apis_event_and_response_have_their_own_form() {
        let event = json!({
            "version": "2.0", "rawPath": "/products", "rawQueryString": "q=a%20b&limit=1",
            "headers": {"Accept": "*/*"}, "cookies": ["a=1", "b=2"], "isBase64Encoded": false,
            "requestContext": {"http": {"method": "GET", "path": "/products"}},
        });
        let request = parse(&event).unwrap();
        assert_eq!(
            (request.method.as_str(), request.headers["cookie"].as_str()),
            ("GET", "a=1; b=2")
        );
        assert_eq!(request.query[0], ("q".to_owned(), "a b".to_owned()));
        assert!(request.from_http_api);
        let reply = Response::no_content().header("Set-Cookie", "a=1").header("Vary", "Origin");
        let response = json!(ProxyResponse { reply, to_http_api: true });
        assert_eq!(response["cookies"], json!(["a=1"]));
        assert_eq!(response["headers"], json!({"vary": "Origin"}));
    }
}
