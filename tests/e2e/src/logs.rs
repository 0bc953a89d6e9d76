//! The functions' log lines.

use crate::{aws::Aws, shop::PERSONAL};
use serde_json::{Map, Value, json};

/// The services that write logs.
pub const SERVICES: &[&str] =
    &["accounts", "catalog", "inventory", "orders", "payments", "platform"];

/// One line of a log group.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub text: String,
    /// The line's members; `None` for lines that Lambda writes.
    pub members: Option<Map<String, Value>>,
}

impl Line {
    /// A member's text; empty if there is none.
    pub fn text_of(&self, member: &str) -> &str {
        self.members.as_ref().and_then(|members| members.get(member)?.as_str()).unwrap_or_default()
    }

    /// Whether Lambda itself wrote the line.
    pub fn is_from_lambda(&self) -> bool {
        ["START ", "END ", "REPORT ", "INIT_START ", "EXTENSION "]
            .iter()
            .any(|word| self.text.starts_with(word))
    }
}

/// Texts that no log line may contain: personal data of the tests' accounts, cards, and the
/// prefixes of tokens and local secrets.
pub fn never_logged() -> impl Iterator<Item = &'static str> {
    PERSONAL.iter().copied().chain(["@e2e.example", "pm_card_visa", "eyJ", "sk_sim_", "whsec_"])
}

/// Maximum number of lines in a response.
const PAGE: usize = 10_000;

/// A service's log lines since a time (milliseconds since 1970) that contain a text; all lines if
/// the text is empty.
pub async fn lines(aws: &Aws, service: &str, since: i64, containing: &str) -> Vec<Line> {
    let group = format!("/rialto/{}/{service}", aws.stage);
    let mut input = json!({ "logGroupName": group, "startTime": since });
    if !containing.is_empty() {
        input["filterPattern"] = json!(format!("\"{containing}\""));
    }
    let mut lines: Vec<(i64, Line)> = Vec::new();
    loop {
        let mut response = aws.logs("FilterLogEvents", &input).await;
        let events = response["events"].as_array().map_or(&[][..], Vec::as_slice);
        for event in events {
            let text = event["message"].as_str().unwrap_or_default().to_owned();
            let at = event["timestamp"].as_i64().unwrap_or_default();
            lines.push((at, Line { members: serde_json::from_str(&text).ok(), text }));
        }
        let (cut_off, last) = (events.len() >= PAGE, lines.last().map_or(since, |(at, _)| *at));
        match response["nextToken"].take() {
            Value::String(token) => input["nextToken"] = json!(token),
            // MiniStack returns no token: continue at the last line's time, dropping the lines of
            // that time, which are returned again.
            _ if cut_off => {
                let next = if input["startTime"] == json!(last) { last + 1 } else { last };
                lines.retain(|(at, _)| *at < next);
                input["startTime"] = json!(next);
            }
            _ => return lines.into_iter().map(|(_, line)| line).collect(),
        }
    }
}

/// All services' log lines since a time that contain a text.
pub async fn all_lines(aws: &Aws, since: i64, containing: &str) -> Vec<Line> {
    let mut all = Vec::new();
    for service in SERVICES {
        all.extend(lines(aws, service, since, containing).await);
    }
    all
}
