//! JSON-lines logging: time, level, function, request id, correlation id, trace.

use crate::{
    BoxFuture,
    boot::{self, Failure},
};
use lambda_runtime::Context;
use rialto_kernel::{Clock, SystemClock, Timestamp};
use serde::Serialize;
use serde_json::Value;
use std::{
    fmt,
    io::Write,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::time::Instant;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
    subscriber::Interest,
};

static FUNCTION: OnceLock<&'static str> = OnceLock::new();

tokio::task_local! {
    static SCOPE: Arc<InvocationContext>;
}

/// The ids of the invocation, for each of its log lines, and its end.
#[derive(Debug, Clone, Default)]
pub struct InvocationContext {
    pub request_id: String,
    pub correlation_id: Option<String>,
    pub trace: Trace,
    /// When the work is ended; `None` if it isn't known.
    pub deadline: Option<Instant>,
}

impl InvocationContext {
    /// Runs `work` with this context in each of its log lines.
    pub async fn run<T>(self, work: impl Future<Output = T>) -> T {
        SCOPE.scope(Arc::new(self), work).await
    }

    /// Runs an invocation's `work` in this context and logs its result.
    pub(crate) async fn run_logged(
        self,
        function: &'static str,
        work: BoxFuture<'static, Result<Value, Failure>>,
    ) -> Result<Value, Failure> {
        let started = SystemClock.now();
        self.run(async {
            let (result, calls) = rialto_aws::calls::count_requests(work).await;
            let ms = millis_between(started, SystemClock.now());
            match &result {
                Ok(_) => tracing::info!(ms, calls, "{function} done"),
                Err(error) => tracing::error!(ms, calls, error = %error, "{function} failed"),
            }
            result
        })
        .await
    }

    /// The context of the current invocation; empty outside of one.
    #[must_use]
    pub fn current() -> Arc<Self> {
        SCOPE.try_with(Arc::clone).unwrap_or_default()
    }

    /// The time that is left for the work; `None` if it isn't known.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

/// A span of a W3C trace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
}

impl Trace {
    /// A child span of a `traceparent` header (`00-<trace id>-<parent id>-<flags>`).
    #[must_use]
    pub fn child_of(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let (version, trace_id, span_id) = (parts.next()?, parts.next()?, parts.next()?);
        let hex =
            |text: &str, len| text.len() == len && text.bytes().all(|b| b.is_ascii_hexdigit());
        let set = |text: &str| text.bytes().any(|b| b != b'0');
        (hex(version, 2) && hex(trace_id, 32) && hex(span_id, 16) && set(trace_id))
            .then(|| Self { trace_id: trace_id.to_ascii_lowercase(), span_id: random_hex(8) })
    }

    /// A child span of Lambda's X-Ray header (`Root=1-<8 digits>-<24 digits>;…`).
    #[must_use]
    pub fn child_of_xray(header: &str) -> Option<Self> {
        let root = header.split(';').find_map(|part| part.trim().strip_prefix("Root=1-"))?;
        Self::child_of(&format!("00-{}-{}-01", root.replace('-', ""), "0".repeat(16)))
    }

    /// The first span of a new trace.
    #[must_use]
    pub fn start() -> Self {
        Self { trace_id: random_hex(16), span_id: random_hex(8) }
    }

    #[must_use]
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace_id, self.span_id)
    }
}

fn random_hex(bytes: usize) -> String {
    let mut random = [0; 16];
    let random = &mut random[..bytes.min(16)];
    // Trace ids are best effort: all zeros without randomness.
    if getrandom::fill(random).is_err() {
        random.fill(0);
    }
    rialto_kernel::digest::hex(random)
}

/// Runs an invocation in its context and logs its result.
pub(crate) async fn invocation(
    function: &'static str,
    context: Context,
    work: BoxFuture<'static, Result<Value, Failure>>,
) -> Result<Value, Failure> {
    let trace = context
        .xray_trace_id
        .as_deref()
        .and_then(Trace::child_of_xray)
        .unwrap_or_else(Trace::start);
    let deadline = Some(boot::ends_at(&context));
    InvocationContext { request_id: context.request_id, correlation_id: None, trace, deadline }
        .run_logged(function, work)
        .await
}

pub(crate) fn millis_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX)
}

/// Sends log lines to standard output from here on. `LOG_LEVEL` is `ERROR`, `WARN`, `INFO` (unless
/// set) or `DEBUG`.
pub fn install(function: &'static str) {
    FUNCTION.get_or_init(|| function);
    let level = std::env::var("LOG_LEVEL")
        .ok()
        .and_then(|level| level.parse().ok())
        .unwrap_or(LevelFilter::INFO);
    // A second installation (by a test in the same process) has no effect.
    tracing::subscriber::set_global_default(JsonLines { level }).ok();
}

/// Writes events as JSON lines. Spans are disabled: the [`InvocationContext`] has the ids of a
/// line.
struct JsonLines {
    level: LevelFilter,
}

impl Subscriber for JsonLines {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries log warnings only: some of their other lines contain complete requests.
        let ours = metadata.target().starts_with("rialto");
        !metadata.is_span()
            && *metadata.level() <= self.level
            && (ours || *metadata.level() <= Level::WARN)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let line =
            render(metadata.level(), metadata.target(), &InvocationContext::current(), |fields| {
                event.record(fields)
            });
        // A failed log write can't be reported; ignore it.
        std::io::stdout().lock().write_all(&line).ok();
    }

    // Spans are never enabled.
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// One line of JSON. A field of the event replaces a field of the same name that every line has.
fn render(
    level: &Level,
    target: &str,
    scope: &InvocationContext,
    record: impl FnOnce(&mut FieldVisitor),
) -> Vec<u8> {
    let mut fields = FieldVisitor::default();
    record(&mut fields);
    let mut line = FieldVisitor { json: Vec::with_capacity(512), names: Vec::new() };
    let mut common = |name: &'static str, value: &dyn Fn(&mut FieldVisitor)| {
        if !fields.names.contains(&name) {
            value(&mut line);
        }
    };
    common("time", &|line| line.push("time", &SystemClock.now()));
    common("level", &|line| line.push("level", level.as_str()));
    let function = FUNCTION.get().copied().unwrap_or(target);
    common("function", &|line| line.push("function", function));
    if !scope.request_id.is_empty() {
        common("request_id", &|line| line.push("request_id", &scope.request_id));
        common("correlation_id", &|line| line.push("correlation_id", &scope.correlation_id));
        common("trace_id", &|line| line.push("trace_id", &scope.trace.trace_id));
        common("span_id", &|line| line.push("span_id", &scope.trace.span_id));
    }
    let mut line = line.json;
    line.extend_from_slice(&fields.json);
    line.extend_from_slice(b"}\n");
    if let Some(first) = line.first_mut() {
        *first = b'{';
    }
    line
}

/// An event's fields as JSON, each with a comma before it.
#[derive(Default)]
struct FieldVisitor {
    json: Vec<u8>,
    names: Vec<&'static str>,
}

impl FieldVisitor {
    fn push<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) {
        self.names.push(name);
        self.json.extend_from_slice(b",\"");
        // Field names are identifiers or quoted by hand in the source.
        self.json.extend_from_slice(name.as_bytes());
        self.json.extend_from_slice(b"\":");
        let begin = self.json.len();
        // Numbers, booleans and strings are always JSON.
        if serde_json::to_writer(&mut self.json, value).is_err() {
            self.json.truncate(begin);
            self.json.extend_from_slice(b"null");
        }
    }
}

impl Visit for FieldVisitor {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field.name(), &format!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field.name(), value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field.name(), &value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field.name(), &value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field.name(), &value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_span_keeps_the_trace_id() {
        let trace =
            Trace::child_of("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        assert_eq!(trace.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_ne!(trace.span_id, "00f067aa0ba902b7");
        assert!(trace.traceparent().starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
        let xray = Trace::child_of_xray(
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
        );
        assert_eq!(xray.unwrap().trace_id, "5759e988bd862e3fe1be46a994272793");
    }

    #[test]
    fn malformed_trace_headers_are_ignored() {
        for bad in
            ["", "00-xyz", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "a-b-c-d"]
        {
            assert_eq!(Trace::child_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn lines_carry_the_invocation_ids() {
        let scope = InvocationContext {
            request_id: "r-1".to_owned(),
            correlation_id: Some("ord_1".to_owned()),
            trace: Trace { trace_id: "t".to_owned(), span_id: "s".to_owned() },
            deadline: None,
        };
        let line: Value =
            serde_json::from_slice(&render(&Level::INFO, "rialto", &scope, |_| ())).unwrap();
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["request_id"], "r-1");
        assert_eq!(line["correlation_id"], "ord_1");
        assert_eq!(line["trace_id"], "t");
    }

    #[test]
    fn event_fields_replace_common_ones() {
        let line = render(&Level::WARN, "rialto", &InvocationContext::default(), |fields| {
            fields.push("function", "another");
            fields.push("text", "a \"quoted\"\nline");
            fields.push("count", &3);
            fields.push("ok", &true);
        });
        assert!(line.starts_with(b"{\"time\":") && line.ends_with(b"}\n"));
        let text = String::from_utf8(line).unwrap();
        assert_eq!(text.matches("\"function\"").count(), 1);
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["function"], "another");
        assert_eq!(line["text"], "a \"quoted\"\nline");
        assert_eq!((line["count"].as_u64(), line["ok"].as_bool()), (Some(3), Some(true)));
        assert_eq!(line["request_id"], Value::Null);
    }

    #[test]
    fn libraries_log_warnings_only() {
        tracing::subscriber::with_default(JsonLines { level: LevelFilter::INFO }, || {
            assert!(tracing::enabled!(target: "rialto_orders", Level::INFO));
            assert!(tracing::enabled!(target: "hyper", Level::WARN));
            assert!(!tracing::enabled!(target: "rialto_orders", Level::DEBUG));
            assert!(!tracing::enabled!(target: "hyper", Level::INFO));
            assert!(tracing::info_span!("rialto").is_disabled());
        });
    }
}
