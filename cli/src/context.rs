//! What every command is given: the stage, its file, its API, its AWS.

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
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Which deployment to work on.
    #[arg(long, env = "RIALTO_STAGE", hide_env_values = true, global = true, default_value = "local", value_parser = Stage::parse)]
    stage: Stage,

    /// Where the API is, if not where the stage's file says (api_url).
    #[arg(long, value_name = "URL", env = "RIALTO_API_URL", hide_env_values = true, global = true)]
    api_url: Option<String>,

    /// The stage's file: its addresses and its demo shop's accounts.
    ///
    /// Unless it is named, the nearest .rialto/<stage>.json from the current folder upward.
    #[arg(long, value_name = "PATH", env = "RIALTO_FILE", hide_env_values = true, global = true)]
    file: Option<PathBuf>,
}

pub(crate) struct Context {
    pub(crate) stage: Stage,
    pub(crate) local: LocalFile,
    api_url: Option<String>,
}

impl Context {
    /// # Errors
    /// [`Failure`] when the stage's file is there but can't be read.
    pub(crate) fn open(global: Global) -> Result<Self, Failure> {
        let path = match global.file {
            Some(path) => path,
            None => {
                let here = std::env::current_dir().map_err(|error| {
                    Failure::new(
                        format!("The current folder can't be told: {error}"),
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
    /// [`Failure`] when nobody says where it is.
    pub(crate) fn api(&self) -> Result<Api, Failure> {
        let url = self.api_url.as_deref().or(self.local.content.api_url.as_deref());
        let url = url.ok_or_else(|| {
            let todo = if self.stage.as_str() == "local" {
                "Run scripts/up first; it writes where the API is. Or name it with --api-url.".to_owned()
            } else {
                format!("Name it with --api-url or RIALTO_API_URL: it is the output ApiUrl of the stack rialto-{}.", self.stage)
            };
            Failure::new(
                format!("Where is the API of the stage {}? {} doesn't say.", self.stage, self.local.path.display()),
                todo,
            )
        })?;
        Api::new(url)
    }

    /// AWS, or the emulator that stands in for it.
    ///
    /// # Errors
    /// [`Failure`] without an endpoint for the stage `local`, a region or credentials.
    pub(crate) async fn aws(&self) -> Result<SdkConfig, Failure> {
        aws::config(&self.stage, self.local.content.aws_endpoint.as_deref()).await
    }
}
