//! Health checks of AWS resources.

use crate::{domain::health::Dependency, ports::Probe};
use aws_sdk_eventbridge::error::DisplayErrorContext;
use rialto_aws::{SdkConfig, Stage};
use rialto_dynamo::{Key, Table};
use rialto_kernel::StoreError;
use std::time::Duration;

/// The time limit of one check.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Checks the tables and the event bus of a stage.
#[derive(Debug, Clone)]
pub struct AwsProbe {
    aws: SdkConfig,
    stage: Stage,
    events: aws_sdk_eventbridge::Client,
}

impl AwsProbe {
    #[must_use]
    pub fn on(aws: &SdkConfig, stage: &Stage) -> Self {
        Self {
            aws: aws.clone(),
            stage: stage.clone(),
            events: aws_sdk_eventbridge::Client::new(aws),
        }
    }

    async fn check(&self, dependency: Dependency) -> Result<(), StoreError> {
        match dependency {
            // Reads an item that never exists: the function's role may read no other of a service.
            Dependency::Table(name) => {
                let table = Table::open(&self.aws, &self.stage, name);
                table.get(&Key::new("HEALTH", "HEALTH")).await.map(|_| ())
            }
            Dependency::EventBus => {
                let response =
                    self.events.describe_event_bus().name(self.stage.event_bus()).send().await;
                response.map(|_| ()).map_err(|error| unavailable(DisplayErrorContext(error)))
            }
        }
    }
}

impl Probe for AwsProbe {
    async fn probe(&self, dependency: Dependency) -> Result<(), StoreError> {
        let result = tokio::time::timeout(TIMEOUT, self.check(dependency)).await;
        result.unwrap_or_else(|_| Err(unavailable("no response within a second")))
    }
}

fn unavailable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{application::get_health::get_health, domain::health::DEPENDENCIES};
    use rialto_aws::emulator_config;
    use rialto_kernel::SystemClock;
    use rialto_testkit::http::{StubResponse, serve};
    use std::sync::{Arc, Mutex};

    /// Anybody may request health, and Parameter Store's quota is the whole account's.
    #[tokio::test]
    async fn health_never_asks_parameter_store() {
        let targets = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&targets);
        let url = serve(move |request| {
            let target = request.header("x-amz-target").unwrap_or_default().to_owned();
            recorded.lock().unwrap().push(target);
            Some(StubResponse::new(200, "{}".to_owned()))
        });
        let probe = AwsProbe::on(&emulator_config(&url), &Stage::parse("test").unwrap());
        let health = get_health(&probe, &SystemClock).await;
        assert!(health.is_ok(), "{health:?}");
        let targets = targets.lock().unwrap();
        assert_eq!(targets.len(), DEPENDENCIES.len());
        assert!(!targets.iter().any(|target| target.starts_with("AmazonSSM")), "{targets:?}");
    }
}
