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
        progress("No dead letters: nothing to send on.");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dead_letters::tests::{event, order},
        testing::serve,
    };
    use serde_json::json;

    const QUEUE: &str = r#"{"QueueUrl":"http://queue/rialto-dev-inventory-on-orders"}"#;
    const LISTED: &str = r#"{"QueueUrls":["http://queue/rialto-dev-inventory-on-orders-dead-letters","http://queue/rialto-dev-inventory-on-orders"]}"#;
    const REFUSED: (u16, &str) =
        (400, r#"{"__type":"com.amazonaws.sqs#InvalidMessageContents","message":"no"}"#);
    const SENT: (u16, &str) = (200, r#"{"MessageId":"new","MD5OfMessageBody":""}"#);
    const DONE: (u16, &str) = (200, "{}");

    /// Two messages, the older one last.
    fn received() -> &'static str {
        let message = |id: &str, sent: i64| {
            let body = json!({"detail": event(order(id))}).to_string();
            json!({
                "MessageId": id,
                "ReceiptHandle": format!("receipt-{id}"),
                "Body": body,
                "Attributes": {"SentTimestamp": sent.to_string(), "ApproximateReceiveCount": "5"},
            })
        };
        json!({"Messages": [message("young", 2_000), message("old", 1_000)]}).to_string().leak()
    }

    /// Redrives what a queue has, which answers so after it was read; what it was asked from then on.
    fn redriven(answers: &[(u16, &'static str)], really: bool) -> (Result<(), Failure>, Vec<String>) {
        let read = [(200, LISTED), (200, received()), DONE, (200, r#"{"Attributes":{}}"#)];
        let (url, server) = serve([&read, answers].concat());
        let aws = rialto_aws::emulator_config(&url);
        let stage = Stage::parse("dev").unwrap();
        let work =
            async { run(&DeadLetters::open(&aws, &stage), &stage, &Selection::default(), really).await };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let result = runtime.block_on(work);
        (result, server.join().unwrap().split_off(read.len()))
    }

    /// Each request by what it does, and to which message.
    fn told(asked: &[String]) -> Vec<String> {
        let kind = |asked: &String| {
            let about = if asked.contains("receipt-old") { " old" } else { " young" };
            let both = asked.contains("receipt-old") && asked.contains("receipt-young");
            match () {
                () if asked.contains("MessageBody") => "send".to_owned(),
                () if asked.contains("Entries") => format!("release{}", if both { " both" } else { about }),
                () if asked.contains("ReceiptHandle") => format!("delete{about}"),
                () if asked.contains("QueueName") => "find".to_owned(),
                () => asked.clone(),
            }
        };
        asked.iter().map(kind).collect()
    }

    #[test]
    fn the_oldest_is_sent_first_and_each_is_deleted_only_after_it_was_sent() {
        let (result, asked) = redriven(&[(200, QUEUE), SENT, DONE, (200, QUEUE), SENT, DONE], true);
        result.unwrap();
        assert_eq!(told(&asked), ["find", "send", "delete old", "find", "send", "delete young"]);
        assert!(asked[1].contains(&order("old").to_string()), "{}", asked[1]);
        assert!(asked[1].contains("redrive-count") && asked[1].contains("redriven-at"), "{}", asked[1]);
    }

    #[test]
    fn what_cannot_be_sent_stays_and_shows_again_with_all_that_comes_after_it() {
        let (result, asked) = redriven(&[(200, QUEUE), REFUSED, DONE], true);
        assert!(result.unwrap_err().to_string().contains("Sending to rialto-dev-inventory-on-orders failed"));
        assert_eq!(told(&asked), ["find", "send", "release both"]);
    }

    #[test]
    fn what_was_sent_and_cannot_be_deleted_is_told_and_the_rest_stays() {
        let (result, asked) = redriven(&[(200, QUEUE), SENT, REFUSED, DONE], true);
        assert!(result.unwrap_err().to_string().contains("Deleting the dead letter"));
        assert_eq!(told(&asked), ["find", "send", "delete old", "release both"]);
    }

    #[test]
    fn without_yes_everything_is_only_released() {
        let (result, asked) = redriven(&[DONE], false);
        result.unwrap();
        assert_eq!(told(&asked), ["release both"]);
    }
}
