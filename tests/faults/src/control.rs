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

use crate::{proxy::Answer, rule::Rule, state::State};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, body::Incoming};
use serde_json::{Value, json};
use std::{collections::HashMap, io, time::Duration};

/// Prefix of the paths that the proxy serves itself.
pub const PREFIX: &str = "/_faults/";

pub(crate) async fn answer(state: &State, request: Request<Incoming>) -> io::Result<Answer> {
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
        (&Method::GET, ["rules", id]) => fired(state, id, number(&query, "wait_ms")).await,
        (&Method::POST, ["rules", id, "release"]) => match state.rule(id) {
            Some(standing) => {
                standing.released.send_replace(true);
                (200, json!({}))
            }
            None => unknown(),
        },
        (&Method::GET, ["calls"]) => {
            let calls =
                state.calls(number(&query, "after"), query.get("about").map(String::as_str));
            (200, json!({ "calls": calls }))
        }
        _ => unknown(),
    };
    let answer = Response::builder().status(status).header("content-type", "application/json");
    answer.body(Full::from(body.to_string())).map_err(io::Error::other)
}

fn unknown() -> (u16, Value) {
    (404, json!({ "error": "there is no such thing" }))
}

fn number(query: &HashMap<String, String>, name: &str) -> u64 {
    query.get(name).and_then(|text| text.parse().ok()).unwrap_or(0)
}

async fn fired(state: &State, id: &str, wait_ms: u64) -> (u16, Value) {
    let Some(standing) = state.rule(id) else { return unknown() };
    let mut fired = standing.fired.subscribe();
    let wait = fired.wait_for(|state| state.fired > 0);
    // After the timeout, return the statistics as they are.
    tokio::time::timeout(Duration::from_millis(wait_ms), wait).await.ok();
    let fired = *standing.fired.borrow();
    (200, json!(fired))
}
