//! The ports on the service's table.
//!
//! Items: `ORDER#<id>` holds `ORDER`, `PRODUCT#<id>` holds `PRODUCT`, and `BUYER#<id>` holds
//! `BUYER` once the buyer is unregistered. `ORDER#<id>` also holds `SELLER#<seller>` for each
//! seller with open lines but the first: entries of the index `by_open_seller` only.
//!
//! Indexes: `by_buyer` lists a buyer's orders by time, `by_deadline` PENDING orders by deadline,
//! and `by_open_seller` orders with open lines of a seller by time.

use crate::{
    domain::{
        order::{Order, OrderLine, OrderState, OrderUpdate},
        product::Product,
        timeline::TimelineEntry,
    },
    ports::{
        ExpiredOrders, IdempotencyRecord, OpenLineReader, OrderLister, OrderPage, OrderPlacer,
        OrderReader, OrderWriter, PlacementContext, ProductReplica, UnregisteredBuyers,
    },
};
use rialto_contracts::orders::CancelReason;
use rialto_dynamo::{
    AttributeValue, DueIndex, Item, Key, OUTBOX, PageToken, PartitionQuery, Precondition, Table,
    item_key, outbox, read_item, write_item,
};
use rialto_kernel::{Address, OrderId, ProductId, SellerId, StoreError, Timestamp, UserId, Write};
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
    ) -> Result<PlacementContext, StoreError> {
        let (order, buyer) = (order_key(order), buyer_key(buyer));
        let mut keys = vec![order.clone(), buyer.clone()];
        keys.extend(products.iter().map(|product| product_key(*product)));
        let mut items = self.table.batch_get(&keys).await?;
        let existing = items.remove(&order).map(read_item).transpose()?;
        let buyer_unregistered = items.remove(&buyer).is_some();
        let products = items
            .into_values()
            .map(|item| read_item::<Product>(item).map(|product| (product.product_id, product)))
            .collect::<Result<_, _>>()?;
        Ok(PlacementContext { existing, buyer_unregistered, products })
    }

    async fn insert(
        &self,
        change: &OrderUpdate,
        record: &IdempotencyRecord,
    ) -> Result<Write, StoreError> {
        let order = &change.order;
        let key = order_key(order.order_id);
        let mut item = write_item(&key, order, &change.events)?;
        item.extend(write_item(&key, record, &[])?);
        let by_time = format!("{}#{}", order.created_at, order.order_id);
        item.insert(
            "by_buyer_pk".to_owned(),
            AttributeValue::S(format!("BUYER#{}", order.user_id)),
        );
        item.insert("by_buyer_sk".to_owned(), AttributeValue::S(by_time));
        item.extend(DEADLINES.attributes(order.order_id, order.expires_at));
        self.table.put(item, Precondition::Absent).await.map(Write::unit)
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
    let by_time = format!("{}#{}", order.created_at, order.order_id);
    [
        ("by_open_seller_pk".to_owned(), AttributeValue::S(format!("SELLER#{seller}"))),
        ("by_open_seller_sk".to_owned(), AttributeValue::S(by_time)),
    ]
}

impl OpenLineReader for DynamoOrders {
    /// The index lists candidates; the orders themselves decide, read consistently.
    async fn has_open_lines(&self, seller: SellerId) -> Result<bool, StoreError> {
        let query = PartitionQuery::index("by_open_seller", format!("SELLER#{seller}"));
        let mut position = None;
        loop {
            let (keys, next) = self.table.query(&query, 100, position.as_deref()).await?;
            // An order and an outdated index item of it may both be listed, and a batch must not
            // repeat a key.
            let orders = keys.iter().map(order_key_of).collect::<Result<HashSet<_>, _>>()?;
            let orders = self.table.batch_get(&Vec::from_iter(orders)).await?;
            for item in orders.into_values() {
                if read_item::<Order>(item)?.sellers_with_open_lines().contains(&seller) {
                    return Ok(true);
                }
            }
            position = next.as_ref().map(PageToken::as_str).map(str::to_owned);
            if position.is_none() {
                return Ok(false);
            }
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
        let query = PartitionQuery::index("by_buyer", format!("BUYER#{user}")).descending();
        let mut found = Vec::new();
        let mut position = position.map(str::to_owned);
        let mut read = 0;
        loop {
            let missing = limit - u32::try_from(found.len()).unwrap_or(limit);
            let (keys, next) = self.table.query(&query, missing, position.as_deref()).await?;
            read += missing;
            found.extend(self.load_orders(keys, state).await?);
            position = next.as_ref().map(PageToken::as_str).map(str::to_owned);
            let full = found.len() >= limit as usize || read >= READ_LIMIT;
            if full || position.is_none() {
                return Ok((found, position));
            }
        }
    }
}

impl DynamoOrders {
    /// Loads the orders that index entries refer to, in that order, optionally only those in
    /// `state`.
    async fn load_orders(
        &self,
        keys: Vec<Item>,
        state: Option<OrderState>,
    ) -> Result<Vec<Order>, StoreError> {
        let keys = keys.iter().map(item_key).collect::<Result<Vec<_>, _>>()?;
        let mut items = self.table.batch_get(&keys).await?;
        let mut orders = Vec::new();
        for item in keys.iter().filter_map(|key| items.remove(key)) {
            let order: Order = read_item(item)?;
            if state.is_none_or(|state| state == order.state) {
                orders.push(order);
            }
        }
        Ok(orders)
    }
}

impl ExpiredOrders for DynamoOrders {
    async fn due_before(&self, now: Timestamp, limit: usize) -> Result<Vec<OrderId>, StoreError> {
        self.table.due(&DEADLINES, now, limit).await
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
