//! The payment provider behind the shop: the simulator's table, and the webhooks it sends.

use crate::{
    aws::Aws,
    http::{HttpRequest, HttpResponse},
    shop::Shop,
    tables::table,
};
use aws_sdk_dynamodb::types::AttributeValue;
use rialto_aws::SecretStore;
use rialto_dynamo::{Key, Precondition, Table, read_item, write_item};
use rialto_kernel::{
    Clock, SystemClock, Timestamp, Write, digest, settings::WEBHOOK_SECRET, signature,
};
use rialto_platform::{
    SIMULATOR,
    domain::{
        idempotency::{IdempotencyRecord, RETENTION, StoredResponse},
        intent::{PaymentIntent, PaymentIntentState},
    },
};
use serde_json::{Value, json};

/// A payment method whose charge stays undecided until [`Simulator::settle`].
pub const STUCK: &str = "pm_sim_stuck";

/// The simulator's table, read and changed directly.
#[derive(Debug, Clone)]
pub struct Simulator {
    table: Table,
}

impl Simulator {
    pub fn open(aws: &Aws) -> Self {
        Self { table: table(aws, SIMULATOR) }
    }

    /// All intents that were created for an order.
    pub async fn intents(&self, order: &str) -> Vec<PaymentIntent> {
        let scan = self.table.client.scan().table_name(&self.table.name).consistent_read(true);
        let scan = scan.filter_expression("metadata.order_id = :order");
        let scan = scan.expression_attribute_values(":order", AttributeValue::S(order.to_owned()));
        let items: Vec<_> = scan
            .into_paginator()
            .items()
            .send()
            .collect::<Result<_, _>>()
            .await
            .expect("the table responds");
        items.into_iter().map(|item| read_item(item).expect("an intent")).collect()
    }

    /// The captured and refunded amounts of each of an order's charges.
    pub async fn charges(&self, order: &str) -> Vec<(u64, u64)> {
        let intents = self.intents(order).await;
        let paid = intents.iter().filter(|intent| intent.state == PaymentIntentState::Succeeded);
        paid.map(|intent| (intent.amount, intent.refunded())).collect()
    }

    /// Makes an order's only charge succeed, whatever its state.
    ///
    /// # Panics
    /// Unless the order has exactly one intent.
    pub async fn settle(&self, order: &str) -> PaymentIntent {
        loop {
            let intents = self.intents(order).await;
            let [intent] = &intents[..] else { panic!("{order} has {} intents", intents.len()) };
            let settled = PaymentIntent { state: PaymentIntentState::Processing, ..intent.clone() }
                .settle()
                .expect("the charge can be settled");
            let key = Key::new(format!("INTENT#{}", settled.id), "INTENT");
            let item = write_item(&key, &settled, &[]).expect("an item");
            let put = self.table.put(item, Precondition::Version(intent.version)).await;
            if put.expect("the table responds") == Write::Done {
                return settled;
            }
        }
    }

    /// Stores a 500 as the response to this request under this idempotency key, as if it had just
    /// been sent.
    pub async fn fail(&self, key: &str, path: &str, form: &str) {
        let body = json!({"error": {"type": "api_error", "message": "stored"}}).to_string();
        self.store(&IdempotencyRecord {
            key: hash(key),
            request_hash: digest::hex(&digest::sha256(&[path.as_bytes(), form.as_bytes()])),
            response: StoredResponse { status: 500, body },
            saved_at: SystemClock.now(),
            version: 1,
        })
        .await;
    }

    /// Makes an idempotency key old enough to have expired.
    ///
    /// # Panics
    /// If the key was never used.
    pub async fn age(&self, key: &str) {
        let record = self.table.get(&response_key(&hash(key))).await.expect("the table responds");
        let record: IdempotencyRecord =
            read_item(record.expect("the key was used")).expect("a stored response");
        let day = i64::try_from(RETENTION.as_millis()).unwrap();
        let saved_at = Timestamp::from_millis(record.saved_at.millis() - day);
        self.store(&IdempotencyRecord { saved_at, ..record }).await;
    }

    async fn store(&self, record: &IdempotencyRecord) {
        let item = write_item(&response_key(&record.key), record, &[]).expect("an item");
        let put = self.table.client.put_item().table_name(&self.table.name).set_item(Some(item));
        put.send().await.expect("the table responds");
    }
}

fn hash(key: &str) -> String {
    digest::hex(&digest::sha256(&[key.as_bytes()]))
}

fn response_key(hash: &str) -> Key {
    Key::new(format!("KEY#{hash}"), "ANSWER")
}

/// Signs webhooks with the stage's secret.
#[derive(Debug, Clone)]
pub struct Signer {
    secret: String,
}

impl Signer {
    pub async fn of(aws: &Aws) -> Self {
        let name = aws.stage.secret(WEBHOOK_SECRET.name);
        let secret = SecretStore::new(&aws.config).get(&name).await;
        let secret = secret.expect("Secrets Manager responds");
        Self { secret: secret.expect("scripts/up sets the secret") }
    }

    /// The signature header of a body that is sent at this time.
    pub fn sign(&self, body: &str, at: Timestamp) -> String {
        signature::sign(&self.secret, body.as_bytes(), at)
    }

    /// A webhook request with this body, signed now.
    pub fn signed_webhook(&self, shop: &Shop, body: &str) -> HttpRequest {
        webhook(shop, body).header(signature::HEADER, self.sign(body, SystemClock.now()))
    }

    /// Sends the webhook for a charge that succeeded.
    pub async fn send_success(&self, shop: &Shop, intent: &PaymentIntent) -> HttpResponse {
        self.signed_webhook(shop, &event("payment_intent.succeeded", intent).to_string())
            .send()
            .await
    }
}

/// An unsigned webhook request.
pub fn webhook(shop: &Shop, body: &str) -> HttpRequest {
    shop.http.request("POST", "/webhooks/payments").body("application/json; charset=utf-8", body)
}

/// A provider event about an intent.
pub fn event(kind: &str, intent: &PaymentIntent) -> Value {
    let object = json!({"id": intent.id, "object": "payment_intent", "metadata": intent.metadata});
    json!({"id": "evt_e2e", "object": "event", "type": kind, "data": {"object": object}})
}
