use crate::{
    context::Context,
    dead_letters::{DeadLetter, DeadLetters, RedriveTarget, Selection},
    duration,
    failure::Failure,
    output::{print, table},
};
use clap::Args;
use rialto_aws::Stage;
use rialto_kernel::{Clock, SystemClock, Timestamp};
use serde_json::Value;

/// Show dead letters in full: source, receives, redrives and body
///
/// Events have no personal data. Nothing is changed.
#[derive(Debug, Args)]
pub(crate) struct DlqShow {
    /// The message's id or its beginning, or an event's id (evt_…); by default all selected
    /// messages
    id: Option<String>,
    #[command(flatten)]
    selection: Selection,
}

impl DlqShow {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let aws = context.aws().await?;
        let mut letters = DeadLetters::open(&aws, &context.stage).peek(&self.selection).await?;
        if let Some(id) = &self.id {
            letters.retain(|letter| is_called(letter, id));
        }
        if letters.is_empty() {
            return Err(Failure::new(
                "Dead letter not found.",
                "rialto dlq list shows all. It may have been redriven, or have expired after 14 days.",
            ));
        }
        let now = SystemClock.now();
        let shown: Vec<String> =
            letters.iter().map(|letter| details(letter, &context.stage, now)).collect();
        print(shown.join("\n\n"))
    }
}

fn is_called(letter: &DeadLetter, id: &str) -> bool {
    let event = |id: &str| letter.events.iter().flatten().any(|event| event.id.to_string() == id);
    letter.message_id.starts_with(id) || event(id)
}

fn details(letter: &DeadLetter, stage: &Stage, now: Timestamp) -> String {
    let goes = match letter.target(stage) {
        RedriveTarget::Queue(queue) => format!("into {queue}"),
        RedriveTarget::Bus => format!("onto the bus {}", stage.event_bus()),
        RedriveTarget::Nowhere(why) => format!("nowhere: {why}"),
    };
    let mut rows = vec![
        ("message", letter.message_id.clone()),
        ("from", letter.source.to_string()),
        ("sent", format!("{}, {} ago", letter.sent, duration::short(letter.age(now)))),
        ("receives", letter.receives.to_string()),
        ("redrive goes", goes),
    ];
    if let Some(skipped) = letter.skipped() {
        let (first, last) = (&skipped.start_sequence_number, &skipped.end_sequence_number);
        rows.push(("skipped", skipped.records()));
        rows.push(("shard", skipped.shard_id.clone()));
        rows.push(("sequence numbers", format!("{first} to {last}")));
    }
    if let Some(at) = &letter.marks.redriven_at {
        rows.push(("redriven", format!("{}x, last at {at}", letter.marks.redrives)));
    }
    if let Some(error) = &letter.marks.error {
        rows.push(("rejected with", error.clone()));
    }
    let rows: Vec<_> = rows.into_iter().map(|(name, text)| [name.to_owned(), text]).collect();
    let body = match serde_json::from_str::<Value>(&letter.body) {
        Ok(json) => format!("{json:#}"),
        Err(_) => letter.body.clone(),
    };
    format!("{}\n{body}", table(&rows).join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letters::{
        Source,
        tests::{NOW, delivered, event, letter, order, skipped_records},
    };

    fn consumer() -> Source {
        Source::Consumer("inventory-on-orders".to_owned())
    }

    #[test]
    fn dead_letters_are_shown_in_full() {
        let stage = Stage::parse("dev").unwrap();
        let order = order("o");
        let mut letter = delivered(consumer(), &event(order));
        let text = details(&letter, &stage, NOW);
        for part in [
            "0123456789",
            "1m ago",
            "into rialto-dev-inventory-on-orders",
            "\"type\": \"OrderCancelled\"",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(
            text.contains(&format!("\"subject\": \"{order}\"")) && !text.contains("redriven"),
            "{text}"
        );
        letter.marks.redrives = 2;
        letter.marks.redriven_at = Some("2026-11-21T09:30:00.125Z".to_owned());
        letter.marks.error = Some("NO_PERMISSIONS".to_owned());
        let text = details(&letter, &stage, NOW);
        assert!(text.contains("2x, last at 2026-11-21T09:30:00.125Z"), "{text}");
        assert!(text.contains("NO_PERMISSIONS"), "{text}");
    }

    #[test]
    fn unparsable_messages_are_shown_unchanged() {
        let text = details(&letter(consumer(), "not JSON"), &Stage::parse("dev").unwrap(), NOW);
        assert!(
            text.ends_with("\nnot JSON") && text.contains("nowhere: it can't be parsed"),
            "{text}"
        );
    }

    #[test]
    fn skipped_records_are_shown_with_their_position() {
        let letter = letter(Source::Outbox("orders".to_owned()), &skipped_records());
        let text = details(&letter, &Stage::parse("dev").unwrap(), NOW);
        for part in [
            "3 records of rialto-dev-orders",
            "shardId-00000001573689847184-864758bb",
            "800000000003126276362 to 800000000003126276370",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn messages_are_found_by_id_prefix_or_event() {
        let event = event(order("o"));
        let letter = delivered(consumer(), &event);
        assert!(is_called(&letter, "01234567") && is_called(&letter, &event.id.to_string()));
        assert!(!is_called(&letter, "1234567") && !is_called(&letter, "evt_1"));
    }
}
