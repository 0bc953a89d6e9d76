//! The ports on the service's table.
//!
//! Items: `DELIVERY#<id>` holds `DELIVERY`, which is an expected delivery (with the attribute
//! `early`) until the order's confirmation arrives; `PARCEL#<id>` holds `PARCEL`.
//!
//! Indexes: `by_buyer` lists what is under way for a buyer by time, `by_seller` a seller's
//! deliveries by time, and `by_deadline` those that the sweep takes further by deadline.

use super::{check_list_position, list_position};
use crate::{
    domain::{
        delivery::{DeliveryRecord, DeliveryUpdate, DeliveryWrite, LineDelivery},
        parcel::Parcel,
    },
    ports::{DeliveryLister, DeliveryPage, DeliveryReader, DeliveryWriter},
};
use rialto_dynamo::{
    AttributeValue, DueIndex, Item, Key, PartitionQuery, Precondition, Table, item_key, number,
    read_item, write_item,
};
use rialto_kernel::{
    DeliveryId, DueEntry, DueQueue, ParcelId, SellerId, StoreError, Timestamp, UserId, Write,
};
use rialto_lambda::FunctionContext;
use std::collections::BTreeMap;

/// The ports, implemented on the service's table.
#[derive(Debug, Clone)]
pub struct DynamoDelivery {
    table: Table,
}

/// Deliveries by deadline, sharded because one partition would limit the write rate.
pub const DEADLINES: DueIndex = DueIndex { index: "by_deadline", prefix: "DUE", shards: 8 };

/// An attribute that only expected deliveries have.
const EARLY: &str = "early";

fn delivery_key(delivery: DeliveryId) -> Key {
    Key::new(format!("DELIVERY#{delivery}"), "DELIVERY")
}

fn parcel_key(parcel: ParcelId) -> Key {
    Key::new(format!("PARCEL#{parcel}"), "PARCEL")
}

impl DynamoDelivery {
    #[must_use]
    pub fn open(app: &FunctionContext) -> Self {
        Self::on(Table::open(&app.aws, &app.stage, crate::SERVICE))
    }

    #[must_use]
    pub const fn on(table: Table) -> Self {
        Self { table }
    }
}

fn read_record(item: Item) -> Result<DeliveryRecord, StoreError> {
    if item.contains_key(EARLY) {
        read_item(item).map(DeliveryRecord::Expected)
    } else {
        read_item(item).map(DeliveryRecord::Prepared)
    }
}

fn delivery_item(write: &DeliveryWrite) -> Result<Item, StoreError> {
    let key = delivery_key(write.record.delivery_id());
    match &write.record {
        DeliveryRecord::Expected(expected) => {
            let mut item = write_item(&key, expected, &write.events)?;
            if let Some(expires_at) = expected.expires_at() {
                item.insert("ttl".to_owned(), number(expires_at.seconds()));
            }
            Ok(item)
        }
        DeliveryRecord::Prepared(delivery) => {
            let mut item = write_item(&key, delivery, &write.events)?;
            item.extend(index_attributes(delivery));
            Ok(item)
        }
    }
}

/// The keys of the indexes that list a delivery.
fn index_attributes(delivery: &LineDelivery) -> Item {
    let mut attributes = Item::new();
    let mut list = |index: &str, partition: String| {
        attributes.insert(format!("{index}_pk"), AttributeValue::S(partition));
        attributes.insert(format!("{index}_sk"), AttributeValue::S(list_position(delivery)));
    };
    list("by_seller", format!("SELLER#{}", delivery.seller_id));
    if !delivery.state.is_final() {
        list("by_buyer", format!("BUYER#{}", delivery.user_id));
    }
    if let Some(due_at) = delivery.due_at {
        attributes.extend(DEADLINES.attributes(delivery.delivery_id, due_at));
    }
    attributes
}

/// The condition of a write of this version: the stored one is the previous.
const fn previous(version: u64) -> Precondition {
    if version == 1 { Precondition::Absent } else { Precondition::Version(version - 1) }
}

impl DeliveryReader for DynamoDelivery {
    async fn records(
        &self,
        ids: &[DeliveryId],
    ) -> Result<BTreeMap<DeliveryId, DeliveryRecord>, StoreError> {
        let keys: Vec<Key> = ids.iter().copied().map(delivery_key).collect();
        let items = self.table.batch_get(&keys).await?;
        let records = items.into_values().map(|item| {
            let record = read_record(item)?;
            Ok((record.delivery_id(), record))
        });
        records.collect()
    }

    async fn parcel(&self, parcel: ParcelId) -> Result<Option<Parcel>, StoreError> {
        self.table.get(&parcel_key(parcel)).await?.map(read_item).transpose()
    }
}

impl DeliveryWriter for DynamoDelivery {
    async fn save(&self, update: &DeliveryUpdate) -> Result<Write, StoreError> {
        let mut items = Vec::new();
        for write in &update.deliveries {
            items.push((delivery_item(write)?, previous(write.record.version())));
        }
        for parcel in &update.parcels {
            let item = write_item(&parcel_key(parcel.parcel_id), parcel, &[])?;
            items.push((item, previous(parcel.version)));
        }
        if items.len() == 1
            && let Some((item, expect)) = items.pop()
        {
            return self.table.put(item, expect).await.map(Write::unit);
        }
        let writes = items.into_iter().map(|(item, expect)| self.table.transact_put(item, expect));
        let writes = writes.collect::<Result<Vec<_>, _>>()?;
        self.table.transact(writes).await.map(Write::unit)
    }
}

impl DynamoDelivery {
    /// A page of an index by time: the deliveries that its entries refer to, in that order.
    async fn list(
        &self,
        index: &str,
        partition: String,
        limit: u32,
        position: Option<&str>,
    ) -> Result<DeliveryPage, StoreError> {
        check_list_position(position)?;
        let query = PartitionQuery::index(index, partition).descending().after(position);
        let (entries, next) = self.table.query(&query, limit).await?;
        let keys = entries.iter().map(item_key).collect::<Result<Vec<_>, _>>()?;
        let mut items = self.table.batch_get(&keys).await?;
        let deliveries = keys.iter().filter_map(|key| items.remove(key)).map(read_item);
        Ok((deliveries.collect::<Result<_, _>>()?, next))
    }
}

impl DeliveryLister for DynamoDelivery {
    async fn list_under_way(
        &self,
        user: UserId,
        limit: u32,
        position: Option<&str>,
    ) -> Result<DeliveryPage, StoreError> {
        let (mut deliveries, next) =
            self.list("by_buyer", format!("BUYER#{user}"), limit, position).await?;
        // The index may lag behind.
        deliveries.retain(|delivery| !delivery.state.is_final());
        Ok((deliveries, next))
    }

    async fn list_by_seller(
        &self,
        seller: SellerId,
        limit: u32,
        position: Option<&str>,
    ) -> Result<DeliveryPage, StoreError> {
        self.list("by_seller", format!("SELLER#{seller}"), limit, position).await
    }
}

impl DueQueue for DynamoDelivery {
    type Id = DeliveryId;
    const SHARDS: u8 = DEADLINES.shards;

    async fn due(
        &self,
        shard: u8,
        now: Timestamp,
        after: Option<&DueEntry<DeliveryId>>,
        limit: usize,
    ) -> Result<Vec<DueEntry<DeliveryId>>, StoreError> {
        self.table.due(&DEADLINES, shard, now, after, limit).await
    }

    async fn postpone(
        &self,
        entry: &DueEntry<DeliveryId>,
        until: Timestamp,
    ) -> Result<Write, StoreError> {
        self.table.postpone(&DEADLINES, &delivery_key(entry.id), entry, until).await
    }
}
