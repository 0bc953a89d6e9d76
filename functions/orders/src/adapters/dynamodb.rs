//! The ports on the service's table.
//!
//! Items: `ORDER#<id>` holds `ORDER`, `PRODUCT#<id>` holds `PRODUCT`, and `BUYER#<id>` holds
//! `BUYER` once the buyer is unregistered. `BUYER#<id>` and `CLIENT#<digest>` hold
//! `COUNTER#PLACEMENTS` and `COUNTER#FAILED-PAYMENTS` of the current window. `ORDER#<id>` also holds `SELLER#<seller>` for each
//! seller with open lines but the first: entries of the index `by_open_seller` only.
//!
//! Indexes: `by_buyer` lists a buyer's orders by time, `by_deadline` PENDING orders by deadline,
//! and `by_open_seller` orders with open lines of a seller by time.

use super::{check_list_position, list_position};
use crate::{
    domain::{
        order::{Order, OrderLine, OrderState, OrderUpdate},
        placement_limit::{
            ClientDigest, Counted, CountedSubject, CounterIncrement, CounterKey,
            FAILED_PAYMENTS_WINDOW, counted_subjects,
        },
        product::Product,
        timeline::TimelineEntry,
    },
    ports::{
        FailedPaymentCounter, IdempotencyRecord, OpenLineReader, OrderLister, OrderPage,
        OrderPlacer, OrderReader, OrderWriter, PlacementContext, ProductReplica,
        UnregisteredBuyers,
    },
};
use rialto_contracts::orders::CancelReason;
use rialto_dynamo::{
    AttributeValue, CountOutcome, DueIndex, Item, Key, OUTBOX, PartitionQuery, Precondition, Table,
    item_key, outbox, read_counter, read_item, write_item,
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
}

/// Orders read at most for one page that is filtered by state.
const READ_LIMIT: u32 = 1_000;

/// Orders read at a time: as many as a BatchGetItem returns.
const READ_CHUNK: u32 = 100;

/// PENDING orders by deadline, sharded because one partition would limit the write rate.
pub const DEADLINES: DueIndex = DueIndex { index: "by_deadline", prefix: "PENDING", shards: 8 };

fn order_key(order: OrderId) -> Key {
    Key::new(format!("ORDER#{order}"), "ORDER")
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
    pub const fn on(table: Table) -> Self {
        Self { table }
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
        counts: &[CounterIncrement],
    ) -> Result<Write, StoreError> {
        let order = &change.order;
        let key = order_key(order.order_id);
        let mut item = write_item(&key, order, &change.events)?;
        item.extend(write_item(&key, record, &[])?);
        item.insert(
            "by_buyer_pk".to_owned(),
            AttributeValue::S(format!("BUYER#{}", order.user_id)),
        );
        item.insert("by_buyer_sk".to_owned(), AttributeValue::S(list_position(order)));
        item.extend(DEADLINES.attributes(order.order_id, order.expires_at));
        if counts.is_empty() {
            return self.table.put(item, Precondition::Absent).await.map(Write::unit);
        }
        let mut writes = vec![self.table.transact_put(item, Precondition::Absent)?];
        for CounterIncrement { key, increment, now } in counts {
            writes.push(self.table.transact_count(&counter_key(key), *increment, *now)?);
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

/// The attributes that an update of an order may change.
#[derive(Serialize)]
struct OrderPatch<'a> {
    state: OrderState,
    reason: Option<CancelReason>,
    lines: &'a [OrderLine],
    timeline: &'a [TimelineEntry],
    address: Option<&'a Address>,
    client: Option<&'a ClientDigest>,
    #[serde(rename = "buyer_gone")]
    buyer_unregistered: bool,
    version: u64,
}

/// An entry of `by_open_seller`, for a seller other than the one that the order item itself lists.
#[derive(Serialize)]
struct SellerIndexItem {
    version: u64,
}

impl OrderWriter for DynamoOrders {
    async fn save(&self, change: &OrderUpdate) -> Result<Write, StoreError> {
        let order = &change.order;
        let key = order_key(order.order_id);
        let patch = OrderPatch {
            state: order.state,
            reason: order.reason,
            lines: &order.lines,
            timeline: &order.timeline,
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
        if order.state != OrderState::Pending {
            remove.extend(["by_deadline_pk", "by_deadline_sk"]);
        }
        let mut sellers = order.sellers_with_open_lines().into_iter();
        match sellers.next() {
            Some(first) => set.extend(open_seller_attributes(order, first)),
            None => remove.extend(["by_open_seller_pk", "by_open_seller_sk"]),
        }
        let expect = Precondition::Version(order.version - 1);
        let mut index_items = Vec::new();
        for seller in sellers {
            let key = Key::new(format!("ORDER#{}", order.order_id), format!("SELLER#{seller}"));
            let mut index_item =
                write_item(&key, &SellerIndexItem { version: order.version }, &[])?;
            index_item.extend(open_seller_attributes(order, seller));
            index_items
                .push(self.table.transact_put(index_item, Precondition::Older(order.version))?);
        }
        if index_items.is_empty() {
            return self.table.update(&key, set, &remove, expect).await;
        }
        let mut writes = vec![self.table.transact_update(&key, set, &remove, expect)?];
        writes.append(&mut index_items);
        self.table.transact(writes).await.map(Write::unit)
    }
}

/// The key in `by_open_seller` of an order with open lines of this seller.
fn open_seller_attributes(order: &Order, seller: SellerId) -> [(String, AttributeValue); 2] {
    [
        ("by_open_seller_pk".to_owned(), AttributeValue::S(format!("SELLER#{seller}"))),
        ("by_open_seller_sk".to_owned(), AttributeValue::S(list_position(order))),
    ]
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

/// The key of the order that an item of its partition belongs to.
fn order_key_of(item: &Item) -> Result<Key, StoreError> {
    Ok(Key::new(item_key(item)?.pk, "ORDER"))
}

impl OrderLister for DynamoOrders {
    async fn list_by_buyer(
        &self,
        user: UserId,
        state: Option<OrderState>,
        limit: u32,
        position: Option<&str>,
    ) -> Result<OrderPage, StoreError> {
        check_list_position(position)?;
        let mut query =
            PartitionQuery::index("by_buyer", format!("BUYER#{user}")).descending().after(position);
        let mut found: Vec<Order> = Vec::new();
        let mut left = READ_LIMIT;
        // Enough for a page if every order matches. Chunks of what is missing instead would end
        // with one order in each.
        let mut chunk = limit;
        loop {
            let (entries, next) = self.table.query(&query, chunk).await?;
            for order in self.load_orders(&entries).await? {
                if state.is_some_and(|state| state != order.state) {
                    continue;
                }
                if found.len() == limit as usize {
                    let position = found.last().map(list_position);
                    return Ok((found, position));
                }
                found.push(order);
            }
            left = left.saturating_sub(chunk);
            if next.is_none() || left == 0 || found.len() == limit as usize {
                return Ok((found, next));
            }
            query = query.after(next.as_deref());
            chunk = READ_CHUNK.min(left);
        }
    }
}

impl DynamoOrders {
    /// Loads the orders that index entries refer to, in that order.
    async fn load_orders(&self, entries: &[Item]) -> Result<Vec<Order>, StoreError> {
        let keys = entries.iter().map(item_key).collect::<Result<Vec<_>, _>>()?;
        let mut items = self.table.batch_get(&keys).await?;
        keys.iter().filter_map(|key| items.remove(key)).map(read_item).collect()
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
