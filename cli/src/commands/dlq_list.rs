use crate::{
    context::Context,
    dead_letters::{DeadLetters, Selection, rows},
    failure::Failure,
    output::{print, progress, table},
};
use clap::Args;
use rialto_kernel::{Clock, SystemClock};

/// List dead letters, oldest first
///
/// A row for each message of the stage's dead-letter queues: those of consumers, of relays
/// (<service>-outbox) and of rules (rule). Nothing is changed. Messages are leased while they are
/// read; if the command is killed meanwhile, they are visible again within two minutes.
#[derive(Debug, Args)]
pub(crate) struct DlqList {
    #[command(flatten)]
    selection: Selection,
}

impl DlqList {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let aws = context.aws().await?;
        let letters = DeadLetters::open(&aws, &context.stage).peek(&self.selection).await?;
        if letters.is_empty() {
            progress("No dead letters.");
            return Ok(());
        }
        table(&rows(&letters, SystemClock.now())).iter().try_for_each(print)
    }
}
