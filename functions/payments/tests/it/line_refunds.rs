//! Orders with random lines, splits, refused refunds and ends of lines, whose events arrive in any
//! order and repeatedly: refunds sum exactly, and never to more than was captured.

use rialto_contracts::{
    EventContext,
    inventory::StockReserved,
    orders::{CancelReason, OrderCancelled},
};
use rialto_kernel::{Amount, Currency, OrderId, Timestamp, UserId, Write, digest};
use rialto_payments::{
    adapters::memory::{MemoryPayments, MemoryProvider},
    application::{
        compensate_line::{CompensateLineError, LineRefund, compensate_line},
        on_order_cancelled::on_order_cancelled,
        on_stock_reserved::on_stock_reserved,
    },
    domain::{
        payment::{Payment, PaymentState},
        refund::RefundState,
    },
    ports::{LedgerReader, PaymentReader},
};
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_millis(1_000);

struct Clock;

impl rialto_kernel::Clock for Clock {
    fn now(&self) -> Timestamp {
        NOW
    }
}

/// Numbers that depend on the seed and their position only.
struct Numbers {
    seed: u64,
    drawn: u64,
}

impl Numbers {
    /// A number from `low` to `high`.
    fn between(&mut self, low: i64, high: i64) -> i64 {
        self.drawn += 1;
        let bytes = digest::sha256(&[&self.seed.to_be_bytes(), &self.drawn.to_be_bytes()]);
        let number = i64::from_be_bytes(bytes[..8].try_into().unwrap()) & i64::MAX;
        low + number % (high - low + 1)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            let other = self.between(0, i64::try_from(at).unwrap());
            items.swap(at, usize::try_from(other).unwrap());
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Line(LineRefund),
    OrderCancelled,
}

/// A line with a share and pieces, one of its order's.
#[derive(Debug, Clone, Copy)]
struct Line {
    line_no: u32,
    pieces: i64,
    share: i64,
}

/// The lines of an order after random splits, each with its part of the share.
fn lines(numbers: &mut Numbers) -> Vec<Line> {
    let placed = numbers.between(1, 5);
    let mut lines: Vec<Line> = (1..=placed)
        .map(|line_no| {
            let (pieces, price) = (numbers.between(1, 9), numbers.between(1, 9_999));
            let fee = numbers.between(0, 499);
            Line { line_no: u32::try_from(line_no).unwrap(), pieces, share: pieces * price + fee }
        })
        .collect();
    for _ in 0..numbers.between(0, 6) {
        let at = usize::try_from(numbers.between(0, placed - 1)).unwrap();
        let Line { pieces, share, .. } = lines[at];
        if pieces == 1 {
            continue;
        }
        let split_off = numbers.between(1, pieces - 1);
        let part_share = share * split_off / pieces;
        lines[at].pieces -= split_off;
        lines[at].share -= part_share;
        let line_no = u32::try_from(lines.len() + 1).unwrap();
        lines.push(Line { line_no, pieces: split_off, share: part_share });
    }
    lines
}

fn order() -> OrderId {
    OrderId::derive(&[b"o"])
}

fn user() -> UserId {
    UserId::derive(&[b"u"])
}

fn line(line_no: u32, amount: i64) -> LineRefund {
    LineRefund::new(order(), line_no, Amount::new(amount).unwrap())
}

struct Shop {
    store: MemoryPayments,
    provider: MemoryProvider,
}

impl Shop {
    async fn paid(total: i64) -> Self {
        let shop = Self { store: MemoryPayments::default(), provider: MemoryProvider::default() };
        let reserved = StockReserved {
            order_id: order(),
            user_id: user(),
            total: Amount::new(total).unwrap(),
            currency: Currency::parse("EUR").unwrap(),
            payment_method: "pm_card_visa".to_owned(),
            expires_at: Timestamp::from_millis(2_000),
        };
        let cause = EventContext::default();
        let (store, provider) = (&shop.store, &shop.provider);
        let paid = on_stock_reserved(store, provider, &reserved, Duration::ZERO, &cause, &Clock)
            .await
            .unwrap();
        assert_eq!(paid, Write::Done);
        shop
    }

    async fn apply(&self, event: Event) {
        let (store, provider, cause) = (&self.store, &self.provider, EventContext::default());
        match event {
            Event::Line(line) => {
                assert!(compensate_line(store, provider, &line, &cause, NOW).await.is_ok());
            }
            Event::OrderCancelled => {
                let (order_id, user_id, reason) = (order(), user(), CancelReason::Buyer);
                let event = OrderCancelled { order_id, user_id, reason };
                assert!(on_order_cancelled(store, provider, &event, &cause, NOW).await.is_ok());
            }
        }
    }

    async fn payment(&self) -> Payment {
        self.store.payment(order()).await.unwrap().unwrap()
    }

    /// Checks what holds after every event.
    async fn check(&self) {
        let payment = self.payment().await;
        let begun = Amount::sum(payment.refunds.iter().map(|refund| refund.amount)).unwrap();
        assert!(begun <= payment.captured, "{payment:?}");
        assert!(payment.refunds.iter().all(|refund| !refund.amount.is_zero()), "{payment:?}");
        let sent = Amount::sum(self.provider.refunds(order())).unwrap();
        assert_eq!(sent, payment.refunded(), "{payment:?}");
        let entries = self.store.entries(order()).await.unwrap();
        let postings = entries.iter().flat_map(|entry| &entry.postings);
        assert_eq!(postings.map(|posting| posting.amount).sum::<i64>(), 0);
    }
}

async fn run(seed: u64) {
    let mut numbers = Numbers { seed, drawn: 0 };
    let lines = lines(&mut numbers);
    let total: i64 = lines.iter().map(|line| line.share).sum();
    let mut expected = 0;
    let mut events = Vec::new();
    let all_cancelled = numbers.between(0, 2) == 0;
    for of in &lines {
        let amount = match numbers.between(0, 3) {
            _ if all_cancelled => of.share,
            0 => continue,
            // A return of which the seller refunds a part, or nothing.
            1 => numbers.between(0, of.share),
            _ => of.share,
        };
        expected += amount;
        events.push(Event::Line(line(of.line_no, amount)));
    }
    if all_cancelled {
        events.push(Event::OrderCancelled);
    }
    for _ in 0..numbers.between(0, 4) {
        let Some(last) = i64::try_from(events.len()).unwrap().checked_sub(1) else { break };
        let repeated = numbers.between(0, last.max(0));
        events.extend(events.get(usize::try_from(repeated).unwrap()).copied());
    }
    numbers.shuffle(&mut events);

    let shop = Shop::paid(total).await;
    for event in &events {
        shop.apply(*event).await;
        shop.check().await;
    }
    let payment = shop.payment().await;
    assert_eq!(payment.refunded().minor_units(), expected, "seed {seed}: {events:?} {payment:?}");
    assert!(payment.refunds.iter().all(|refund| refund.state == RefundState::Issued));
    if all_cancelled {
        assert_eq!(payment.state, PaymentState::Refunded, "seed {seed}: {events:?}");
    }
}

#[tokio::test]
async fn refunds_of_lines_sum_exactly_in_any_order() {
    for seed in 0..2_000 {
        run(seed).await;
    }
}

#[tokio::test]
async fn a_line_of_an_uncaptured_payment_is_left_to_the_queue() {
    let shop = Shop { store: MemoryPayments::default(), provider: MemoryProvider::default() };
    let (store, provider, cause) = (&shop.store, &shop.provider, EventContext::default());
    let early = compensate_line(store, provider, &line(1, 10), &cause, NOW).await;
    assert!(matches!(early, Err(CompensateLineError::NoPayment(_))), "{early:?}");
    shop.apply(Event::OrderCancelled).await;
    let voided = compensate_line(store, provider, &line(1, 10), &cause, NOW).await;
    assert!(matches!(voided, Err(CompensateLineError::NotCaptured { .. })), "{voided:?}");
    assert!(shop.payment().await.refunds.is_empty());
}

#[tokio::test]
async fn a_refund_of_nothing_is_neither_made_nor_published() {
    let shop = Shop::paid(100).await;
    let before = shop.store.published_events().len();
    shop.apply(Event::Line(line(1, 0))).await;
    shop.apply(Event::OrderCancelled).await;
    shop.apply(Event::Line(line(2, 100))).await;
    let payment = shop.payment().await;
    assert_eq!(payment.compensated_lines.into_iter().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(payment.refunds.len(), 1);
    let published = shop.store.published_events_from(before);
    let kinds: Vec<_> = published.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["RefundIssued"]);
}
