//! The context of every command: the stage, its file, its API and its AWS clients.

use crate::{
    api::Api,
    aws,
    failure::Failure,
    local::{self, LocalFile},
};
use clap::Args;
use rialto_aws::{SdkConfig, Stage};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The stage to work on
    #[arg(long, env = "RIALTO_STAGE", hide_env_values = true, global = true, default_value = "local", value_parser = Stage::parse)]
    stage: Stage,

    /// The base URL of the API; by default the api_url of the stage's file
    #[arg(long, value_name = "URL", env = "RIALTO_API_URL", hide_env_values = true, global = true)]
    api_url: Option<String>,

    /// The stage's file, with its addresses and its demo shop's accounts
    ///
    /// By default the nearest .rialto/<stage>.json, from the current folder upward.
    #[arg(long, value_name = "PATH", env = "RIALTO_FILE", hide_env_values = true, global = true)]
    file: Option<PathBuf>,
}

pub(crate) struct Context {
    pub(crate) stage: Stage,
    pub(crate) local: LocalFile,
    /// The API's URL, if one was given.
    pub(crate) api_url: Option<String>,
}

impl Context {
    /// # Errors
    /// [`Failure`] if the stage's file exists but can't be read.
    pub(crate) fn open(global: Global) -> Result<Self, Failure> {
        let path = match global.file {
            Some(path) => path,
            None => {
                let here = std::env::current_dir().map_err(|error| {
                    Failure::new(
                        format!("The current folder isn't known: {error}"),
                        "Change to one that exists, or name the stage's file with --file.",
                    )
                })?;
                local::find(&here, global.stage.as_str())
            }
        };
        let api_url = global.api_url.filter(|url| !url.is_empty());
        Ok(Self { stage: global.stage, local: LocalFile::open(path)?, api_url })
    }

    /// The stage's API.
    ///
    /// # Errors
    /// [`Failure`] if its URL isn't known.
    pub(crate) fn api(&self) -> Result<Api, Failure> {
        self.api_at(None)
    }

    /// The API at this URL, or the stage's without one.
    ///
    /// # Errors
    /// [`Failure`] if its URL isn't known.
    pub(crate) fn api_at(&self, url: Option<&str>) -> Result<Api, Failure> {
        let url = url.or(self.api_url.as_deref()).or(self.local.content.api_url.as_deref());
        let url = url.ok_or_else(|| {
            let todo = if self.stage.as_str() == "local" {
                "Run scripts/up first, which stores the API's URL, or give --api-url.".to_owned()
            } else {
                format!(
                    "Give --api-url or RIALTO_API_URL: the output ApiUrl of the stack rialto-{}.",
                    self.stage
                )
            };
            Failure::new(
                format!(
                    "The API's URL of the stage {} isn't known: {} doesn't have it.",
                    self.stage,
                    self.local.path.display()
                ),
                todo,
            )
        })?;
        Api::new(url)
    }

    /// The emulator's endpoint; `None` for a stage on AWS.
    pub(crate) fn emulator(&self) -> Option<String> {
        let given = std::env::var("AWS_ENDPOINT_URL").ok().filter(|url| !url.is_empty());
        given.or_else(|| self.local.content.aws_endpoint.clone())
    }

    /// The configuration of AWS or of the emulator.
    ///
    /// # Errors
    /// [`Failure`] without an endpoint for the stage `local`, without a region or without
    /// credentials.
    pub(crate) async fn aws(&self) -> Result<SdkConfig, Failure> {
        aws::config(&self.stage, self.local.content.aws_endpoint.as_deref()).await
    }
}
