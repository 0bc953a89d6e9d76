//! Lists of orders: by buyer, by seller, by number, and of all orders.

use super::{DynamoOrders, READ_CHUNK, index_keys};
use crate::{
    adapters::{LISTED_DAYS, check_list_position, end_of_day, list_position},
    domain::order::{Order, OrderState},
    ports::{AllOrdersLister, OrderLister, OrderPage, SellerOrderLister},
};
use futures_util::future::try_join_all;
use rialto_contracts::orders::OrderLineState;
use rialto_dynamo::{
    AttributeValue, Item, Key, PartitionQuery, Precondition, Table, item_key, read_item,
};
use rialto_kernel::{OrderNumber, SellerId, StoreError, UserId, Write, digest};
use std::sync::PoisonError;

/// Orders read at most for one page that is filtered by state.
const READ_LIMIT: u32 = 1_000;

/// The number of index partitions over which a day's orders are spread.
const SHARDS: u8 = 8;

/// The number of entries that are read of each of these partitions beyond its even share of a page.
/// Most pages are complete then.
const SHARE_MARGIN: u32 = 6;

/// The partition with the days on which orders were placed.
const DAYS: &str = "DAYS";

fn day_key(day: &str) -> Key {
    Key::new(DAYS, format!("DAY#{day}"))
}

fn day_partition(day: &str, shard: u8) -> String {
    format!("{day}#{shard}")
}

/// The attributes by which `by_day` lists an order.
pub(super) fn day_index_keys(order: &Order) -> [(String, AttributeValue); 2] {
    let shard = digest::sha256(&[order.order_id.to_string().as_bytes()])[0] % SHARDS;
    index_keys("by_day", day_partition(&order.created_at.day(), shard), order)
}

/// The entries of a list, newest first.
enum EntryList<'a> {
    /// A partition of an index.
    Index(PartitionQuery<'a>),
    /// The partitions of these days in `by_day`, and whether there are earlier days.
    Days { days: Vec<String>, has_more: bool },
}

/// Keys of orders, and the position after which there may be more.
type EntryPage = (Vec<Key>, Option<String>);

impl EntryList<'_> {
    /// Up to `limit` entries after a position, or none if the next ones aren't listed here.
    async fn read(
        &self,
        table: &Table,
        position: Option<&str>,
        limit: u32,
    ) -> Result<EntryPage, StoreError> {
        match self {
            Self::Index(query) => {
                let (entries, next) =
                    table.query(&query.clone().descending().after(position), limit).await?;
                Ok((entries.iter().map(order_key_of).collect::<Result<_, _>>()?, next))
            }
            Self::Days { days, has_more } => {
                entries_of_days(table, days, *has_more, position, limit).await
            }
        }
    }
}

/// Up to `limit` entries of these days, newest first.
async fn entries_of_days(
    table: &Table,
    days: &[String],
    has_more: bool,
    position: Option<&str>,
    limit: u32,
) -> Result<EntryPage, StoreError> {
    let mut keys = Vec::new();
    let mut missing = limit;
    for (at, day) in days.iter().enumerate() {
        let end = end_of_day(day);
        if position.is_some_and(|position| position <= end.as_str()) {
            continue;
        }
        let (found, next) = entries_of_day(table, day, position, missing).await?;
        missing = missing.saturating_sub(u32::try_from(found.len()).unwrap_or(missing));
        keys.extend(found);
        if next.is_some() || missing == 0 {
            let is_last = at + 1 == days.len() && !has_more;
            return Ok((keys, next.or_else(|| (!is_last).then_some(end))));
        }
    }
    Ok((keys, days.last().filter(|_| has_more).map(|day| end_of_day(day))))
}

/// Up to `limit` entries of a day, newest first.
async fn entries_of_day(
    table: &Table,
    day: &str,
    position: Option<&str>,
    limit: u32,
) -> Result<EntryPage, StoreError> {
    let share = limit.min(limit / u32::from(SHARDS) + SHARE_MARGIN);
    let shards = (0..SHARDS).map(|shard| async move {
        let query = PartitionQuery::index("by_day", day_partition(day, shard));
        table.query(&query.after(position).descending(), share).await
    });
    let shards = try_join_all(shards).await?;
    // Older entries of a partition with more entries are unknown: the page ends with the newest of
    // these partitions' last entries.
    let known_to = shards.iter().filter_map(|(_, next)| next.clone()).max();
    let mut entries = Vec::new();
    for entry in shards.iter().flat_map(|(entries, _)| entries) {
        let position = entry.get("by_day_sk").and_then(|position| position.as_s().ok());
        let position = position.ok_or_else(|| StoreError::Corrupt("no by_day_sk".to_owned()))?;
        if known_to.as_ref().is_none_or(|known_to| position >= known_to) {
            entries.push((position.clone(), order_key_of(entry)?));
        }
    }
    entries.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
    let is_cut = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let last = entries.last().map(|(position, _)| position.clone());
    let next = if is_cut { last } else { known_to };
    Ok((entries.into_iter().map(|(_, key)| key).collect(), next))
}

/// The key of the order that an item of its partition belongs to.
pub(super) fn order_key_of(item: &Item) -> Result<Key, StoreError> {
    Ok(Key::new(item_key(item)?.pk, "ORDER"))
}

impl DynamoOrders {
    /// Records the day before its first order is placed, so that no order is unlisted.
    pub(super) async fn record_day(&self, order: &Order) -> Result<(), StoreError> {
        let day = order.created_at.day();
        if *self.recorded_day.lock().unwrap_or_else(PoisonError::into_inner) == Some(day.clone()) {
            return Ok(());
        }
        match self.table.put(day_key(&day).item(), Precondition::Absent).await? {
            Write::Done | Write::Conflict(_) => {}
        }
        *self.recorded_day.lock().unwrap_or_else(PoisonError::into_inner) = Some(day);
        Ok(())
    }

    /// The newest days on which orders were placed, from the day of a position on.
    async fn days(&self, position: Option<&str>) -> Result<EntryList<'static>, StoreError> {
        // A position's day is read again. It sorts before the day followed by `~`.
        let before = position
            .and_then(|position| position.split_once('T'))
            .map(|(day, _)| format!("{}~", day_key(day).sk));
        let query = PartitionQuery::table(DAYS).consistent().after(before.as_deref()).descending();
        let (items, next) = self.table.query(&query, LISTED_DAYS).await?;
        let days = items.iter().map(|item| {
            let key = item_key(item)?;
            let day = key.sk.strip_prefix("DAY#").map(str::to_owned);
            day.ok_or_else(|| StoreError::Corrupt(format!("{} isn't a day", key.sk)))
        });
        Ok(EntryList::Days { days: days.collect::<Result<_, _>>()?, has_more: next.is_some() })
    }

    /// A page of the orders of a list that match. Chunks of the list are read until the page is
    /// full or [`READ_LIMIT`] orders were read.
    async fn page(
        &self,
        list: &EntryList<'_>,
        matches: impl Fn(&Order) -> bool + Send,
        limit: u32,
        position: Option<&str>,
    ) -> Result<OrderPage, StoreError> {
        let mut position = position.map(str::to_owned);
        let mut found: Vec<Order> = Vec::new();
        let mut left = READ_LIMIT;
        // Enough for a page if every order matches. Chunks of what is missing instead would end
        // with one order in each.
        let mut chunk = limit;
        loop {
            let (keys, next) = list.read(&self.table, position.as_deref(), chunk).await?;
            for order in self.load_orders(&keys).await? {
                if !matches(&order) {
                    continue;
                }
                if found.len() == limit as usize {
                    let position = found.last().map(list_position);
                    return Ok((found, position));
                }
                found.push(order);
            }
            left = left.saturating_sub(u32::try_from(keys.len()).unwrap_or(left));
            let is_full = left == 0 || found.len() == limit as usize;
            if is_full || next.is_none() || keys.is_empty() {
                return Ok((found, next));
            }
            position = next;
            chunk = READ_CHUNK.min(left);
        }
    }

    /// Loads the orders with these keys, in that order.
    async fn load_orders(&self, keys: &[Key]) -> Result<Vec<Order>, StoreError> {
        let mut items = self.table.batch_get(keys).await?;
        keys.iter().filter_map(|key| items.remove(key)).map(read_item).collect()
    }
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
        let list = EntryList::Index(PartitionQuery::index("by_buyer", format!("BUYER#{user}")));
        self.page(&list, |order| order.is_in(state), limit, position).await
    }
}

impl AllOrdersLister for DynamoOrders {
    async fn list_all(
        &self,
        state: Option<OrderState>,
        limit: u32,
        position: Option<&str>,
    ) -> Result<OrderPage, StoreError> {
        check_list_position(position)?;
        let list = self.days(position).await?;
        self.page(&list, |order| order.is_in(state), limit, position).await
    }

    async fn list_by_number(
        &self,
        number: &OrderNumber,
        state: Option<OrderState>,
        limit: u32,
        position: Option<&str>,
    ) -> Result<OrderPage, StoreError> {
        check_list_position(position)?;
        let list = EntryList::Index(PartitionQuery::index("by_number", format!("NUMBER#{number}")));
        self.page(&list, |order| order.is_in(state), limit, position).await
    }
}

impl SellerOrderLister for DynamoOrders {
    async fn list_by_seller(
        &self,
        seller: SellerId,
        state: Option<OrderLineState>,
        limit: u32,
        position: Option<&str>,
    ) -> Result<OrderPage, StoreError> {
        check_list_position(position)?;
        let list = EntryList::Index(PartitionQuery::index("by_seller", format!("SELLER#{seller}")));
        self.page(&list, |order| order.has_line_of(seller, state), limit, position).await
    }
}
