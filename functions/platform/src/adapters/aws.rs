//! Dependencies as they are on AWS.

use crate::{domain::health::Dependency, ports::Probe};
use aws_sdk_eventbridge::error::DisplayErrorContext;
use rialto_aws::{ParameterStore, SdkConfig, Stage};
use rialto_dynamo::{Key, Table};
use rialto_kernel::{StoreError, settings::ALLOWED_ORIGINS};
use std::time::Duration;

/// How long one dependency has to answer.
const LIMIT: Duration = Duration::from_secs(1);

/// Asks the tables, the bus and the parameter store of a stage.
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

    async fn ask(&self, dependency: Dependency) -> Result<(), StoreError> {
        match dependency {
            // An item that never exists: all that the function's role may read.
            Dependency::Table(service) => {
                let table = Table::open(&self.aws, &self.stage, service);
                table.get(&Key::new("HEALTH", "HEALTH")).await.map(|_| ())
            }
            Dependency::EventBus => {
                let answer =
                    self.events.describe_event_bus().name(self.stage.event_bus()).send().await;
                answer.map(|_| ()).map_err(|error| silent(DisplayErrorContext(error)))
            }
            Dependency::ParameterStore => {
                let name = self.stage.parameter(ALLOWED_ORIGINS.name);
                self.parameters.get(&[name], false).await.map(|_| ()).map_err(silent)
            }
        }
    }
}

impl Probe for AwsProbe {
    async fn probe(&self, dependency: Dependency) -> Result<(), StoreError> {
        let answer = tokio::time::timeout(LIMIT, self.ask(dependency)).await;
        answer.unwrap_or_else(|_| Err(silent("no answer within a second")))
    }
}

fn silent(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(error.to_string())
}
