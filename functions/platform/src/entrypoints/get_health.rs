use crate::{
    adapters::aws::AwsProbe,
    application::get_health::get_health,
    domain::health::{Check, Health},
    ports::Probe,
};
use rialto_kernel::Clock;
use rialto_lambda::http::{self, Data, Problem, Request, Response};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

pub fn main() {
    http::serve("platform-get-health", |app| {
        let state = (AwsProbe::on(&app.aws, &app.stage), Arc::clone(&app.clock));
        http::handler(state, handle)
    });
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub struct HealthBody {
    status: HealthStatus,
    dependencies: Vec<DependencyBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    Ok,
}

/// The result of checking a dependency.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Dependency)]
pub struct DependencyBody {
    /// Such as `orders table`.
    name: String,
    state: DependencyState,
    /// In milliseconds; at most a second.
    latency_ms: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DependencyState {
    Up,
    Down,
}

impl From<&Check> for DependencyBody {
    fn from(check: &Check) -> Self {
        Self {
            name: check.dependency.to_string(),
            state: if check.failure.is_none() {
                DependencyState::Up
            } else {
                DependencyState::Down
            },
            latency_ms: u64::try_from(check.latency.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Get service health
///
/// Checks every dependency. If one is down: 503, with all of them in `dependencies`.
#[utoipa::path(
    get, path = "/health",
    responses((status = 200, body = Data<HealthBody>)),
)]
pub(crate) async fn handle(
    (probe, clock): (impl Probe, Arc<dyn Clock>),
    _: Request,
) -> Result<Response, Problem> {
    let health = get_health(&probe, &*clock).await;
    let dependencies: Vec<_> = health.checks.iter().map(DependencyBody::from).collect();
    if health.is_ok() {
        return Ok(Response::ok(&HealthBody { status: HealthStatus::Ok, dependencies }));
    }
    Err(Problem::unavailable(failures(&health)).with("dependencies", dependencies))
}

/// The failed dependencies and their reasons, which are logged but not sent to clients.
fn failures(health: &Health) -> String {
    let failures: Vec<_> = health
        .checks
        .iter()
        .filter_map(|check| Some(format!("{}: {}", check.dependency, check.failure.as_ref()?)))
        .collect();
    failures.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{adapters::memory::MemoryProbe, domain::health::Dependency};
    use rialto_kernel::SystemClock;
    use rialto_lambda::http::ProblemCode;

    #[tokio::test]
    async fn failed_dependencies_are_named_without_a_reason() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let healthy = (MemoryProbe::default(), Arc::clone(&clock));
        let response = handle(healthy, Request::default()).await.unwrap();
        let body: serde_json::Value = serde_json::from_str(&response.body).unwrap();
        assert_eq!((response.status, &body["data"]["status"]), (200, &"ok".into()));
        assert_eq!(body["data"]["dependencies"].as_array().unwrap().len(), 7);

        let probe = MemoryProbe { down: vec![Dependency::Table("orders")] };
        let problem =
            handle((probe.clone(), Arc::clone(&clock)), Request::default()).await.unwrap_err();
        assert_eq!(problem.code, ProblemCode::Unavailable);
        let body = serde_json::to_value(
            get_health(&probe, &*clock)
                .await
                .checks
                .iter()
                .map(DependencyBody::from)
                .collect::<Vec<_>>(),
        )
        .unwrap();
        let states: Vec<_> = body.as_array().unwrap().iter().map(|one| &one["state"]).collect();
        assert_eq!(states, ["up", "up", "up", "down", "up", "up", "up"]);
        assert_eq!(body[3]["name"], "orders table");
    }
}
