//! Health checks of AWS resources.

use crate::{domain::health::Dependency, ports::Probe};
use aws_sdk_eventbridge::error::DisplayErrorContext;
use rialto_aws::{ParameterStore, SdkConfig, Stage};
use rialto_dynamo::{Key, Table};
use rialto_kernel::{StoreError, settings::ALLOWED_ORIGINS};
use std::time::Duration;

/// The time limit of one check.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Checks the tables, the event bus and the parameter store of a stage.
#[derive(Debug, Clone)]
pub struct AwsProbe {
    aws: SdkConfig,
    stage: Stage,
    events: aws_sdk_eventbridge::Client,
    parameters: ParameterStore,
}

impl AwsProbe {
    #[must_use]
    pub fn on(aws: &SdkConfig, stage: &Stage) -> Self {
        Self {
            aws: aws.clone(),
            stage: stage.clone(),
            events: aws_sdk_eventbridge::Client::new(aws),
            parameters: ParameterStore::new(aws),
        }
    }

    async fn check(&self, dependency: Dependency) -> Result<(), StoreError> {
        match dependency {
            // Reads an item that never exists, which is all that the function's role may read.
            Dependency::Table(service) => {
                let table = Table::open(&self.aws, &self.stage, service);
                table.get(&Key::new("HEALTH", "HEALTH")).await.map(|_| ())
            }
            Dependency::EventBus => {
                let response =
                    self.events.describe_event_bus().name(self.stage.event_bus()).send().await;
                response.map(|_| ()).map_err(|error| unavailable(DisplayErrorContext(error)))
            }
            Dependency::ParameterStore => {
                let name = self.stage.parameter(ALLOWED_ORIGINS.name);
                self.parameters.get(&[name]).await.map(|_| ()).map_err(unavailable)
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
