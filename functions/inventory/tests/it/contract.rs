//! Contract tests for every adapter of inventory's ports.

use rialto_contracts::{
    EventContext,
    inventory::Shortage,
    orders::{LineSnapshot, LineSplit, OrderLineState, OrderPlaced, PlacedLine},
};
use rialto_inventory::{
    SERVICE,
    adapters::{dynamodb::DynamoInventory, memory::MemoryInventory},
    domain::{
        adjustment::Adjustment,
        movement::MovementCause,
        reservation::Reservation,
        reserved_line::{LineEnd, LineState},
        stock::Stock,
    },
    ports::{
        AdjustmentRecord, MovementReader, Reservations, ReserveOutcome, StockAdjuster,
        StockInitializer, StockReader,
    },
};
use rialto_kernel::{
    Amount, Clock, Currency, OrderId, ProductId, Quantity, SellerId, StoreError, SystemClock, Text,
    UserId, Write,
};

trait Store: StockReader + StockInitializer + StockAdjuster + MovementReader + Reservations {}
impl<S: StockReader + StockInitializer + StockAdjuster + MovementReader + Reservations> Store
    for S
{
}

rialto_testkit::contract! {
    memory: MemoryInventory::default(),
    dynamodb: DynamoInventory::on(rialto_testkit::new_table(SERVICE).await);
    initial_stock_is_stored_once,
    orders_reserve_every_line_or_none,
    lines_of_one_product_are_summed,
    unregistered_products_are_reported_as_unknown,
    reservations_are_stored_once,
    tombstones_prevent_later_reservations,
    sold_stock_is_returned_once,
    adjustments_require_a_fresh_key_and_version,
    movements_of_all_pages_sum_to_the_stock,
    several_causes_change_a_product_in_one_write,
    forged_positions_fail_as_invalid,
    a_split_is_stored_without_movements,
    a_line_ends_with_its_stock_in_one_write,
    a_write_off_reduces_the_stock,
}

async fn open(store: &impl Store, initial: u32) -> ProductId {
    let product = ProductId::generate(SystemClock.now());
    let (stock, movement) =
        Stock::initial(product, SellerId::derive(&[b"s"]), initial, SystemClock.now());
    assert_eq!(store.initialize(&stock, &movement).await.unwrap(), Write::Done);
    product
}

fn order(lines: &[(ProductId, i64)]) -> OrderPlaced {
    let lines = lines.iter().zip(1..).map(|(&(product_id, quantity), line_no)| PlacedLine {
        line_no,
        product_id,
        seller_id: SellerId::derive(&[b"s"]),
        title: "thing".to_owned(),
        quantity: Quantity::new(quantity).unwrap(),
        unit_price: Amount::new(100).unwrap(),
        share: Amount::new(100).unwrap(),
    });
    OrderPlaced {
        order_id: OrderId::generate(SystemClock.now()),
        user_id: UserId::derive(&[b"u"]),
        lines: lines.collect(),
        total: Amount::new(100).unwrap(),
        currency: Currency::parse("EUR").unwrap(),
        payment_method: "pm_card_visa".to_owned(),
        expires_at: SystemClock.now(),
    }
}

async fn reserve(store: &impl Store, order: &OrderPlaced) -> ReserveOutcome {
    store
        .apply(&Reservation::reserve(order, SystemClock.now(), &EventContext::default()))
        .await
        .unwrap()
}

async fn counts(store: &impl Store, product: ProductId) -> (u64, u64, u64) {
    let stock = store.stock(product).await.unwrap().unwrap();
    (stock.available, stock.reserved, stock.sold)
}

async fn initial_stock_is_stored_once(store: impl Store) {
    let product = open(&store, 5).await;
    let (again, movement) =
        Stock::initial(product, SellerId::derive(&[b"s"]), 9, SystemClock.now());
    assert_eq!(store.initialize(&again, &movement).await.unwrap(), Write::Conflict(()));
    assert_eq!(counts(&store, product).await, (5, 0, 0));
    assert_eq!(store.movements(product, 10, None).await.unwrap().0.len(), 1);
    assert_eq!(store.stock(ProductId::derive(&[b"none"])).await.unwrap(), None);
}

async fn orders_reserve_every_line_or_none(store: impl Store) {
    let (a, b) = (open(&store, 5).await, open(&store, 1).await);
    assert_eq!(reserve(&store, &order(&[(a, 3), (b, 1)])).await, ReserveOutcome::Done);
    assert_eq!((counts(&store, a).await, counts(&store, b).await), ((2, 3, 0), (0, 1, 0)));

    let insufficient = ReserveOutcome::InsufficientStock(vec![Shortage {
        product_id: b,
        wanted: 1,
        available: 0,
    }]);
    let rejected = order(&[(a, 1), (b, 1)]);
    assert_eq!(reserve(&store, &rejected).await, insufficient);
    assert_eq!((counts(&store, a).await, counts(&store, b).await), ((2, 3, 0), (0, 1, 0)));
    assert_eq!(store.reservation(rejected.order_id).await.unwrap(), None);
}

async fn lines_of_one_product_are_summed(store: impl Store) {
    let a = open(&store, 5).await;
    let insufficient = ReserveOutcome::InsufficientStock(vec![Shortage {
        product_id: a,
        wanted: 6,
        available: 5,
    }]);
    assert_eq!(reserve(&store, &order(&[(a, 3), (a, 3)])).await, insufficient);
    assert_eq!(reserve(&store, &order(&[(a, 3), (a, 2)])).await, ReserveOutcome::Done);
    assert_eq!(counts(&store, a).await, (0, 5, 0));
}

async fn unregistered_products_are_reported_as_unknown(store: impl Store) {
    let (known, unknown) = (open(&store, 5).await, ProductId::derive(&[b"unknown"]));
    assert_eq!(
        reserve(&store, &order(&[(known, 1), (unknown, 1)])).await,
        ReserveOutcome::UnknownProduct(unknown)
    );
    assert_eq!(counts(&store, known).await, (5, 0, 0));
}

async fn reservations_are_stored_once(store: impl Store) {
    let a = open(&store, 5).await;
    let order = order(&[(a, 5)]);
    assert_eq!(reserve(&store, &order).await, ReserveOutcome::Done);
    assert_eq!(reserve(&store, &order).await, ReserveOutcome::Conflict);
    assert_eq!(counts(&store, a).await, (0, 5, 0));
}

async fn tombstones_prevent_later_reservations(store: impl Store) {
    let a = open(&store, 5).await;
    let order = order(&[(a, 1)]);
    let tombstone = Reservation::tombstone(order.order_id, &EventContext::default());
    assert_eq!(store.apply(&tombstone).await.unwrap(), ReserveOutcome::Done);
    assert_eq!(reserve(&store, &order).await, ReserveOutcome::Conflict);
    assert_eq!(counts(&store, a).await, (5, 0, 0));
}

async fn sold_stock_is_returned_once(store: impl Store) {
    let a = open(&store, 5).await;
    let order = order(&[(a, 2)]);
    reserve(&store, &order).await;
    let context = EventContext::default();
    let reservation = store.reservation(order.order_id).await.unwrap().unwrap();
    let fulfilled = reservation.fulfil(SystemClock.now(), &context).unwrap();
    assert_eq!(store.apply(&fulfilled).await.unwrap(), ReserveOutcome::Done);
    assert_eq!(counts(&store, a).await, (3, 0, 2));
    assert_eq!(store.apply(&fulfilled).await.unwrap(), ReserveOutcome::Conflict);

    let sold = store.reservation(order.order_id).await.unwrap().unwrap();
    assert_eq!(sold, fulfilled.reservation);
    let release = sold.release(SystemClock.now(), &context).unwrap();
    assert_eq!(store.apply(&release).await.unwrap(), ReserveOutcome::Done);
    assert_eq!(store.apply(&release).await.unwrap(), ReserveOutcome::Conflict);
    assert_eq!(counts(&store, a).await, (5, 0, 0));
    let returned = store.reservation(order.order_id).await.unwrap().unwrap();
    assert_eq!(returned.lines[0].state, LineState::Returned);
}

async fn adjustments_require_a_fresh_key_and_version(store: impl Store) {
    let a = open(&store, 5).await;
    let (before, none) = store.load(a, "k").await.unwrap();
    assert_eq!(none, None);
    let adjustment = Adjustment { quantity: 3, reason: Text::parse("found").unwrap() };
    let (after, movement) = adjustment.apply(&before.unwrap(), "k", SystemClock.now()).unwrap();
    let record = AdjustmentRecord {
        key: "k".to_owned(),
        body_hash: "h".to_owned(),
        response_body: "{}".to_owned(),
    };
    assert_eq!(
        store.adjust(&after, &movement, &record, &EventContext::default()).await.unwrap(),
        Write::Done
    );
    assert_eq!(
        store.adjust(&after, &movement, &record, &EventContext::default()).await.unwrap(),
        Write::Conflict(())
    );
    assert_eq!(store.load(a, "k").await.unwrap(), (Some(after), Some(record)));
    assert_eq!(store.movements(a, 10, None).await.unwrap().0.len(), 2);
}

async fn several_causes_change_a_product_in_one_write(store: impl Store) {
    let (a, cause) = (open(&store, 10).await, EventContext::default());
    let order = order(&[(a, 2), (a, 3)]);
    assert_eq!(reserve(&store, &order).await, ReserveOutcome::Done);
    // Only the first line is sold.
    let mut reserved = store.reservation(order.order_id).await.unwrap().unwrap();
    reserved.lines[1].state = LineState::Released;
    let mut sold = reserved.fulfil(SystemClock.now(), &cause).unwrap();
    sold.reservation.lines[1].state = LineState::Reserved;
    assert_eq!(store.apply(&sold).await, Ok(ReserveOutcome::Done));
    assert_eq!(counts(&store, a).await, (5, 3, 2));

    let back = sold.reservation.release(SystemClock.now(), &cause).unwrap();
    assert_eq!(store.apply(&back).await, Ok(ReserveOutcome::Done));
    assert_eq!(counts(&store, a).await, (10, 0, 0));
    assert_eq!(store.movements(a, 10, None).await.unwrap().0.len(), 5);
}

/// Line 1 of `order` after `pieces` of it were split off as line 2, or that line 2.
fn snapshot(order: &OrderPlaced, line_no: u32, pieces: i64) -> LineSnapshot {
    let (placed, part) = (&order.lines[0], Quantity::new(pieces).unwrap());
    let rest = i64::from(placed.quantity.get()) - pieces;
    LineSnapshot {
        order_id: order.order_id,
        line_no,
        root: 1,
        user_id: order.user_id,
        seller_id: placed.seller_id,
        product_id: placed.product_id,
        quantity: if line_no == 1 { Quantity::new(rest).unwrap() } else { part },
        share: placed.share,
        state: OrderLineState::Accepted,
        splits: vec![LineSplit {
            line_no: 2,
            from: 1,
            quantity: part,
            state: OrderLineState::Accepted,
        }],
    }
}

/// Applies an event about a line to the stored reservation.
async fn apply(store: &impl Store, line: &LineSnapshot, end: Option<LineEnd>) -> ReserveOutcome {
    let stored = store.reservation(line.order_id).await.unwrap().unwrap();
    let update = stored.apply_line_event(line, end, SystemClock.now(), &EventContext::default());
    let update = update.unwrap().unwrap();
    let outcome = store.apply(&update).await.unwrap();
    assert_eq!(store.reservation(line.order_id).await.unwrap(), Some(update.reservation.clone()));
    assert_eq!(store.apply(&update).await.unwrap(), ReserveOutcome::Conflict);
    outcome
}

/// Each line's number, pieces and state.
async fn lines(store: &impl Store, order: &OrderPlaced) -> Vec<(u32, u32, LineState)> {
    let stored = store.reservation(order.order_id).await.unwrap().unwrap();
    stored.lines.iter().map(|line| (line.line_no, line.quantity.get(), line.state)).collect()
}

async fn a_split_is_stored_without_movements(store: impl Store) {
    let a = open(&store, 9).await;
    let order = order(&[(a, 5)]);
    reserve(&store, &order).await;
    assert_eq!(apply(&store, &snapshot(&order, 2, 2), None).await, ReserveOutcome::Done);
    let expected = [(1, 3, LineState::Reserved), (2, 2, LineState::Reserved)];
    assert_eq!(lines(&store, &order).await, expected);
    assert_eq!(counts(&store, a).await, (4, 5, 0));
    assert_eq!(store.movements(a, 10, None).await.unwrap().0.len(), 2);
    let stored = store.reservation(order.order_id).await.unwrap().unwrap();
    let repeated = stored.apply_line_event(
        &snapshot(&order, 1, 2),
        None,
        SystemClock.now(),
        &EventContext::default(),
    );
    assert_eq!(repeated, Ok(None));
}

async fn a_line_ends_with_its_stock_in_one_write(store: impl Store) {
    let a = open(&store, 9).await;
    let order = order(&[(a, 5)]);
    reserve(&store, &order).await;
    let cancelled = Some(LineEnd::Cancelled);
    assert_eq!(apply(&store, &snapshot(&order, 2, 2), cancelled).await, ReserveOutcome::Done);
    assert_eq!(counts(&store, a).await, (6, 3, 0));

    let stored = store.reservation(order.order_id).await.unwrap().unwrap();
    let sold = stored.fulfil(SystemClock.now(), &EventContext::default()).unwrap();
    assert_eq!(store.apply(&sold).await, Ok(ReserveOutcome::Done));
    assert_eq!(counts(&store, a).await, (6, 0, 3));
    assert_eq!(apply(&store, &snapshot(&order, 1, 2), cancelled).await, ReserveOutcome::Done);
    assert_eq!(counts(&store, a).await, (9, 0, 0));
    let expected = [(1, 3, LineState::Returned), (2, 2, LineState::Released)];
    assert_eq!(lines(&store, &order).await, expected);
}

async fn a_write_off_reduces_the_stock(store: impl Store) {
    let a = open(&store, 9).await;
    let order = order(&[(a, 5)]);
    reserve(&store, &order).await;
    let written_off = Some(LineEnd::WrittenOff);
    assert_eq!(apply(&store, &snapshot(&order, 2, 2), written_off).await, ReserveOutcome::Done);
    assert_eq!(counts(&store, a).await, (4, 3, 0));
    let movements = store.movements(a, 10, None).await.unwrap().0;
    let off = movements.iter().find(|found| found.cause == MovementCause::WrittenOff).unwrap();
    assert_eq!((off.available, off.reserved, off.sold), (0, -2, 0));
}

async fn forged_positions_fail_as_invalid(store: impl Store) {
    let a = open(&store, 10).await;
    for position in rialto_testkit::fixtures::forged_positions() {
        let listed = store.movements(a, 10, Some(&position)).await;
        assert!(matches!(listed, Ok(_) | Err(StoreError::InvalidPosition)), "{listed:?}");
    }
}

async fn movements_of_all_pages_sum_to_the_stock(store: impl Store) {
    let a = open(&store, 50).await;
    for _ in 0..4 {
        assert_eq!(reserve(&store, &order(&[(a, 3)])).await, ReserveOutcome::Done);
    }
    let mut sum = (0, 0, 0);
    let mut seen = Vec::new();
    let mut position = None;
    loop {
        let (movements, next) = store.movements(a, 2, position.as_deref()).await.unwrap();
        assert!(movements.len() <= 2);
        for movement in movements {
            sum = (sum.0 + movement.available, sum.1 + movement.reserved, sum.2 + movement.sold);
            seen.push(movement.movement_id);
        }
        position = next;
        if position.is_none() {
            break;
        }
    }
    assert_eq!(sum, (38, 12, 0));
    assert_eq!(counts(&store, a).await, (38, 12, 0));
    let mut newest_first = seen.clone();
    newest_first.sort_unstable_by(|a, b| b.cmp(a));
    newest_first.dedup();
    assert_eq!(seen, newest_first);
}
