//! Items: `PRODUCT#<id>` holds `STOCK`, `MOVEMENT#<id>` and `ADJUSTMENT#<hash of the key>`;
//! `ORDER#<id>` holds `RESERVATION`.

use crate::{
    domain::{
        movement::Movement,
        reservation::{Reservation, ReservationUpdate, StockChange},
        stock::Stock,
    },
    ports::{
        AdjustmentRecord, MovementPage, MovementReader, Reservations, ReserveOutcome,
        StockAdjuster, StockInitializer, StockReader,
    },
};
use rialto_contracts::{EventContext, inventory::Shortage};
use rialto_dynamo::{
    AttributeValue, Item, Key, PartitionQuery, Precondition, ReturnOnFailure, Table,
    TransactWriteItem, Update, number, read_item, write_item,
};
use rialto_kernel::{OrderId, ProductId, StoreError, Timestamp, Write};
use rialto_lambda::FunctionContext;

/// The ports, implemented on the service's table.
#[derive(Debug, Clone)]
pub struct DynamoInventory {
    table: Table,
}

fn stock_key(product: ProductId) -> Key {
    Key::new(format!("PRODUCT#{product}"), "STOCK")
}

fn adjustment_key(product: ProductId, key: &str) -> Key {
    Key::new(format!("PRODUCT#{product}"), format!("ADJUSTMENT#{key}"))
}

fn reservation_key(order: OrderId) -> Key {
    Key::new(format!("ORDER#{order}"), "RESERVATION")
}

impl DynamoInventory {
    #[must_use]
    pub fn open(app: &FunctionContext) -> Self {
        Self::on(Table::open(&app.aws, &app.stage, crate::SERVICE))
    }

    #[must_use]
    pub const fn on(table: Table) -> Self {
        Self { table }
    }

    fn put_movement(&self, movement: &Movement) -> Result<TransactWriteItem, StoreError> {
        let key = Key::new(
            format!("PRODUCT#{}", movement.product_id),
            format!("MOVEMENT#{}", movement.movement_id),
        );
        self.table.transact_put(write_item(&key, movement, &[])?, Precondition::Absent)
    }

    /// Adds to the stock's counts without reading them, unless one would fall below zero.
    fn change_stock(
        &self,
        change: &StockChange,
        cause: &EventContext,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut condition = "attribute_exists(pk)".to_owned();
        let mut update = Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(stock_key(change.product_id).item()))
            .update_expression(
                "SET changed_at = :now, cause = :cause \
                 ADD available :available, reserved :reserved, sold :sold, version :one",
            )
            .expression_attribute_values(":now", AttributeValue::S(change.at.to_string()))
            .expression_attribute_values(":cause", context_attribute(cause)?)
            .expression_attribute_values(":one", number(1))
            .return_values_on_condition_check_failure(ReturnOnFailure::AllOld);
        for (name, delta) in
            [("available", change.available), ("reserved", change.reserved), ("sold", change.sold)]
        {
            update = update.expression_attribute_values(format!(":{name}"), number(delta));
            if delta < 0 {
                condition.push_str(&format!(" AND {name} >= :least_{name}"));
                update =
                    update.expression_attribute_values(format!(":least_{name}"), number(-delta));
            }
        }
        let update = update.condition_expression(condition).build().map_err(incomplete)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

/// The context of the change, for the events that the relay derives from the stream's images.
fn context_attribute(cause: &EventContext) -> Result<AttributeValue, StoreError> {
    serde_json::to_string(cause)
        .map(AttributeValue::S)
        .map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn incomplete(error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

impl StockReader for DynamoInventory {
    async fn stock(&self, product: ProductId) -> Result<Option<Stock>, StoreError> {
        self.table.get(&stock_key(product)).await?.map(read_item).transpose()
    }
}

impl StockInitializer for DynamoInventory {
    async fn initialize(&self, stock: &Stock, movement: &Movement) -> Result<Write, StoreError> {
        let item = write_item(&stock_key(stock.product_id), stock, &[])?;
        let writes = vec![
            self.table.transact_put(item, Precondition::Absent)?,
            self.put_movement(movement)?,
        ];
        self.table.transact(writes).await.map(Write::unit)
    }
}

impl StockAdjuster for DynamoInventory {
    async fn load(
        &self,
        product: ProductId,
        key: &str,
    ) -> Result<(Option<Stock>, Option<AdjustmentRecord>), StoreError> {
        let (stock, adjustment) = (stock_key(product), adjustment_key(product, key));
        let mut items = self.table.batch_get(&[stock.clone(), adjustment.clone()]).await?;
        let stock = items.remove(&stock).map(read_item).transpose()?;
        Ok((stock, items.remove(&adjustment).map(read_item).transpose()?))
    }

    async fn adjust(
        &self,
        stock: &Stock,
        movement: &Movement,
        record: &AdjustmentRecord,
        cause: &EventContext,
    ) -> Result<Write, StoreError> {
        let mut item = write_item(&stock_key(stock.product_id), stock, &[])?;
        item.insert("changed_at".to_owned(), AttributeValue::S(movement.at.to_string()));
        item.insert("cause".to_owned(), context_attribute(cause)?);
        let key = adjustment_key(stock.product_id, &record.key);
        let writes = vec![
            self.table.transact_put(item, Precondition::Version(stock.version - 1))?,
            self.put_movement(movement)?,
            self.table.transact_put(write_item(&key, record, &[])?, Precondition::Absent)?,
        ];
        self.table.transact(writes).await.map(Write::unit)
    }
}

impl MovementReader for DynamoInventory {
    async fn movements(
        &self,
        product: ProductId,
        limit: u32,
        position: Option<&str>,
    ) -> Result<MovementPage, StoreError> {
        let query = PartitionQuery::prefix(format!("PRODUCT#{product}"), "MOVEMENT#");
        let query = query.descending().after(position);
        let (items, next) = self.table.query(&query, limit).await?;
        let movements = items.into_iter().map(read_item).collect::<Result<_, _>>()?;
        Ok((movements, next))
    }
}

impl Reservations for DynamoInventory {
    async fn reservation(&self, order: OrderId) -> Result<Option<Reservation>, StoreError> {
        self.table.get(&reservation_key(order)).await?.map(read_item).transpose()
    }

    async fn apply(&self, change: &ReservationUpdate) -> Result<ReserveOutcome, StoreError> {
        let reservation = &change.reservation;
        let item = write_item(&reservation_key(reservation.order_id), reservation, &change.events)?;
        let expect = change.expected.map_or(Precondition::Absent, Precondition::Version);
        if change.movements.is_empty() {
            return Ok(match self.table.put(item, expect).await? {
                Write::Done => ReserveOutcome::Done,
                Write::Conflict(_) => ReserveOutcome::Conflict,
            });
        }
        let mut writes = vec![self.table.transact_put(item, expect)?];
        let stock_changes = change.stock_changes();
        for stock_change in &stock_changes {
            writes.push(self.change_stock(stock_change, &change.cause)?);
        }
        for movement in &change.movements {
            writes.push(self.put_movement(movement)?);
        }
        match self.table.transact(writes).await? {
            Write::Done => Ok(ReserveOutcome::Done),
            Write::Conflict(refusals) => classify_conflict(&stock_changes, refusals),
        }
    }
}

/// Classifies a refused transaction: an unexpected reservation comes before missing stock.
fn classify_conflict(
    changes: &[StockChange],
    mut refusals: Vec<Option<Item>>,
) -> Result<ReserveOutcome, StoreError> {
    let mut refusals = refusals.drain(..);
    if refusals.next().flatten().is_some() {
        return Ok(ReserveOutcome::Conflict);
    }
    let mut shortages = Vec::new();
    for (change, refusal) in changes.iter().zip(refusals) {
        let Some(refusal) = refusal else { continue };
        if refusal.is_empty() {
            return Ok(ReserveOutcome::UnknownProduct(change.product_id));
        }
        shortages.push(Shortage {
            product_id: change.product_id,
            wanted: u32::try_from(-change.available).unwrap_or(0),
            available: u32::try_from(read_item::<Stock>(refusal)?.available).unwrap_or(u32::MAX),
        });
    }
    Ok(ReserveOutcome::InsufficientStock(shortages))
}

/// Events that only the result of an update reveals: available stock fell to zero, or rose from it.
#[must_use]
pub fn stock_threshold_events(
    before: &rialto_relay::ItemImage,
    after: &rialto_relay::ItemImage,
) -> Vec<rialto_contracts::Event> {
    use rialto_contracts::{
        Event,
        inventory::{StockDepleted, StockReplenished},
    };
    let (Some(before_count), Some(after_count)) =
        (before.number("available"), after.number("available"))
    else {
        return Vec::new();
    };
    if (before_count == 0) == (after_count == 0) {
        return Vec::new();
    }
    let read = || {
        let product_id = ProductId::parse(after.string("product_id")?).ok()?;
        let seller_id = rialto_kernel::SellerId::parse(after.string("seller_id")?).ok()?;
        let at = Timestamp::parse(after.string("changed_at")?).ok()?;
        let cause = after
            .string("cause")
            .and_then(|cause| serde_json::from_str(cause).ok())
            .unwrap_or_default();
        let version = after.number("version")?;
        Some(if after_count == 0 {
            Event::new(&StockDepleted { product_id, seller_id }, version, 0, at, &cause)
        } else {
            Event::new(&StockReplenished { product_id, seller_id }, version, 0, at, &cause)
        })
    };
    read().into_iter().collect()
}
