use crate::{
    context::Context,
    dead_letters::{DeadLetters, Selection, rows},
    failure::Failure,
    output::{print, progress, table},
};
use clap::Args;
use rialto_kernel::{Clock, SystemClock};

/// List what couldn't be delivered or published, the oldest first.
///
/// A row for each message of the stage's dead-letter queues: what consumers failed on, what relays couldn't publish
/// (<service>-outbox) and what the bus couldn't hand on (rule). Nothing is changed. Each message is held for a moment to be
/// looked at; if this is killed meanwhile, it shows again within two minutes.
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
