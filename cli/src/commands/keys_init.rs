use crate::{context::Context, failure::Failure};
use clap::Args;

/// Make the signing keys that a stage doesn't have yet, and publish the public ones.
///
/// Once for a new stage, before anybody can log in. What is there already stays: it can be run again.
#[derive(Debug, Args)]
pub(crate) struct KeysInit {}

impl KeysInit {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        context.aws().await?;
        Err(Failure::new("not yet", "wait"))
    }
}
