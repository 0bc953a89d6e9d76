//! Redriving dead letters, or showing which would be redriven.

use crate::{
    dead_letters::{DeadLetters, HOLD_ON_EVERY, Leased, RedriveTarget, Selection, rows},
    failure::Failure,
    output::{print, progress, table},
};
use rialto_aws::Stage;
use rialto_kernel::{Clock, SystemClock};
use std::time::{Duration, Instant};

/// Shows the selected dead letters, and redrives them if `really`.
///
/// # Errors
/// [`Failure`] if any of them stays a dead letter.
pub(crate) async fn run(
    dead: &DeadLetters,
    stage: &Stage,
    selection: &Selection,
    really: bool,
) -> Result<(), Failure> {
    let held = dead.lease(selection).await?;
    if held.is_empty() {
        progress("No dead letters to redrive.");
        return Ok(());
    }
    let stays = |held: &Leased| match held.letter.target(stage) {
        RedriveTarget::Nowhere(why) => Some(why),
        RedriveTarget::Queue(_) | RedriveTarget::Bus => None,
    };
    let (lost, good): (Vec<_>, Vec<_>) = held.into_iter().partition(|held| stays(held).is_some());
    let reason =
        |held: &Leased| Some(format!("{} stays: {}.", held.letter.message_id, stays(held)?));
    // Nothing is to be mended about them here, so they don't fail the command.
    let (skipped, unsendable): (Vec<_>, Vec<_>) =
        lost.iter().partition(|held| held.letter.skipped().is_some());
    skipped.into_iter().filter_map(reason).for_each(progress);
    let reasons: Vec<String> = unsendable.into_iter().filter_map(reason).collect();
    dead.release(&lost).await?;
    let shown: Vec<_> = good.iter().map(|held| held.letter.clone()).collect();
    let unmarked = shown.iter().filter(|letter| letter.target(stage) == RedriveTarget::Bus).count();
    let selected = good.len();
    let left = if really {
        send(dead, good, HOLD_ON_EVERY).await?
    } else {
        dead.release(&good).await?;
        Vec::new()
    };
    if !shown.is_empty() {
        table(&rows(&shown, SystemClock.now())).iter().try_for_each(print)?;
    }
    progress(match really {
        true => format!("{} redriven.", selected - left.len()),
        false => format!("{selected} would be redriven. This was a dry run; add --yes to redrive."),
    });
    if unmarked > 0 {
        progress(format!(
            "{unmarked} of them to the bus: events can't carry a mark, so they show as never redriven if they fail again."
        ));
    }
    ended(reasons, left)
}

/// Redrives one after the other, oldest first. Returns those that remain, with the reason. After a
/// failure the rest remain.
async fn send(
    dead: &DeadLetters,
    held: Vec<Leased>,
    hold_on_every: Duration,
) -> Result<Vec<String>, Failure> {
    let selected = held.len();
    let (mut here, mut undeleted) = (Vec::new(), Vec::new());
    let mut last: Option<Instant> = None;
    // Pops from the end.
    let mut left: Vec<Leased> = held.into_iter().rev().collect();
    while !left.is_empty() {
        if last.is_none_or(|last| last.elapsed() >= hold_on_every) {
            here.extend(dead.extend_lease(&mut left).await?.iter().map(not_held));
            last = Some(Instant::now());
        }
        let Some(letter) = left.pop() else { break };
        match dead.redrive(&letter, SystemClock.now()).await {
            Ok(None) => {}
            Ok(Some(why)) => {
                here.push(format!(
                    "{} was sent but couldn't be deleted: {why}.",
                    letter.letter.message_id
                ));
                undeleted.push(letter);
            }
            Err(failure) => {
                let redriven = selected - left.len() - 1 - here.len();
                here.iter().for_each(progress);
                progress(format!("{redriven} of {selected} redriven; the rest is unchanged."));
                left.push(letter);
                left.extend(undeleted);
                dead.release(&left).await?;
                return Err(failure);
            }
        }
    }
    dead.release(&undeleted).await?;
    Ok(here)
}

fn not_held(held: &Leased) -> String {
    format!("{} stays: its lease expired, and another process may have it.", held.letter.message_id)
}

/// Whether dead letters remain: those without a target, and those to try again.
fn ended(stays: Vec<String>, here: Vec<String>) -> Result<(), Failure> {
    let mut todo = Vec::new();
    if !here.is_empty() {
        todo.push("Run it again; sending a message twice is harmless.");
    }
    if !stays.is_empty() {
        todo.push("Inspect the rest with rialto dlq show; messages expire after 14 days.");
    }
    match todo.is_empty() {
        true => Ok(()),
        false => Err(Failure::new([stays, here].concat().join("\n"), todo.join(" "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dead_letters::tests::{event, order, skipped_records},
        testing::serve,
    };
    use serde_json::{Value, json};

    const QUEUE: &str = r#"{"QueueUrl":"http://queue/rialto-dev-inventory-on-orders"}"#;
    const LISTED: &str = r#"{"QueueUrls":["http://queue/rialto-dev-inventory-on-orders-dead-letters","http://queue/rialto-dev-inventory-on-orders"]}"#;
    const REFUSED: (u16, &str) =
        (400, r#"{"__type":"com.amazonaws.sqs#InvalidMessageContents","message":"no"}"#);
    const SENT: (u16, &str) = (200, r#"{"MessageId":"new","MD5OfMessageBody":""}"#);
    const DONE: (u16, &str) = (200, "{}");

    fn message(id: &str, sent: i64, body: &str) -> Value {
        json!({
            "MessageId": id,
            "ReceiptHandle": format!("receipt-{id}"),
            "Body": body,
            "Attributes": {"SentTimestamp": sent.to_string(), "ApproximateReceiveCount": "5"},
        })
    }

    /// Two messages, the older one last.
    fn received() -> &'static str {
        let message = |id: &str, sent: i64| {
            message(id, sent, &json!({"detail": event(order(id))}).to_string())
        };
        json!({"Messages": [message("young", 2_000), message("old", 1_000)]}).to_string().leak()
    }

    /// The receipt of a queue's messages.
    const READ: usize = 4;

    /// Redrives the messages of a queue that gives these responses afterwards. Returns the requests
    /// it received.
    fn working<T>(
        responses: &[(u16, &'static str)],
        work: impl AsyncFnOnce(DeadLetters, Stage) -> Result<T, Failure>,
    ) -> (Result<T, Failure>, Vec<String>) {
        working_on(LISTED, received(), responses, work)
    }

    fn working_on<T>(
        listed: &'static str,
        received: &'static str,
        responses: &[(u16, &'static str)],
        work: impl AsyncFnOnce(DeadLetters, Stage) -> Result<T, Failure>,
    ) -> (Result<T, Failure>, Vec<String>) {
        let read: [_; READ] = [(200, listed), (200, received), DONE, (200, r#"{"Attributes":{}}"#)];
        let (url, server) = serve([&read, responses].concat());
        let stage = Stage::parse("dev").unwrap();
        let dead = DeadLetters::open(&rialto_aws::emulator_config(&url), &stage);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let result = runtime.block_on(work(dead, stage));
        (result, server.received().split_off(READ))
    }

    fn redriven(
        responses: &[(u16, &'static str)],
        really: bool,
    ) -> (Result<(), Failure>, Vec<String>) {
        working(responses, async |dead, stage| {
            run(&dead, &stage, &Selection::default(), really).await
        })
    }

    /// Each request as its action and message.
    fn actions(requests: &[String]) -> Vec<String> {
        let kind = |request: &String| {
            let about = if request.contains("receipt-old") { " old" } else { " young" };
            let both = request.contains("receipt-old") && request.contains("receipt-young");
            match () {
                () if request.contains("MessageBody") => "send".to_owned(),
                () if request.contains("Entries") => {
                    let what = if request.contains(r#""VisibilityTimeout":0"#) {
                        "release"
                    } else {
                        "hold"
                    };
                    format!("{what}{}", if both { " both" } else { about })
                }
                () if request.contains("ReceiptHandle") => format!("delete{about}"),
                () if request.contains("QueueName") => "find".to_owned(),
                () => request.clone(),
            }
        };
        requests.iter().map(kind).collect()
    }

    #[test]
    fn messages_are_sent_oldest_first_then_deleted() {
        let (result, requests) =
            redriven(&[DONE, (200, QUEUE), SENT, DONE, (200, QUEUE), SENT, DONE], true);
        result.unwrap();
        assert_eq!(
            actions(&requests),
            ["hold both", "find", "send", "delete old", "find", "send", "delete young"]
        );
        assert!(requests[2].contains(&order("old").to_string()), "{}", requests[2]);
        assert!(
            requests[2].contains("redrive-count") && requests[2].contains("redriven-at"),
            "{}",
            requests[2]
        );
    }

    #[test]
    fn unsendable_messages_and_later_ones_are_released() {
        let (result, requests) = redriven(&[DONE, (200, QUEUE), REFUSED, DONE], true);
        assert!(
            result
                .unwrap_err()
                .to_string()
                .contains("Sending to rialto-dev-inventory-on-orders failed")
        );
        assert_eq!(actions(&requests), ["hold both", "find", "send", "release both"]);
    }

    #[test]
    fn undeletable_messages_are_reported_and_released() {
        let responses = [DONE, (200, QUEUE), SENT, REFUSED, (200, QUEUE), SENT, DONE, DONE];
        let (result, requests) = redriven(&responses, true);
        let failure = result.unwrap_err().to_string();
        assert!(
            failure.contains("old was sent but couldn't be deleted: ")
                && !failure.contains("young"),
            "{failure}"
        );
        assert_eq!(
            actions(&requests)[3..],
            ["delete old", "find", "send", "delete young", "release old"].map(str::to_owned)
        );
    }

    #[test]
    fn leases_are_extended_and_lost_ones_skipped() {
        let lost = r#"{"Successful":[],"Failed":[{"Id":"0","SenderFault":true,"Code":"InvalidParameterValue"}]}"#;
        let responses = [DONE, (200, QUEUE), SENT, DONE, (200, lost)];
        let (result, requests) = working(&responses, async |dead, _| {
            let held = dead.lease(&Selection::default()).await?;
            send(&dead, held, Duration::ZERO).await
        });
        assert_eq!(actions(&requests), ["hold both", "find", "send", "delete old", "hold young"]);
        let left = result.unwrap();
        assert!(left[0].starts_with("young stays: its lease expired"), "{left:?}");
    }

    #[test]
    fn skipped_records_stay_while_others_are_redriven() {
        let listed = r#"{"QueueUrls":["http://queue/rialto-dev-orders-outbox-dead-letters"]}"#;
        let whole = serde_json::to_string(&event(order("young"))).unwrap();
        let messages = [message("young", 2_000, &whole), message("old", 1_000, &skipped_records())];
        let received = json!({ "Messages": messages }).to_string().leak();
        let published = (200, r#"{"FailedEntryCount":0,"Entries":[{"EventId":"e"}]}"#);
        let responses = [DONE, DONE, published, DONE];
        let (result, requests) = working_on(listed, received, &responses, async |dead, stage| {
            run(&dead, &stage, &Selection::default(), true).await
        });
        result.unwrap();
        assert!(requests[2].contains(&order("young").to_string()), "{}", requests[2]);
        let [release, hold, _, delete] = actions(&requests).try_into().unwrap();
        assert_eq!([release, hold, delete], ["release old", "hold young", "delete young"]);
    }

    #[test]
    fn dry_runs_only_release_messages() {
        let (result, requests) = redriven(&[DONE], false);
        result.unwrap();
        assert_eq!(actions(&requests), ["release both"]);
    }
}
