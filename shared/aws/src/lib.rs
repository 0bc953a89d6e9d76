//! AWS clients from explicit configuration.
//!
//! The default chain of `aws-config` looks for profiles, roles and metadata services that a
//! function never has; it doubles a function's size and costs twenty times the instructions before
//! the first poll. A function gets its configuration from the environment: region, credentials
//! and, on an emulator, the endpoint.

pub mod calls;
mod config;
mod functions;
pub mod http;
mod mail;
mod parameters;
mod queues;
mod random;
mod secrets;
mod settings_mirror;
mod signed;
pub mod signing;
mod stage;

pub use aws_types::SdkConfig;
pub use config::{ConfigError, emulator_config, sdk_config};
pub use functions::{InvokeError, LambdaClient};
pub use mail::{Mail, MailError, Mailer};
pub use parameters::{Parameter, ParameterError, ParameterStore};
pub use queues::{QueueClient, QueueError};
pub use secrets::{SecretError, SecretStore};
pub use settings_mirror::{MirrorError, MirrorUpdate, MirroredSettings, SettingsMirror};
pub use stage::{Stage, StageError};
