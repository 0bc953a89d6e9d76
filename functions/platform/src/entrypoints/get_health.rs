use crate::{
    adapters::aws::AwsProbe,
    application::get_health::get_health,
    domain::health::{Check, Health},
    ports::Probe,
};
use rialto_kernel::{Clock, SystemClock};
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Problem, Response},
};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

pub fn main() {
    http::serve("platform-get-health", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let probe = AwsProbe::on(&app.aws, &app.stage);
    Arc::new(move |_| {
        let probe = probe.clone();
        Box::pin(async move { handle(&probe, &SystemClock).await })
    })
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

/// How one dependency answered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Dependency)]
pub struct DependencyBody {
    /// Such as `orders table`.
    name: String,
    state: DependencyState,
    /// In milliseconds; a second at most.
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
            state: if check.trouble.is_none() {
                DependencyState::Up
            } else {
                DependencyState::Down
            },
            latency_ms: u64::try_from(check.latency.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Ask how it is
///
/// Every dependency, with its latency. When one doesn't answer: 503, with `dependencies` naming it.
#[utoipa::path(
    get, path = "/health",
    responses((status = 200, body = Data<HealthBody>)),
)]
pub(crate) async fn handle(probe: &impl Probe, clock: &dyn Clock) -> Result<Response, Problem> {
    let health = get_health(probe, clock).await;
    let dependencies: Vec<_> = health.checks.iter().map(DependencyBody::from).collect();
    if health.is_ok() {
        return Ok(Response::ok(&HealthBody { status: HealthStatus::Ok, dependencies }));
    }
    Err(Problem::unavailable(failures(&health)).with("dependencies", dependencies))
}

/// What is logged, and no client needs to know.
fn failures(health: &Health) -> String {
    let told: Vec<_> = health
        .checks
        .iter()
        .filter_map(|check| Some(format!("{}: {}", check.dependency, check.trouble.as_ref()?)))
        .collect();
    told.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{adapters::memory::MemoryProbe, domain::health::Dependency};
    use rialto_lambda::http::ProblemCode;

    #[tokio::test]
    async fn what_is_down_is_named_without_its_reason() {
        let reply = handle(&MemoryProbe::default(), &SystemClock).await.unwrap();
        let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!((reply.status, &body["data"]["status"]), (200, &"ok".into()));
        assert_eq!(body["data"]["dependencies"].as_array().unwrap().len(), 7);

        let probe = MemoryProbe { down: vec![Dependency::Table("orders")] };
        let problem = handle(&probe, &SystemClock).await.unwrap_err();
        assert_eq!(problem.code, ProblemCode::Unavailable);
        let body = serde_json::to_value(
            get_health(&probe, &SystemClock)
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
