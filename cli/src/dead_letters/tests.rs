use super::*;
use rialto_contracts::{
    EventContext, Payload,
    orders::{CancelReason, OrderCancelled},
};
use rialto_kernel::UserId;
use serde_json::json;

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_763_700_000_000);

pub(crate) fn order(name: &str) -> OrderId {
    OrderId::derive(&[name.as_bytes()])
}

pub(crate) fn event(order_id: OrderId) -> Event {
    let user_id = UserId::derive(&[b"u"]);
    let cancelled = OrderCancelled { order_id, user_id, reason: CancelReason::Buyer };
    Event::new(&cancelled, 2, 0, NOW, &EventContext::default())
}

/// A dead letter as SQS delivers it.
pub(crate) fn letter(source: Source, body: &str) -> DeadLetter {
    DeadLetter {
        events: DeadLetter::read(&source, body),
        source,
        message_id: "0123456789".to_owned(),
        receives: 5,
        sent: Timestamp::from_millis(NOW.millis() - 60_000),
        body: body.to_owned(),
        marks: RedriveMetadata::default(),
    }
}

pub(crate) fn delivered(source: Source, event: &Event) -> DeadLetter {
    letter(source, &json!({"version": "0", "detail-type": event.kind, "detail": event}).to_string())
}

fn stage() -> Stage {
    Stage::parse("dev").unwrap()
}

fn consumer() -> Source {
    Source::Consumer("inventory-on-orders".to_owned())
}

#[test]
fn only_dead_letter_queues_of_the_stage_are_recognised() {
    let of = |queue: &str| Source::of(&stage(), queue).map(|source| source.to_string());
    assert_eq!(
        of("rialto-dev-inventory-on-orders-dead-letters").as_deref(),
        Some("inventory-on-orders")
    );
    assert_eq!(of("rialto-dev-orders-outbox-dead-letters").as_deref(), Some("orders-outbox"));
    assert_eq!(of("rialto-dev-rule-dead-letters").as_deref(), Some("rule"));
    for queue in [
        "rialto-dev-inventory-on-orders",
        "rialto-prod-inventory-on-orders-dead-letters",
        // Queues of the stages dev-2 and dev-orders.
        "rialto-dev-2-inventory-on-orders-dead-letters",
        "rialto-dev-orders-orders-outbox-dead-letters",
        "rialto-dev-2-rule-dead-letters",
        "other-dead-letters",
    ] {
        assert_eq!(of(queue), None, "{queue}");
    }
}

#[test]
fn each_kind_has_its_redrive_target() {
    let event = event(order("o"));
    assert_eq!(
        delivered(consumer(), &event).target(&stage()),
        RedriveTarget::Queue("rialto-dev-inventory-on-orders".to_owned())
    );
    let whole = serde_json::to_string(&event).unwrap();
    assert_eq!(
        letter(Source::Outbox("orders".to_owned()), &whole).target(&stage()),
        RedriveTarget::Bus
    );
    let mut ruled = delivered(Source::Rule, &event);
    assert!(matches!(ruled.target(&stage()), RedriveTarget::Nowhere(_)), "for whom?");
    ruled.marks.target =
        Some("arn:aws:sqs:eu-central-1:1:rialto-dev-payments-on-orders".to_owned());
    assert_eq!(
        ruled.target(&stage()),
        RedriveTarget::Queue("rialto-dev-payments-on-orders".to_owned())
    );
    for target in [
        "arn:aws:lambda:eu-central-1:1:function:rialto-dev-orders-sweep",
        "arn:aws:sqs:eu-central-1:1:rialto-prod-payments-on-orders",
        "nonsense",
    ] {
        ruled.marks.target = Some(target.to_owned());
        assert!(
            matches!(ruled.target(&stage()), RedriveTarget::Nowhere(why) if why.contains(target)),
            "{target}"
        );
    }
}

#[test]
fn unparsable_messages_have_no_redrive_target() {
    for body in ["", "not JSON", "{}", r#"{"detail":{"specversion":"1.0"}}"#, "[1]"] {
        for source in [consumer(), Source::Outbox("orders".to_owned()), Source::Rule] {
            let letter = letter(source, body);
            assert!(
                matches!(letter.target(&stage()), RedriveTarget::Nowhere(why) if why.contains("can't be parsed"))
            );
            assert_eq!(letter.row(NOW)[2..4], ["?", "?"]);
        }
    }
}

#[test]
fn whole_outboxes_are_parsed_event_by_event() {
    let outbox = serde_json::to_string(&[event(order("a")), event(order("b"))]).unwrap();
    let letter = letter(Source::Outbox("orders".to_owned()), &outbox);
    assert_eq!(letter.events.as_ref().unwrap().len(), 2);
    assert_eq!(letter.row(NOW)[2], "OrderCancelled");
    assert!(
        letter.concerns(&order("a").to_string())
            && letter.concerns(&order("b").to_string())
            && !letter.concerns(&order("c").to_string())
    );
}

/// What Lambda sends to the outbox's dead-letter queue when a relay has failed for too long.
pub(crate) fn skipped_records() -> String {
    json!({
        "requestContext": {
            "requestId": "316aa6d0-8154-4f3a-9af7-85d5f4a6bc81",
            "functionArn": "arn:aws:lambda:eu-central-1:1:function:rialto-dev-orders-relay",
            "condition": "RecordAgeExceeded",
            "approximateInvokeCount": 9
        },
        "responseContext": {
            "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"
        },
        "version": "1.0",
        "timestamp": "2025-11-21T04:40:00.000Z",
        "DDBStreamBatchInfo": {
            "shardId": "shardId-00000001573689847184-864758bb",
            "startSequenceNumber": "800000000003126276362",
            "endSequenceNumber": "800000000003126276370",
            "approximateArrivalOfFirstRecord": "2025-11-20T16:39:00Z",
            "approximateArrivalOfLastRecord": "2025-11-20T16:39:01Z",
            "batchSize": 3,
            "streamArn":
                "arn:aws:dynamodb:eu-central-1:1:table/rialto-dev-orders/stream/2025-01-01T00:00:00"
        }
    })
    .to_string()
}

#[test]
fn skipped_records_are_recognised_and_have_no_redrive_target() {
    let letter = letter(Source::Outbox("orders".to_owned()), &skipped_records());
    let skipped = letter.skipped().unwrap();
    assert_eq!(skipped.records(), "3 records of rialto-dev-orders");
    assert_eq!(letter.row(NOW)[2..4], ["skipped-records", "rialto-dev-orders"]);
    let RedriveTarget::Nowhere(why) = letter.target(&stage()) else { panic!("{letter:?}") };
    for part in ["3 records of rialto-dev-orders", "saga stuck", "outbox resend --order"] {
        assert!(why.contains(part), "{why}");
    }
}

#[test]
fn selections_match_by_every_criterion() {
    let letter = delivered(consumer(), &event(order("o")));
    let takes = |selection: Selection| selection.accepts(&letter, NOW);
    assert!(takes(Selection::default()));
    assert!(takes(Selection::of_order(order("o"))));
    assert!(!takes(Selection::of_order(order("other"))));
    let kind = |kind: &str| Selection { kind: Some(kind.to_owned()), ..Selection::default() };
    assert!(takes(kind(OrderCancelled::TYPE)));
    assert!(!takes(kind("OrderPlaced")));
    let age =
        |seconds| Selection { age: Some(Duration::from_secs(seconds)), ..Selection::default() };
    assert!(takes(age(59)));
    assert!(!takes(age(60)));
    let queue = |queue: &str| Selection { queue: Some(queue.to_owned()), ..Selection::default() };
    assert!(takes(queue("inventory-on-orders")));
    assert!(!takes(queue("orders-outbox")));
    let both = Selection { order: Some(order("o")), ..kind("OrderPlaced") };
    assert!(!takes(both));
}

#[test]
fn unparsable_messages_are_matched_by_order_id() {
    let letter = letter(consumer(), &json!({"detail": {"order": order("o")}}).to_string());
    assert!(letter.events.is_err());
    assert!(
        letter.concerns(&order("o").to_string()) && !letter.concerns(&order("other").to_string())
    );
}

#[test]
fn rows_show_the_event_and_earlier_redrives() {
    let id = order("o");
    let mut letter = delivered(consumer(), &event(id));
    let id = id.to_string();
    assert_eq!(
        letter.row(NOW),
        ["01234567", "inventory-on-orders", "OrderCancelled", &id, "1m", "5", "-"]
    );
    letter.marks.redrives = 2;
    assert_eq!(letter.row(NOW)[6], "2x");
}
