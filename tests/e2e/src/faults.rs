//! Client of the fault proxy in front of the deployment's AWS endpoint.

use crate::{
    http::{HttpClient, HttpRequest},
    wait::eventually,
};
use rialto_faults::{
    call::Call,
    rule::{Rule, RuleStats},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, MutexGuard};

/// Environment variable with the proxy's URL.
const URL: &str = "RIALTO_FAULTS";

/// Held by the test that uses the proxy, because faults affect all tests.
static EXCLUSIVE: Mutex<()> = Mutex::const_new(());

pub struct Faults {
    http: HttpClient,
    _guard: MutexGuard<'static, ()>,
}

impl Faults {
    /// Waits for exclusive use of the proxy, and removes all rules.
    ///
    /// # Panics
    /// Without `RIALTO_FAULTS`, or if the proxy doesn't respond.
    pub async fn exclusive() -> Self {
        let guard = EXCLUSIVE.lock().await;
        let url = std::env::var(URL).unwrap_or_else(|_| {
            panic!("{URL} is not set: run scripts/test, which starts a fault proxy")
        });
        let faults = Self { http: HttpClient::new(&url), _guard: guard };
        faults.clear().await;
        faults
    }

    fn call(&self, method: &'static str, path: &str) -> HttpRequest {
        self.http.request(method, format!("/_faults/{path}"))
    }

    pub async fn add(&self, rule: &Rule) {
        self.call("POST", "rules").json(&json!(rule)).send().await.expect(201);
    }

    pub async fn remove(&self, rule: &str) {
        self.call("DELETE", &format!("rules/{rule}")).send().await.expect(200);
    }

    pub async fn clear(&self) {
        self.call("DELETE", "rules").send().await.expect(200);
    }

    /// Releases the calls that a rule holds, and those it would hold later.
    pub async fn release(&self, rule: &str) {
        self.call("POST", &format!("rules/{rule}/release")).send().await.expect(200);
    }

    pub async fn fired(&self, rule: &str) -> RuleStats {
        self.fired_within(rule, Duration::ZERO).await
    }

    /// A rule's statistics as soon as it has fired, or after this time.
    pub async fn fired_within(&self, rule: &str, within: Duration) -> RuleStats {
        let path = format!("rules/{rule}?wait_ms={}", within.as_millis());
        read(self.call("GET", &path).send().await.expect(200).json())
    }

    /// Waits until a rule has fired.
    pub async fn until_fired(&self, rule: &str) {
        eventually(&format!("the rule {rule} to fire"), async || {
            let fired = self.fired_within(rule, Duration::from_secs(5)).await;
            if fired.fired > 0 { Ok(()) } else { Err(format!("{fired:?}")) }
        })
        .await;
    }

    /// The calls that contained an id, once no more were made for this long.
    pub async fn all_calls(&self, about: &str, quiet: Duration) -> Vec<Call> {
        let (mut calls, mut since) = (self.calls(about).await, Instant::now());
        eventually(&format!("calls about {about} to end"), async || {
            let now = self.calls(about).await;
            if now.len() != calls.len() {
                (calls, since) = (now, Instant::now());
            }
            if since.elapsed() < quiet { Err(format!("{} calls", calls.len())) } else { Ok(()) }
        })
        .await;
        calls
    }

    /// The calls that contained an id, oldest first.
    pub async fn calls(&self, about: &str) -> Vec<Call> {
        let mut response =
            self.call("GET", &format!("calls?about={about}")).send().await.expect(200).json();
        read(response["calls"].take())
    }
}

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("the proxy responds with this type")
}
