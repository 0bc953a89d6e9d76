//! Random lives of an order: whatever the order in which its events arrive, and however often, the
//! stock is right after each, and the end is the same.

use rialto_contracts::{
    EventContext,
    orders::{
        CancelReason, LineMismatch, LineSnapshot, LineSplit, OrderCancelled, OrderConfirmed,
        OrderLineState, OrderPlaced, PlacedLine,
    },
};
use rialto_inventory::{
    adapters::memory::MemoryInventory,
    application::{
        on_order_cancelled::on_order_cancelled,
        on_order_confirmed::on_order_confirmed,
        on_order_line::{OnOrderLineError, on_order_line},
        on_order_placed::on_order_placed,
    },
    domain::{
        movement::MovementCause,
        reservation::{Reservation, ReservationUpdate},
        reserved_line::{LineEnd, LineState},
        stock::Stock,
    },
    ports::{Reservations, ReserveOutcome, StockInitializer},
};
use rialto_kernel::{
    Amount, Currency, OrderId, ProductId, Quantity, SellerId, StoreError, Timestamp, UserId, Write,
};
use std::{collections::BTreeMap, sync::Mutex};

const NOW: Timestamp = Timestamp::from_millis(1_000);
const INITIAL_STOCK: u32 = 40;

/// A linear congruential generator, so that a failing seed can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.0 >> 33) % u64::from(end)).unwrap()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(u32::try_from(at).unwrap() + 1) as usize);
        }
    }
}

#[derive(Debug, Clone)]
enum Arrival {
    Confirmed,
    Cancelled,
    Line(LineSnapshot, Option<LineEnd>),
}

/// An order's lines as orders has them.
struct Lines {
    placed: OrderPlaced,
    /// The line, and how it ended.
    lines: Vec<(LineSnapshot, Option<LineEnd>)>,
    splits: BTreeMap<u32, Vec<LineSplit>>,
}

fn pieces(number: u32) -> Quantity {
    Quantity::new(number.into()).unwrap()
}

fn product(number: u32) -> ProductId {
    ProductId::derive(&[&number.to_be_bytes()])
}

/// An order of two products in three lines.
fn placed(random: &mut Random) -> OrderPlaced {
    let lines = (1..=3).map(|line_no| PlacedLine {
        line_no,
        product_id: product(line_no / 2),
        seller_id: SellerId::derive(&[b"s"]),
        title: "thing".to_owned(),
        quantity: pieces(1 + random.below(9)),
        unit_price: Amount::ZERO,
        share: Amount::ZERO,
    });
    OrderPlaced {
        order_id: OrderId::derive(&[b"o"]),
        user_id: UserId::derive(&[b"u"]),
        lines: lines.collect(),
        total: Amount::ZERO,
        currency: Currency::parse("EUR").unwrap(),
        payment_method: "pm_card_visa".to_owned(),
        expires_at: NOW,
    }
}

impl Lines {
    fn of(placed: OrderPlaced) -> Self {
        let snapshot = |line: &PlacedLine| LineSnapshot {
            order_id: placed.order_id,
            line_no: line.line_no,
            root: line.line_no,
            user_id: placed.user_id,
            seller_id: line.seller_id,
            product_id: line.product_id,
            quantity: line.quantity,
            share: line.share,
            state: OrderLineState::Accepted,
            splits: Vec::new(),
        };
        let lines = placed.lines.iter().map(|line| (snapshot(line), None)).collect();
        Self { placed, lines, splits: BTreeMap::new() }
    }

    /// Splits some pieces off the line at `at`, if it has several. Returns the part's index.
    fn split(&mut self, at: usize, random: &mut Random) -> usize {
        let line = &self.lines[at].0;
        let Some(part) = line.quantity.get().checked_sub(1).filter(|most| *most > 0) else {
            return at;
        };
        let part = 1 + random.below(part);
        let line_no = u32::try_from(self.lines.len()).unwrap() + 1;
        let (from, state) = (line.line_no, line.state);
        let split = LineSplit { line_no, from, quantity: pieces(part), state };
        self.splits.entry(line.root).or_default().push(split);
        let new = LineSnapshot { line_no, quantity: pieces(part), ..line.clone() };
        self.lines[at].0.quantity = pieces(line.quantity.get() - part);
        self.lines.push((new, None));
        self.lines.len() - 1
    }

    /// The events of a random life.
    fn live(&mut self, random: &mut Random) -> Vec<Arrival> {
        let mut events = vec![Arrival::Confirmed];
        for _ in 0..1 + random.below(9) {
            let mut at = random.below(u32::try_from(self.lines.len()).unwrap()) as usize;
            if self.lines[at].1.is_some() {
                continue;
            }
            if random.below(2) == 0 {
                at = self.split(at, random);
            }
            let end = match random.below(8) {
                0..4 => Some(LineEnd::Cancelled),
                4 => Some(LineEnd::Restocked),
                5 => Some(LineEnd::WrittenOff),
                _ => None,
            };
            let (line, ended) = &mut self.lines[at];
            *ended = end;
            line.splits = self.splits.get(&line.root).cloned().unwrap_or_default();
            events.push(Arrival::Line(line.clone(), end));
        }
        if self.lines.iter().all(|(_, end)| *end == Some(LineEnd::Cancelled)) {
            events.push(Arrival::Cancelled);
        }
        events
    }
}

/// A store with the order's reservation.
async fn reserved(placed: &OrderPlaced) -> MemoryInventory {
    let store = MemoryInventory::default();
    for number in 0..2 {
        let (stock, movement) =
            Stock::initial(product(number), SellerId::derive(&[b"s"]), INITIAL_STOCK, NOW);
        assert_eq!(store.initialize(&stock, &movement).await, Ok(Write::Done));
    }
    let write = on_order_placed(&store, placed, &EventContext::default(), NOW).await;
    assert_eq!(write.unwrap(), Write::Done);
    store
}

async fn handle(store: &impl Reservations, placed: &OrderPlaced, arrival: &Arrival) -> Write {
    let cause = EventContext::default();
    let (order_id, user_id) = (placed.order_id, placed.user_id);
    match arrival {
        Arrival::Confirmed => {
            let event = OrderConfirmed { order_id, user_id, lines: placed.lines.clone() };
            on_order_confirmed(store, &event, &cause, NOW).await.unwrap()
        }
        Arrival::Cancelled => {
            let event = OrderCancelled { order_id, user_id, reason: CancelReason::Seller };
            on_order_cancelled(store, &event, &cause, NOW).await.unwrap()
        }
        Arrival::Line(line, end) => on_order_line(store, line, *end, &cause, NOW).await.unwrap(),
    }
}

/// Handles the events one after the other. Each write is one version of the reservation.
async fn handle_all<'a>(
    store: &MemoryInventory,
    placed: &OrderPlaced,
    arrivals: impl Iterator<Item = &'a Arrival>,
) {
    let mut version = 1;
    for arrival in arrivals {
        version += u64::from(handle(store, placed, arrival).await.is_done());
        assert_eq!(store.reservations()[0].version, version);
        assert_stock_adds_up(store);
    }
}

/// `initial - written off = available + reserved + sold`, and movements and lines sum to the stock.
fn assert_stock_adds_up(store: &MemoryInventory) {
    let (movements, lines) = (store.all_movements(), store.reservations().remove(0).lines);
    for stock in store.stocks() {
        let counts = [stock.available, stock.reserved, stock.sold];
        let of_it = |id: ProductId| id == stock.product_id;
        let (mut moved, mut written_off) = ([0; 3], 0);
        for movement in movements.iter().filter(|movement| of_it(movement.product_id)) {
            let change = [movement.available, movement.reserved, movement.sold];
            moved = [moved[0] + change[0], moved[1] + change[1], moved[2] + change[2]];
            if movement.cause == MovementCause::WrittenOff {
                written_off -= change.iter().sum::<i64>();
            }
        }
        assert_eq!(moved, counts.map(u64::cast_signed));
        let total = u64::from(INITIAL_STOCK) - u64::try_from(written_off).unwrap();
        assert_eq!(total, counts.iter().sum::<u64>());
        let held = |state| -> u64 {
            let lines = lines.iter().filter(|line| of_it(line.product_id) && line.state == state);
            lines.map(|line| u64::from(line.quantity.get())).sum()
        };
        assert_eq!(
            [held(LineState::Reserved), held(LineState::Sold)],
            [stock.reserved, stock.sold]
        );
    }
}

/// Each line's pieces at first and now, and whether it is sold, available again or written off.
type Ended = BTreeMap<u32, (u32, u32, LineState)>;

/// The stock, and the lines. Whether a line ended before or after its sale is no difference.
fn end_state(store: &MemoryInventory) -> (Vec<[u64; 3]>, Ended) {
    use rialto_contracts::orders::LineCopy;
    let stocks = store.stocks();
    let counts = stocks.iter().map(|stock| [stock.available, stock.reserved, stock.sold]);
    let lines = store.reservations().remove(0).lines.into_iter().map(|line| {
        let state = match line.state {
            LineState::Returned => LineState::Released,
            state => state,
        };
        let initial = LineCopy::initial_quantity(&line).get();
        (line.line_no, (initial, line.quantity.get(), state))
    });
    (counts.collect(), lines.collect())
}

#[tokio::test]
async fn line_events_give_the_same_end_in_any_order() {
    for seed in 0..1_000 {
        let mut random = Random(seed);
        let mut lines = Lines::of(placed(&mut random));
        let events = lines.live(&mut random);
        let placed = lines.placed;
        let store = reserved(&placed).await;
        handle_all(&store, &placed, events.iter()).await;
        let expected = end_state(&store);
        for (line, end) in &lines.lines {
            let state = match end {
                None => LineState::Sold,
                Some(LineEnd::WrittenOff) => LineState::WrittenOff,
                Some(_) => LineState::Released,
            };
            let (_, quantity, held) = expected.1[&line.line_no];
            assert_eq!((quantity, held), (line.quantity.get(), state), "seed {seed}: {events:?}");
        }
        for _ in 0..5 {
            let repeats = events.iter().filter(|_| random.below(2) == 0);
            let mut arrivals: Vec<_> = events.iter().chain(repeats).collect();
            random.shuffle(&mut arrivals);
            let store = reserved(&placed).await;
            handle_all(&store, &placed, arrivals.iter().copied()).await;
            assert_eq!(end_state(&store), expected, "seed {seed}: {arrivals:?}");
            for arrival in arrivals {
                assert_eq!(handle(&store, &placed, arrival).await, Write::Conflict(()));
            }
        }
    }
}

#[tokio::test]
async fn a_contradicting_line_event_changes_nothing() {
    let mut random = Random(1);
    let lines = Lines::of(placed(&mut random));
    let mut wrong = lines.lines[0].0.clone();
    wrong.quantity = pieces(wrong.quantity.get() + 1);
    let store = reserved(&lines.placed).await;
    let before = store.reservations();
    let (cause, end) = (EventContext::default(), Some(LineEnd::Cancelled));
    let outcome = on_order_line(&store, &wrong, end, &cause, NOW).await;
    let mismatch = LineMismatch::Quantity { line_no: 1 };
    assert!(matches!(outcome, Err(OnOrderLineError::Mismatch(found)) if found == mismatch));
    assert_eq!(store.reservations(), before);
}

#[tokio::test]
async fn a_line_event_before_its_reservation_is_redelivered() {
    let lines = Lines::of(placed(&mut Random(1)));
    let (store, line) = (MemoryInventory::default(), &lines.lines[0].0);
    let outcome = on_order_line(&store, line, None, &EventContext::default(), NOW).await;
    assert!(matches!(outcome, Err(OnOrderLineError::NoReservation(_))));
    assert_eq!(store.reservation(line.order_id).await, Ok(None));
}

/// A store in which another event is applied before the first write.
struct OvertakenStore<'a> {
    store: MemoryInventory,
    placed: &'a OrderPlaced,
    first: Mutex<Option<Arrival>>,
}

impl Reservations for OvertakenStore<'_> {
    async fn reservation(&self, order: OrderId) -> Result<Option<Reservation>, StoreError> {
        self.store.reservation(order).await
    }

    async fn apply(&self, change: &ReservationUpdate) -> Result<ReserveOutcome, StoreError> {
        let first = self.first.lock().unwrap().take();
        if let Some(first) = first {
            assert_eq!(handle(&self.store, self.placed, &first).await, Write::Done);
        }
        self.store.apply(change).await
    }
}

#[tokio::test]
async fn an_event_is_applied_after_one_that_came_first() {
    let mut lines = Lines::of(placed(&mut Random(1)));
    let ends = [LineEnd::Cancelled, LineEnd::Restocked, LineEnd::WrittenOff];
    let ended: Vec<_> = lines.lines.drain(..).zip(ends).collect();
    let mut events: Vec<_> =
        ended.into_iter().map(|((line, _), end)| Arrival::Line(line, Some(end))).collect();
    events.extend([Arrival::Confirmed, Arrival::Cancelled]);
    for (first, second) in events.iter().flat_map(|first| events.iter().map(move |of| (first, of)))
    {
        let mut expected = Vec::new();
        for both in [[first, second], [second, first]] {
            let store = reserved(&lines.placed).await;
            handle_all(&store, &lines.placed, both.into_iter()).await;
            expected.push(end_state(&store));
        }
        let store = reserved(&lines.placed).await;
        let first = Mutex::new(Some(first.clone()));
        let overtaken = OvertakenStore { store: store.clone(), placed: &lines.placed, first };
        let write = handle(&overtaken, &lines.placed, second).await;
        assert!(matches!(write, Write::Done | Write::Conflict(())));
        assert!(expected.contains(&end_state(&store)));
    }
}
