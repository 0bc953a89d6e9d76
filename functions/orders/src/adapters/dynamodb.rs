//! The ports on the service's table.
//!
//! Items: `ORDER#<id>` holds `ORDER`, `PRODUCT#<id>` holds `PRODUCT`, and `BUYER#<id>` holds
//! `BUYER` once the buyer is unregistered. `BUYER#<id>` and `CLIENT#<digest>` hold
//! `COUNTER#PLACEMENTS` and `COUNTER#FAILED-PAYMENTS` of the current window. `ORDER#<id>` also
//! holds `SELLER#<seller>` for each seller but the first: entries of the indexes `by_seller` and
//! `by_open_seller` only; and `TIMELINE#<number>` for each part of its timeline that was moved out
//! of `ORDER`.
//!
//! Indexes: `by_buyer` lists a buyer's orders by time, `by_deadline` orders by their next deadline,
//! `by_number` the orders with an order number, `by_day` the orders of a day, `by_seller`
//! orders with lines of a seller by time, once they were confirmed, and `by_open_seller` those with
//! open lines. `DAYS` holds `DAY#<day>` for each day with orders.

mod lists;

use super::list_position;
use crate::{
    domain::{
        line::OrderLine,
        order::{Order, OrderState, OrderUpdate},
        placement_limit::{
            ClientDigest, Counted, CountedSubject, CounterIncrement, CounterKey,
            FAILED_PAYMENTS_WINDOW, counted_subjects,
        },
        product::Product,
        timeline::{ArchivedTimeline, TimelineEntry, TimelinePart},
    },
    ports::{
        FailedPaymentCounter, IdempotencyRecord, OpenLineReader, OrderPlacer, OrderReader,
        OrderWriter, PlacementCondition, PlacementContext, ProductReplica, TimelineReader,
        UnregisteredBuyers,
    },
};
use lists::order_key_of;
use rialto_contracts::orders::CancelReason;
use rialto_dynamo::{
    AttributeValue, CountOutcome, DayIndex, DueIndex, Key, OUTBOX, PartitionQuery, Precondition,
    RecordedDay, Table, outbox, read_counter, read_item, write_item,
};
use rialto_kernel::{
    Address, DueEntry, DueQueue, OrderId, ProductId, SellerId, StoreError, Timestamp, UserId, Write,
};
use rialto_lambda::FunctionContext;
use serde::Serialize;
use std::collections::HashSet;

/// The ports, implemented on the service's table.
#[derive(Debug, Clone)]
pub struct DynamoOrders {
    table: Table,
    recorded_day: RecordedDay,
}

/// Orders read at a time: as many as a BatchGetItem returns.
const READ_CHUNK: u32 = 100;

/// Orders by their next deadline, sharded because one partition would limit the write rate.
pub const DEADLINES: DueIndex = DueIndex { index: "by_deadline", prefix: "PENDING", shards: 8 };

/// All orders by day.
pub const ALL_ORDERS: DayIndex =
    DayIndex { index: "by_day", shards: 8, first_id: "ord_00000000000000000000000000" };

fn order_key(order: OrderId) -> Key {
    Key::new(format!("ORDER#{order}"), "ORDER")
}

fn timeline_key(order: OrderId, part: u32) -> Key {
    Key::new(format!("ORDER#{order}"), format!("TIMELINE#{part}"))
}

fn product_key(product: ProductId) -> Key {
    Key::new(format!("PRODUCT#{product}"), "PRODUCT")
}

fn buyer_key(buyer: UserId) -> Key {
    Key::new(format!("BUYER#{buyer}"), "BUYER")
}

fn counter_key(key: &CounterKey) -> Key {
    let partition = match &key.subject {
        CountedSubject::Buyer(buyer) => format!("BUYER#{buyer}"),
        CountedSubject::Client(client) => format!("CLIENT#{}", client.as_str()),
    };
    let counted = match key.counted {
        Counted::Placements => "PLACEMENTS",
        Counted::FailedPayments => "FAILED-PAYMENTS",
    };
    Key::new(partition, format!("COUNTER#{counted}"))
}

impl DynamoOrders {
    #[must_use]
    pub fn open(app: &FunctionContext) -> Self {
        Self::on(Table::open(&app.aws, &app.stage, crate::SERVICE))
    }

    #[must_use]
    pub fn on(table: Table) -> Self {
        Self { table, recorded_day: RecordedDay::default() }
    }
}

impl OrderPlacer for DynamoOrders {
    async fn load_placement_context(
        &self,
        order: OrderId,
        buyer: UserId,
        products: &[ProductId],
        counters: &[CounterKey],
    ) -> Result<PlacementContext, StoreError> {
        let (order, buyer) = (order_key(order), buyer_key(buyer));
        let mut keys = vec![order.clone(), buyer.clone()];
        keys.extend(products.iter().map(|product| product_key(*product)));
        keys.extend(counters.iter().map(counter_key));
        let mut items = self.table.batch_get(&keys).await?;
        let existing = items.remove(&order).map(read_item).transpose()?;
        let buyer_unregistered = items.remove(&buyer).is_some();
        let counters = counters
            .iter()
            .filter_map(|key| Some((key, items.remove(&counter_key(key))?)))
            .map(|(key, item)| Ok((key.clone(), read_counter(&item)?)))
            .collect::<Result<_, StoreError>>()?;
        let products = items
            .into_values()
            .map(|item| read_item::<Product>(item).map(|product| (product.product_id, product)))
            .collect::<Result<_, _>>()?;
        Ok(PlacementContext { existing, buyer_unregistered, products, counters })
    }

    async fn insert(
        &self,
        change: &OrderUpdate,
        record: &IdempotencyRecord,
        conditions: &[PlacementCondition],
    ) -> Result<Write, StoreError> {
        let order = &change.order;
        let key = order_key(order.order_id);
        let mut item = write_item(&key, order, &change.events)?;
        item.extend(write_item(&key, record, &[])?);
        item.extend(index_keys("by_buyer", format!("BUYER#{}", order.user_id), order));
        item.extend(index_keys("by_number", format!("NUMBER#{}", order.number()), order));
        item.extend(ALL_ORDERS.attributes(order.order_id, order.created_at));
        item.extend(DEADLINES.attributes(order.order_id, order.expires_at));
        self.recorded_day.record(&self.table, order.created_at).await?;
        if conditions.is_empty() {
            return self.table.put(item, Precondition::Absent).await.map(Write::unit);
        }
        let mut writes = vec![self.table.transact_put(item, Precondition::Absent)?];
        for condition in conditions {
            writes.push(match condition {
                PlacementCondition::Count(CounterIncrement { key, increment, now }) => {
                    self.table.transact_count(&counter_key(key), *increment, *now)?
                }
                PlacementCondition::RegisteredBuyer => {
                    self.table.transact_check(&buyer_key(order.user_id), Precondition::Absent)?
                }
            });
        }
        self.table.transact(writes).await.map(Write::unit)
    }
}

impl FailedPaymentCounter for DynamoOrders {
    async fn count_failed_payment(
        &self,
        buyer: UserId,
        client: Option<&ClientDigest>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for subject in counted_subjects(buyer, client) {
            let key = counter_key(&CounterKey { counted: Counted::FailedPayments, subject });
            match self.table.count(&key, u32::MAX, FAILED_PAYMENTS_WINDOW, now).await? {
                CountOutcome::Done | CountOutcome::LimitReached { .. } => {}
            }
        }
        Ok(())
    }
}

impl OrderReader for DynamoOrders {
    async fn order(&self, order: OrderId) -> Result<Option<Order>, StoreError> {
        self.table.get(&order_key(order)).await?.map(read_item).transpose()
    }
}

impl TimelineReader for DynamoOrders {
    /// The parts are known from the order, and never change.
    async fn archived_timeline(&self, order: &Order) -> Result<Vec<TimelinePart>, StoreError> {
        let numbers = 1..=order.archived.parts;
        let keys: Vec<Key> = numbers.map(|number| timeline_key(order.order_id, number)).collect();
        let mut items = self.table.batch_get(&keys).await?;
        let part = |key: &Key| {
            let missing = || StoreError::Corrupt(format!("no {} {}", key.pk, key.sk));
            read_item(items.remove(key).ok_or_else(missing)?)
        };
        keys.iter().map(part).collect()
    }
}

/// The attributes that an update of an order may change.
#[derive(Serialize)]
struct OrderPatch<'a> {
    state: OrderState,
    reason: Option<CancelReason>,
    lines: &'a [OrderLine],
    confirmed_at: Option<Timestamp>,
    timeline: &'a [TimelineEntry],
    #[serde(skip_serializing_if = "ArchivedTimeline::is_empty")]
    archived: &'a ArchivedTimeline,
    address: Option<&'a Address>,
    client: Option<&'a ClientDigest>,
    #[serde(rename = "buyer_gone")]
    buyer_unregistered: bool,
    version: u64,
}

/// An entry of `by_seller` and `by_open_seller`, for a seller other than the one that the order
/// item itself lists.
#[derive(Serialize)]
struct SellerIndexItem {
    version: u64,
}

impl OrderWriter for DynamoOrders {
    async fn save(&self, change: &OrderUpdate) -> Result<Write, StoreError> {
        let (order, parts) = change.order.archive_timeline();
        let order = order.as_ref();
        let key = order_key(order.order_id);
        let patch = OrderPatch {
            state: order.state,
            reason: order.reason,
            lines: &order.lines,
            confirmed_at: order.confirmed_at,
            timeline: &order.timeline,
            archived: &order.archived,
            address: order.address.as_ref(),
            client: order.client.as_ref(),
            buyer_unregistered: order.buyer_unregistered,
            version: order.version,
        };
        let mut set = write_item(&key, &patch, &[])?;
        if order.address.is_none() {
            set.extend(write_item(&key, &IdempotencyRecord::empty(), &[])?);
        }
        set.retain(|name, _| name != "pk" && name != "sk");
        let mut remove = Vec::new();
        if change.events.is_empty() {
            remove.push(OUTBOX);
        } else {
            set.insert(OUTBOX.to_owned(), outbox(&change.events)?);
        }
        match order.deadline() {
            Some(deadline) => set.extend(DEADLINES.attributes(order.order_id, deadline)),
            None => remove.extend(["by_deadline_pk", "by_deadline_sk"]),
        }
        let mut sellers = order.sellers_with_open_lines().into_iter();
        match sellers.next() {
            Some(first) => set.extend(open_seller_attributes(order, first)),
            None => remove.extend(["by_open_seller_pk", "by_open_seller_sk"]),
        }
        if order.was_confirmed() {
            let first = order.first_seller();
            set.extend(first.into_iter().flat_map(|first| seller_attributes(order, first)));
        }
        let expect = Precondition::Version(order.version - 1);
        let mut further = Vec::new();
        for part in &parts {
            let item = write_item(&timeline_key(order.order_id, part.number), part, &[])?;
            further.push(self.table.transact_put(item, Precondition::Absent)?);
        }
        for seller in sellers {
            let key = Key::new(format!("ORDER#{}", order.order_id), format!("SELLER#{seller}"));
            let mut index_item =
                write_item(&key, &SellerIndexItem { version: order.version }, &[])?;
            index_item.extend(open_seller_attributes(order, seller));
            // All lines are open when the order is confirmed, so each further seller gets an item.
            index_item.extend(seller_attributes(order, seller));
            further.push(self.table.transact_put(index_item, Precondition::Older(order.version))?);
        }
        if further.is_empty() {
            return self.table.update(&key, set, &remove, expect).await;
        }
        let mut writes = vec![self.table.transact_update(&key, set, &remove, expect)?];
        writes.append(&mut further);
        self.table.transact(writes).await.map(Write::unit)
    }
}

/// The key of an order in a partition of an index that lists orders by time.
fn index_keys(index: &str, partition: String, order: &Order) -> [(String, AttributeValue); 2] {
    [("pk", partition), ("sk", list_position(order))]
        .map(|(part, text)| (format!("{index}_{part}"), AttributeValue::S(text)))
}

/// The key in `by_open_seller` of an order with open lines of this seller.
fn open_seller_attributes(order: &Order, seller: SellerId) -> [(String, AttributeValue); 2] {
    index_keys("by_open_seller", format!("SELLER#{seller}"), order)
}

/// The key in `by_seller` of an order with lines of this seller.
fn seller_attributes(order: &Order, seller: SellerId) -> [(String, AttributeValue); 2] {
    index_keys("by_seller", format!("SELLER#{seller}"), order)
}

impl OpenLineReader for DynamoOrders {
    /// The index lists candidates; the orders themselves decide, read consistently.
    async fn has_open_lines(&self, seller: SellerId) -> Result<bool, StoreError> {
        let mut query = PartitionQuery::index("by_open_seller", format!("SELLER#{seller}"));
        loop {
            let (keys, next) = self.table.query(&query, READ_CHUNK).await?;
            // An order and an outdated index item of it may both be listed, and a batch must not
            // repeat a key.
            let orders = keys.iter().map(order_key_of).collect::<Result<HashSet<_>, _>>()?;
            let orders = self.table.batch_get(&Vec::from_iter(orders)).await?;
            for item in orders.into_values() {
                if read_item::<Order>(item)?.sellers_with_open_lines().contains(&seller) {
                    return Ok(true);
                }
            }
            if next.is_none() {
                return Ok(false);
            }
            query = query.after(next.as_deref());
        }
    }
}

impl DueQueue for DynamoOrders {
    type Id = OrderId;
    const SHARDS: u8 = DEADLINES.shards;

    async fn due(
        &self,
        shard: u8,
        now: Timestamp,
        after: Option<&DueEntry<OrderId>>,
        limit: usize,
    ) -> Result<Vec<DueEntry<OrderId>>, StoreError> {
        self.table.due(&DEADLINES, shard, now, after, limit).await
    }

    async fn postpone(
        &self,
        entry: &DueEntry<OrderId>,
        until: Timestamp,
    ) -> Result<Write, StoreError> {
        self.table.postpone(&DEADLINES, &order_key(entry.id), entry, until).await
    }
}

/// The mark of an unregistered buyer.
#[derive(Serialize)]
struct UnregisteredBuyerItem {
    user_id: UserId,
}

impl UnregisteredBuyers for DynamoOrders {
    async fn mark_unregistered(&self, buyer: UserId) -> Result<Write, StoreError> {
        let item = write_item(&buyer_key(buyer), &UnregisteredBuyerItem { user_id: buyer }, &[])?;
        self.table.put(item, Precondition::Absent).await.map(Write::unit)
    }
}

impl ProductReplica for DynamoOrders {
    async fn upsert_if_newer(&self, product: &Product) -> Result<Write, StoreError> {
        let item = write_item(&product_key(product.product_id), product, &[])?;
        self.table.put(item, Precondition::Older(product.version)).await.map(Write::unit)
    }
}
