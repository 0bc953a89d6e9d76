//! Events on the bus: CloudEvents whose data conforms to the committed schemas.

use jsonschema::Validator;
use rialto_e2e::{
    bus::{BusSubscription, ReceivedEvent},
    shop::{DECLINES, NewProduct, OrderDraft, PERSONAL, Shop},
    wait::eventually,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// The members of an event; only the last two are optional.
const MEMBERS: &[&str] = &[
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "subject",
    "dataschema",
    "sequence",
    "correlationid",
    "data",
    "causationid",
    "traceparent",
];

/// The types of events that the test triggers.
const PUBLISHED: &[&str] = &[
    "UserRegistered",
    "SellerRegistered",
    "ProductRegistered",
    "ProductChanged",
    "OrderPlaced",
    "StockReserved",
    "StockRejected",
    "StockReleased",
    "StockDepleted",
    "StockReplenished",
    "PaymentCaptured",
    "PaymentFailed",
    "OrderConfirmed",
    "OrderCancelled",
    "DeliveryPrepared",
];

/// The committed schemas by `dataschema`.
fn schemas() -> BTreeMap<String, Validator> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/schemas");
    let mut schemas = BTreeMap::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let schema: Value =
            serde_json::from_slice(&std::fs::read(file.unwrap().path()).unwrap()).unwrap();
        let name = schema["$id"].as_str().unwrap().to_owned();
        schemas.insert(name, jsonschema::validator_for(&schema).unwrap());
    }
    schemas
}

/// The defects of an event; empty if it is valid.
fn defects(received: &ReceivedEvent, schemas: &BTreeMap<String, Validator>) -> Vec<String> {
    let ReceivedEvent { event, detail, .. } = received;
    let mut defects = Vec::new();
    let mut expect = |holds: bool, what: &str| {
        if !holds {
            defects.push(format!("{what}: {detail}"));
        }
    };
    let members = detail.as_object().unwrap();
    let missing = MEMBERS[..10].iter().any(|member| !members.contains_key(*member));
    expect(!missing, "a member is missing");
    expect(members.keys().all(|member| MEMBERS.contains(&member.as_str())), "an unknown member");
    expect(event.specversion == "1.0", "another version of CloudEvents");
    expect(
        received.source == event.source && received.detail_type == event.kind,
        "other source or type than in EventBridge",
    );
    expect(event.sequence > 0, "no version");
    expect(
        !event.subject.is_empty() && !event.correlationid.is_empty(),
        "no subject or correlation id",
    );
    let trace = event.traceparent.as_deref().unwrap_or_default();
    expect(trace.len() == 55 && trace.starts_with("00-"), "no trace");
    let text = detail.to_string();
    expect(text.len() <= 64 * 1024, "too large");
    expect(
        !PERSONAL.iter().any(|word| text.contains(word)) && !text.contains('@'),
        "personal data",
    );
    match schemas.get(&event.dataschema) {
        None => expect(false, "no such schema"),
        Some(schema) => {
            expect(
                event.dataschema.contains(&format!(":{}:", event.kind)),
                "another event's schema",
            );
            for error in schema.iter_errors(&event.data) {
                expect(false, &error.to_string());
            }
        }
    }
    defects
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_on_the_bus_conforms_to_its_schema() {
    let shop = Shop::open();
    let subscription = BusSubscription::on_everything(&shop.aws).await;
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Two of these", 100, 2)).await;
    let mut mine = BTreeSet::from([seller.id.clone(), buyer.id.clone(), product.clone()]);
    // The first order sells the product out until its payment fails, the second is rejected, the
    // third is confirmed.
    for draft in [
        OrderDraft::of(&[(&product, 2)]).paid_by(DECLINES),
        OrderDraft::of(&[(&product, 3)]),
        OrderDraft::of(&[(&product, 1)]),
    ] {
        let order = shop.place(&buyer, &draft).await;
        shop.wait_until_settled(&buyer, &order).await;
        rialto_e2e::invariants::SagaTables::wait_until_consistent(
            &shop.aws,
            &[&product],
            std::slice::from_ref(&order),
        )
        .await;
        mine.insert(order);
    }

    // The seller removes the last piece and adds it again.
    for (key, quantity) in [("away", -1), ("back", 1)] {
        let body = json!({ "quantity": quantity, "reason": key });
        let call =
            shop.post(format!("/products/{product}/stock/adjustments"), &body).token(&seller.token);
        call.header("idempotency-key", key).send().await.data(200);
    }

    let mut received: Vec<ReceivedEvent> = Vec::new();
    eventually("all events on the bus", async || {
        // Other tests publish at the same time, some of them events without a trace.
        let own = |ReceivedEvent { event, .. }: &ReceivedEvent| {
            mine.contains(&event.subject) || mine.contains(&event.correlationid)
        };
        received.extend(subscription.take_all().await.into_iter().filter(own));
        let published: BTreeSet<_> =
            received.iter().map(|received| received.event.kind.as_str()).collect();
        let missing: Vec<_> = PUBLISHED.iter().filter(|kind| !published.contains(**kind)).collect();
        let back = received.iter().filter(|received| {
            received.event.subject == product && received.event.kind == "StockReplenished"
        });
        // One from the declined order, one from the seller.
        if missing.is_empty() && back.count() == 2 {
            Ok(())
        } else {
            Err(format!("missing: {missing:?}"))
        }
    })
    .await;
    subscription.close().await;

    let schemas = schemas();
    let defects: Vec<String> =
        received.iter().flat_map(|received| defects(received, &schemas)).collect();
    assert!(
        defects.is_empty(),
        "{} defects in {} events:\n{}",
        defects.len(),
        received.len(),
        defects.join("\n")
    );
    let mut known: BTreeMap<_, &ReceivedEvent> = BTreeMap::new();
    for received in &received {
        let first = known.entry(received.event.id).or_insert(received);
        assert_eq!(*first, received, "two events have the same id");
    }
}
