//! Requests: each part is parsed on demand, into a type or a problem.

use super::{Limit, Problem, ProblemCode, page};
use crate::{caller::Caller, telemetry::InvocationContext};
use rialto_contracts::EventContext;
use rialto_kernel::{FieldError, IfMatch, Invalid, Timestamp};
use serde::de::DeserializeOwned;
use std::{collections::HashMap, fmt::Display, net::IpAddr, str::FromStr};

/// The largest body in bytes.
const MAX_BODY: usize = 64 * 1024;

/// An HTTP request with its caller.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: String,
    /// The path prefix of the API: `/prod` at a stage's address, often empty behind a custom
    /// domain.
    pub base: String,
    /// Path parameters by name.
    pub path: HashMap<String, String>,
    /// Query parameters in order, repeated ones included.
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
    /// The client's address, as the gateway reports it.
    pub source: Option<IpAddr>,
    pub(crate) caller: Option<Caller>,
    pub(crate) received_at: Option<Timestamp>,
}

impl Request {
    /// The authenticated caller.
    ///
    /// # Errors
    /// 401 on a route without authentication.
    pub fn caller(&self) -> Result<Caller, Problem> {
        self.caller.ok_or_else(|| Problem::new(ProblemCode::Unauthenticated))
    }

    /// The request as authenticated for this caller, for tests of handlers.
    #[must_use]
    pub fn authenticated_as(self, caller: Caller) -> Self {
        Self { caller: Some(caller), ..self }
    }

    /// The time at which the request was received, by the application's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.received_at.unwrap_or(Timestamp::from_millis(0))
    }

    /// The same request, received at this time.
    #[must_use]
    pub fn received_at(self, time: Timestamp) -> Self {
        Self { received_at: Some(time), ..self }
    }

    /// The context of the events that the request's writes publish.
    #[must_use]
    pub fn event_context(&self) -> EventContext {
        let traceparent = Some(InvocationContext::current().trace.traceparent());
        EventContext { correlationid: None, causationid: None, traceparent }
    }

    /// Parses a path parameter. A text that isn't an id can't name a resource.
    ///
    /// # Errors
    /// 404 for a text that isn't a `T`.
    pub fn path<T: FromStr>(&self, name: &str) -> Result<T, Problem> {
        self.path.get(name).and_then(|text| text.parse().ok()).ok_or_else(Problem::not_found)
    }

    #[must_use]
    pub fn header(&self, lower_case_name: &str) -> Option<&str> {
        self.headers.get(lower_case_name).map(String::as_str)
    }

    /// A cookie's value.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let cookies = self.header("cookie")?.split(';');
        cookies
            .filter_map(|cookie| cookie.trim().split_once('='))
            .find_map(|(given, value)| (given == name && !value.is_empty()).then_some(value))
    }

    /// The `Idempotency-Key`: 1 to 255 printable ASCII characters.
    ///
    /// # Errors
    /// 400 without one or with another form.
    pub fn idempotency_key(&self) -> Result<&str, Problem> {
        match self.header("idempotency-key") {
            None => Err(Problem::field("Idempotency-Key", "is required")),
            Some(key)
                if (1..=255).contains(&key.len())
                    && key.bytes().all(|b| (0x21..=0x7e).contains(&b)) =>
            {
                Ok(key)
            }
            Some(_) => Err(Problem::field(
                "Idempotency-Key",
                "must be 1 to 255 printable ASCII characters",
            )),
        }
    }

    /// The precondition in `If-Match`; [`IfMatch::Absent`] without one.
    ///
    /// # Errors
    /// 400 for anything but `*` or a list of quoted tags.
    pub fn if_match(&self) -> Result<IfMatch, Problem> {
        let header = self.header("if-match").map(IfMatch::parse).transpose();
        Ok(header.map_err(|error| Problem::field("If-Match", error))?.unwrap_or_default())
    }

    /// The JSON body. Unknown fields are rejected by `T` itself.
    ///
    /// # Errors
    /// 415 for another media type, 413 above 64 KiB, 400 with the field for anything that isn't a
    /// `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let media_type =
            self.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
        if !media_type.trim().eq_ignore_ascii_case("application/json") {
            return Err(Problem::new(ProblemCode::UnsupportedMediaType)
                .detail("Send Content-Type: application/json."));
        }
        if self.body.len() > MAX_BODY {
            return Err(Problem::new(ProblemCode::TooLarge).detail("A body may have up to 64 KiB."));
        }
        let json = &mut serde_json::Deserializer::from_slice(&self.body);
        let parsed = serde_path_to_error::deserialize(&mut *json)
            .map_err(|error| unreadable(&error, &self.body))?;
        json.end().map_err(|_| Problem::field("body", "must be one JSON value"))?;
        Ok(parsed)
    }

    /// The query parameters of a list: those in `names`, `limit` and `cursor`, each once.
    ///
    /// # Errors
    /// 400 for an unknown or repeated one.
    pub fn list_query(&self, names: &[&str]) -> Result<Query<'_>, Problem> {
        self.query_of(&[names, &["limit", "cursor"]].concat())
    }

    /// The query parameters in `names`, each once.
    ///
    /// # Errors
    /// 400 for an unknown or repeated one.
    pub fn query_of(&self, names: &[&str]) -> Result<Query<'_>, Problem> {
        let mut errors = Vec::new();
        for (at, (name, _)) in self.query.iter().enumerate() {
            if !names.contains(&name.as_str()) {
                errors.push(FieldError {
                    field: name.clone(),
                    message: "unknown parameter".to_owned(),
                });
            } else if self.query[..at].iter().any(|(earlier, _)| earlier == name) {
                errors.push(FieldError {
                    field: name.clone(),
                    message: "must be given once".to_owned(),
                });
            }
        }
        if errors.is_empty() { Ok(Query { request: self }) } else { Err(Invalid(errors).into()) }
    }
}

/// A checked query.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    request: &'a Request,
}

impl Query<'_> {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.request.query.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// Parses a parameter, if it is given.
    ///
    /// # Errors
    /// 400 for a text that isn't a `T`.
    pub fn parse<T>(&self, name: &str) -> Result<Option<T>, Problem>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.get(name).map(str::parse).transpose().map_err(|error| Problem::field(name, error))
    }

    /// # Errors
    /// 400 outside 1 to 100.
    pub fn limit(&self) -> Result<Limit, Problem> {
        Ok(Limit::parse(self.get("limit"))?)
    }

    /// The position in the cursor, if one is given.
    ///
    /// # Errors
    /// 400 for a cursor that was altered or is of another query.
    pub fn position(&self) -> Result<Option<String>, Problem> {
        self.get("cursor").map(|cursor| page::decode_cursor(cursor, &self.identity())).transpose()
    }

    /// Identifies the query: its path and parameters, without the page's size and position.
    #[must_use]
    pub fn identity(&self) -> String {
        let mut path: Vec<_> = self.request.path.iter().collect();
        path.sort();
        let mut query: Vec<_> = self
            .request
            .query
            .iter()
            .filter(|(name, _)| name != "limit" && name != "cursor")
            .collect();
        query.sort();
        format!("{path:?}{query:?}")
    }
}

/// The problem of a body that isn't of the request's type, naming the field.
fn unreadable(error: &serde_path_to_error::Error<serde_json::Error>, body: &[u8]) -> Problem {
    let inner = error.inner();
    let is_json = || serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
    if (inner.is_syntax() || inner.is_eof() || inner.is_io()) && !is_json() {
        return Problem::field("body", "must be JSON");
    }
    let message = inner.to_string();
    // serde_json ends its messages with a position in the text, which means nothing to a client. A
    // message may quote the client's text, so what serde adds is looked for from the end.
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(words, _)| words);
    let path = error.path().to_string();
    let below = |name: &str| if path == "." { name.to_owned() } else { format!("{path}.{name}") };
    if let Some(name) = quoted(message, "missing field `") {
        return Problem::field(below(name), "is required");
    }
    if let Some(name) = quoted(message, "unknown field `") {
        // The path of an unknown field ends with the field itself, but for one at the top.
        let field = if path == "." { name.to_owned() } else { path };
        return Problem::field(field, "unknown field");
    }
    if let Some(name) = quoted(message, "duplicate field `") {
        return Problem::field(below(name), "must be given once");
    }
    let field = if path == "." { "body".to_owned() } else { path };
    // Where the name of an enum's variant is expected, any other value is an error of syntax.
    let message = if inner.is_syntax() { "must be a string" } else { &plain_message(message) };
    Problem::field(field, message)
}

/// A serde message without the client's text and the names of Rust's types.
fn plain_message(message: &str) -> String {
    const OTHER_FORM: &str = "has another form";
    if message.starts_with("data did not match any variant of ") {
        return OTHER_FORM.to_owned();
    }
    if message.starts_with("unknown variant `") {
        // The names of the variants are those of the document.
        return match message.rsplit_once(", expected ") {
            Some((_, names)) => format!("must be {}", names.replace('`', "")),
            None => OTHER_FORM.to_owned(),
        };
    }
    let Some(rest) = message.strip_prefix("invalid ") else { return message.to_owned() };
    let Some((found, expected)) = rest.rsplit_once(", expected ") else {
        return message.to_owned();
    };
    let integer =
        ["i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128", "usize"];
    let plain = match expected {
        _ if integer.contains(&expected) && found.starts_with("value: integer") => {
            "is out of range"
        }
        _ if integer.contains(&expected) => "must be a whole number",
        "f32" | "f64" => "must be a number",
        "a boolean" => "must be true or false",
        "a string" | "a borrowed string" => "must be a string",
        "a sequence" => "must be a list",
        "a map" => "must be an object",
        _ if expected.starts_with("struct ") => "must be an object",
        _ if found.starts_with("length ") => "must be a list of another length",
        _ if expected.starts_with("tuple struct ") || expected.starts_with("a tuple of size ") => {
            "must be a list"
        }
        _ => OTHER_FORM,
    };
    plain.to_owned()
}

fn quoted<'a>(message: &'a str, before: &str) -> Option<&'a str> {
    message.strip_prefix(before).and_then(|rest| rest.split('`').next())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[expect(dead_code, reason = "only parsed")]
        lines: Vec<Line>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        #[expect(dead_code, reason = "only parsed")]
        quantity: i64,
    }

    fn problem_of(body: &str) -> serde_json::Value {
        let request = Request {
            headers: HashMap::from([(
                "content-type".to_owned(),
                "application/json; charset=utf-8".to_owned(),
            )]),
            body: body.as_bytes().to_vec(),
            ..Request::default()
        };
        let response = request.json::<Body>().unwrap_err().into_response();
        serde_json::from_str(&response.body).unwrap()
    }

    #[test]
    fn a_bad_body_names_its_field() {
        for (body, field) in [
            ("", "body"),
            ("{", "body"),
            ("[]", "body"),
            ("{}", "lines"),
            (r#"{"lines":3}"#, "lines"),
            (r#"{"lines":[],"more":1}"#, "more"),
            (r#"{"lines":[],"lines":[]}"#, "lines"),
            (r#"{"lines":[{"quantity":"2"}]}"#, "lines[0].quantity"),
            (r#"{"lines":[{"quantity":1},{}]}"#, "lines[1].quantity"),
            (r#"{"lines":[{"quantity":1,"colour":2}]}"#, "lines[0].colour"),
            (r#"{"lines":[]} x"#, "body"),
        ] {
            let problem = problem_of(body);
            assert_eq!(problem["code"], "invalid", "{body}");
            assert_eq!(problem["errors"][0]["field"], field, "{body}: {problem}");
        }
    }

    #[test]
    fn messages_do_not_name_rust_types() {
        for (body, message) in [
            (r#"{"lines":[{"quantity":"2"}]}"#, "must be a whole number"),
            (r#"{"lines":[{"quantity":1.5}]}"#, "must be a whole number"),
            (r#"{"lines":[{"quantity":null}]}"#, "must be a whole number"),
            (r#"{"lines":[{"quantity":18446744073709551615}]}"#, "is out of range"),
            (r#"{"lines":"x"}"#, "must be a list"),
            (r#"{"lines":["x"]}"#, "must be an object"),
            ("[]", "must be an object"),
            ("3", "must be an object"),
        ] {
            let problem = problem_of(body);
            assert_eq!(problem["errors"][0]["message"], message, "{body}: {problem}");
        }
    }

    /// A message of serde's, as a client gets it.
    fn message_of<T: DeserializeOwned + std::fmt::Debug>(json: &str) -> String {
        let parser = &mut serde_json::Deserializer::from_str(json);
        let error = serde_path_to_error::deserialize::<_, T>(parser).unwrap_err();
        let response = unreadable(&error, json.as_bytes()).into_response();
        let problem: serde_json::Value = serde_json::from_str(&response.body).unwrap();
        problem["errors"][0]["message"].as_str().unwrap().to_owned()
    }

    #[test]
    fn messages_do_not_repeat_the_clients_text() {
        for text in ["secret at line 3", "secret, expected u8", "secret`, expected one of `x"] {
            let json = json!(text).to_string();
            assert_eq!(message_of::<i64>(&json), "must be a whole number", "{text}");
            assert_eq!(message_of::<bool>(&json), "must be true or false", "{text}");
            assert_eq!(message_of::<One>(&json), "must be a", "{text}");
            assert_eq!(message_of::<Two>(&json), "must be a or b", "{text}");
            assert_eq!(message_of::<Three>(&json), "must be one of a, b, c", "{text}");
        }
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum One {
        A,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Two {
        A,
        B,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Three {
        A,
        B,
        C,
    }

    #[test]
    fn a_value_of_another_type_than_a_name_must_be_a_string() {
        for value in ["1", "null", "true", "[]"] {
            assert_eq!(message_of::<One>(value), "must be a string", "{value}");
        }
    }

    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        #[expect(dead_code, reason = "only parsed")]
        Number(i64),
    }

    #[derive(Debug, Deserialize)]
    struct Pair(
        #[expect(dead_code, reason = "only parsed")] i64,
        #[expect(dead_code, reason = "only parsed")] i64,
    );

    #[derive(Debug, Deserialize)]
    struct Unit;

    #[test]
    fn messages_name_no_type_of_any_kind() {
        assert_eq!(message_of::<Untagged>("\"x\""), "has another form");
        assert_eq!(message_of::<Pair>("3"), "must be a list");
        assert_eq!(message_of::<Pair>("[1]"), "must be a list of another length");
        assert_eq!(message_of::<Unit>("3"), "has another form");
        assert_eq!(message_of::<f64>("\"x\""), "must be a number");
        assert_eq!(message_of::<std::num::NonZeroU8>("0"), "has another form");
        assert_eq!(message_of::<char>("3"), "has another form");
    }

    #[test]
    fn the_media_type_and_the_size_are_checked() {
        let request = Request { body: b"{}".to_vec(), ..Request::default() };
        assert_eq!(request.json::<Body>().unwrap_err().code, ProblemCode::UnsupportedMediaType);
        let request = Request {
            headers: HashMap::from([("content-type".to_owned(), "application/json".to_owned())]),
            body: vec![b' '; MAX_BODY + 1],
            ..Request::default()
        };
        assert_eq!(request.json::<Body>().unwrap_err().code, ProblemCode::TooLarge);
    }

    #[test]
    fn list_parameters_are_known_and_given_once() {
        let request = |query: &[(&str, &str)]| Request {
            query: query
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Request::default()
        };
        assert!(request(&[("state", "PENDING"), ("limit", "5")]).list_query(&["state"]).is_ok());
        assert!(request(&[("colour", "red")]).list_query(&["state"]).is_err());
        assert!(request(&[("limit", "5"), ("limit", "6")]).list_query(&[]).is_err());
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let cookies = "a=1; refresh_token=x.y.1.z ;b=; refresh_token2=no".to_owned();
        let request = Request {
            headers: HashMap::from([("cookie".to_owned(), cookies)]),
            ..Request::default()
        };
        assert_eq!(request.cookie("refresh_token"), Some("x.y.1.z"));
        assert_eq!(request.cookie("b"), None);
        assert_eq!(request.cookie("token"), None);
        assert_eq!(Request::default().cookie("a"), None);
    }

    #[test]
    fn if_match_is_a_precondition_or_refused() {
        let request = |value: Option<&str>| Request {
            headers: value
                .map(|value| ("if-match".to_owned(), value.to_owned()))
                .into_iter()
                .collect(),
            ..Request::default()
        };
        assert_eq!(request(None).if_match().unwrap(), IfMatch::Absent);
        assert_eq!(request(Some("*")).if_match().unwrap(), IfMatch::Any);
        for refused in ["abc", "\"é\"", "\u{fffd}"] {
            let problem = request(Some(refused)).if_match().unwrap_err();
            assert_eq!(problem.code, ProblemCode::Invalid, "{refused}");
        }
    }

    #[test]
    fn a_key_is_required_and_printable() {
        let request = |key: Option<&str>| Request {
            headers: key
                .map(|key| ("idempotency-key".to_owned(), key.to_owned()))
                .into_iter()
                .collect(),
            ..Request::default()
        };
        assert!(request(None).idempotency_key().is_err());
        assert!(request(Some("")).idempotency_key().is_err());
        assert!(request(Some("a b")).idempotency_key().is_err());
        assert!(request(Some(&"x".repeat(256))).idempotency_key().is_err());
        assert_eq!(request(Some("k-1")).idempotency_key().unwrap(), "k-1");
        assert_eq!(json!(request(Some("k")).header("idempotency-key")), "k");
    }
}
