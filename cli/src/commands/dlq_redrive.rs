use crate::{
    context::Context,
    dead_letters::{DeadLetters, Selection},
    failure::Failure,
    redrive,
};
use clap::Args;

/// Redrive dead letters; a dry run unless --yes is given
///
/// Messages that a consumer failed on return to its queue, and events that a relay couldn't publish
/// are published. Each is sent first and deleted afterwards, so an interruption loses nothing, and
/// a message that exists twice is harmless. A message that fails again returns marked as redriven,
/// unless it was published: events on the bus can't carry a mark. Fix the cause of the failure
/// first (rialto dlq show, and the consumer's log).
#[derive(Debug, Args)]
pub(crate) struct DlqRedrive {
    #[command(flatten)]
    selection: Selection,
    /// Redrive for real
    #[arg(long)]
    yes: bool,
}

impl DlqRedrive {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let aws = context.aws().await?;
        let letters = DeadLetters::open(&aws, &context.stage);
        redrive::run(&letters, &context.stage, &self.selection, self.yes).await
    }
}
