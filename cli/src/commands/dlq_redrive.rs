use crate::{
    context::Context,
    dead_letters::{DeadLetters, Selection},
    failure::Failure,
    redrive,
};
use clap::Args;

/// Send dead letters to where they belong, to be tried again. Shows what it would do, unless --yes is given.
///
/// What a consumer failed on goes back into its queue, what a relay couldn't publish onto the bus. Each is sent first and
/// deleted then: if this is killed, nothing is lost, and what is there twice does no harm. A message that fails again comes
/// back marked as redriven, unless it went onto the bus, where events can't carry a mark; mend what it fails on first (rialto
/// dlq show, and the log of its consumer).
#[derive(Debug, Args)]
pub(crate) struct DlqRedrive {
    #[command(flatten)]
    selection: Selection,
    /// Do it.
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
