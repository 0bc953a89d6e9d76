use crate::settings::Settings;
use rialto_aws::{SdkConfig, Stage};
use rialto_kernel::{Clock, SystemClock};
use std::sync::Arc;

/// What a function is given at its start, for as long as it lives.
#[derive(Clone)]
pub struct FunctionContext {
    /// Its name, such as `orders-place-order`.
    pub function: &'static str,
    pub stage: Stage,
    pub aws: SdkConfig,
    pub settings: Arc<Settings>,
    pub clock: Arc<dyn Clock>,
}

/// The environment isn't what `template.yaml` gives a function.
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
    #[error("{0} is not for the stage prod")]
    NotForProd(&'static str),
    #[error("{0} stands in no route")]
    NoRoute(&'static str),
}

impl FunctionContext {
    /// # Errors
    /// [`StartError`] names what is missing from the environment.
    pub fn from_environment(function: &'static str) -> Result<Self, StartError> {
        let stage = Stage::parse(&std::env::var("RIALTO_STAGE").map_err(|_| StartError::NoStage)?)?;
        let aws = rialto_aws::sdk_config()?;
        let settings = Arc::new(Settings::from_parameter_store(&aws, stage.clone()));
        Ok(Self { function, stage, aws, settings, clock: Arc::new(SystemClock) })
    }
}
