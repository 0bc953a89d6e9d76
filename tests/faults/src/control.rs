//! The proxy's own HTTP API, with which tests control it.
//!
//! | request | |
//! |---|---|
//! | `GET /_faults/health` | health check |
//! | `POST /_faults/rules` | adds a rule |
//! | `DELETE /_faults/rules`, `…/{id}` | removes all rules or one, and releases held calls |
//! | `GET /_faults/rules/{id}` | the rule's statistics; `?wait_ms=` waits for it to fire |
//! | `POST /_faults/rules/{id}/release` | releases the calls that the rule holds |
//! | `GET /_faults/calls` | the recorded calls; `?after=<number>`, `?about=<id>` |

use crate::{proxy::ProxyResponse, rule::Rule, state::State};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, body::Incoming};
use serde_json::{Value, json};
use std::{collections::HashMap, io, time::Duration};

/// Prefix of the paths that the proxy serves itself.
pub const PREFIX: &str = "/_faults/";

pub(crate) async fn respond(
    state: &State,
    request: Request<Incoming>,
) -> io::Result<ProxyResponse> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let query: HashMap<String, String> =
        form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let path: Vec<&str> = head.uri.path().trim_start_matches(PREFIX).split('/').collect();
    let (status, body) = match (&head.method, path.as_slice()) {
        (&Method::GET, ["health"]) => (200, json!({})),
        (&Method::POST, ["rules"]) => match serde_json::from_slice::<Rule>(&body) {
            Ok(rule) => {
                state.add(rule);
                (201, json!({}))
            }
            Err(error) => (400, json!({ "error": error.to_string() })),
        },
        (&Method::DELETE, ["rules"]) => {
            state.remove(None);
            (200, json!({}))
        }
        (&Method::DELETE, ["rules", id]) => {
            state.remove(Some(id));
            (200, json!({}))
        }
        (&Method::GET, ["rules", id]) => statistics(state, id, number(&query, "wait_ms")).await,
        (&Method::POST, ["rules", id, "release"]) => match state.rule(id) {
            Some(active) => {
                active.released.send_replace(true);
                (200, json!({}))
            }
            None => not_found(),
        },
        (&Method::GET, ["calls"]) => {
            let calls =
                state.calls(number(&query, "after"), query.get("about").map(String::as_str));
            (200, json!({ "calls": calls }))
        }
        _ => not_found(),
    };
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Full::from(body.to_string())).map_err(io::Error::other)
}

fn not_found() -> (u16, Value) {
    (404, json!({ "error": "not found" }))
}

fn number(query: &HashMap<String, String>, name: &str) -> u64 {
    query.get(name).and_then(|text| text.parse().ok()).unwrap_or(0)
}

async fn statistics(state: &State, id: &str, wait_ms: u64) -> (u16, Value) {
    let Some(active) = state.rule(id) else { return not_found() };
    let mut stats = active.stats.subscribe();
    let wait = stats.wait_for(|stats| stats.fired > 0);
    // After the timeout, return the statistics as they are.
    tokio::time::timeout(Duration::from_millis(wait_ms), wait).await.ok();
    let stats = *active.stats.borrow();
    (200, json!(stats))
}
