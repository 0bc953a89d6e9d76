//! The context of a function.

use crate::settings::Settings;
use rialto_aws::{SdkConfig, Stage};
use rialto_kernel::{Clock, SystemClock};
use std::sync::Arc;

/// The resources of a function, created once at its start.
#[derive(Clone)]
pub struct FunctionContext {
    /// The function's name, such as `orders-place-order`.
    pub function: &'static str,
    pub stage: Stage,
    pub aws: SdkConfig,
    pub settings: Arc<Settings>,
    pub clock: Arc<dyn Clock>,
}

/// The environment lacks what `template.yaml` sets for a function.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Aws(#[from] rialto_aws::ConfigError),
    #[error("RIALTO_STAGE is not set")]
    NoStage,
    #[error("RIALTO_STAGE: {0}")]
    Stage(#[from] rialto_aws::StageError),
    #[error("AUTH_MODE must be gateway or token")]
    AuthMode,
    #[error("AUTH_MODE=token is only for emulators (AWS_ENDPOINT_URL is not set)")]
    TokenModeOnAws,
    #[error("{0} is not allowed on the stage prod")]
    NotForProd(&'static str),
    #[error("no route for function {0}")]
    NoRoute(&'static str),
}

impl FunctionContext {
    /// # Errors
    /// [`StartError`] names what is missing from the environment.
    pub fn from_environment(function: &'static str) -> Result<Self, StartError> {
        let stage = Stage::parse(&std::env::var("RIALTO_STAGE").map_err(|_| StartError::NoStage)?)?;
        let aws = rialto_aws::sdk_config()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let settings = Settings::of_stage(&aws, stage.clone(), Arc::clone(&clock));
        Ok(Self { function, stage, aws, settings: Arc::new(settings), clock })
    }
}
