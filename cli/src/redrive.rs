//! Sending dead letters on, or showing which would be.

use crate::{
    dead_letters::{DeadLetters, Held, Selection, Way, rows},
    failure::Failure,
    output::{print, progress, table},
};
use rialto_aws::Stage;
use rialto_kernel::{Clock, SystemClock};

/// Redrives what is selected, if `really`; shows it in either case.
///
/// # Errors
/// [`Failure`] when something of it stays a dead letter.
pub(crate) async fn run(
    dead: &DeadLetters,
    stage: &Stage,
    selection: &Selection,
    really: bool,
) -> Result<(), Failure> {
    let held = dead.hold(selection).await?;
    if held.is_empty() {
        progress("No dead letters: nothing to redrive.");
        return Ok(());
    }
    let stays = |held: &Held| match held.letter.way(stage) {
        Way::Nowhere(why) => Some(why),
        Way::Queue(_) | Way::Bus => None,
    };
    let (lost, good): (Vec<_>, Vec<_>) = held.into_iter().partition(|held| stays(held).is_some());
    let reasons: Vec<String> = lost
        .iter()
        .filter_map(|held| Some(format!("{} stays: {}.", held.letter.message_id, stays(held)?)))
        .collect();
    dead.release(&lost).await?;
    let shown: Vec<_> = good.iter().map(|held| held.letter.clone()).collect();
    let shown = table(&rows(&shown, SystemClock.now()));
    if really {
        send(dead, &good).await?;
    } else {
        dead.release(&good).await?;
    }
    if !good.is_empty() {
        shown.iter().try_for_each(print)?;
    }
    progress(match really {
        true => format!("{} redriven.", good.len()),
        false => format!("{} would be redriven. Nothing was changed; --yes does it.", good.len()),
    });
    if reasons.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        reasons.join("\n"),
        "See them with rialto dlq show; they go by themselves after 14 days.",
    ))
}

/// One after the other; what comes after a failure stays a dead letter.
async fn send(dead: &DeadLetters, held: &[Held]) -> Result<(), Failure> {
    for (at, letter) in held.iter().enumerate() {
        if let Err(failure) = dead.redrive(letter, SystemClock.now()).await {
            progress(format!("{at} of {} redriven; the rest stays as it was.", held.len()));
            dead.release(&held[at..]).await?;
            return Err(failure);
        }
    }
    Ok(())
}
