//! Fixtures of unit tests, of orders' contract suite and of other crates' tests (feature
//! `test-support`).

#![allow(clippy::unwrap_used, reason = "fixtures are valid")]

use crate::{
    domain::{
        line_terms::LineTerms,
        order::{Order, OrderUpdate, Transition},
        placement_limit::{ClientDigest, PlacementLimits},
        product::Product,
        quote::{PricingTerms, Quote},
        request::{OrderRequest, PaymentMethod, RequestedLine},
    },
    ports::{IdempotencyRecord, OrderPlacer},
};
use rialto_contracts::{
    Event, EventContext,
    catalog::ProductStatus,
    orders::CancelReason,
    payments::{PaymentCaptured, PaymentFailed},
};
use rialto_kernel::{
    Address, Amount, Currency, DropOff, OrderId, PaymentId, Phone, ProductId, Quantity, SellerId,
    Text, Timestamp, UserId, Write,
};
use std::{collections::HashMap, time::Duration};

/// When [`placed_order`] was placed.
pub const PLACED_AT: Timestamp = Timestamp::from_millis(1_000);

#[must_use]
pub fn pricing_terms() -> PricingTerms {
    PricingTerms {
        currency: Currency::parse("EUR").unwrap(),
        shipping_fee: Amount::new(300).unwrap(),
        free_shipping_from: Amount::new(5_000).unwrap(),
        pending_deadline: Duration::from_secs(900),
        lines: LineTerms::default(),
    }
}

/// High limits.
#[must_use]
pub fn placement_limits() -> PlacementLimits {
    PlacementLimits {
        placements: 1_000,
        window: pricing_terms().pending_deadline,
        failed_payments: 1_000,
    }
}

/// Where orders are placed from.
#[must_use]
pub fn client() -> ClientDigest {
    ClientDigest::new("192.0.2.1".parse().unwrap())
}

/// A product that can be ordered, at 10.00.
#[must_use]
pub fn product() -> Product {
    Product {
        product_id: ProductId::derive(&[b"p"]),
        seller_id: SellerId::derive(&[b"s"]),
        title: "thing".to_owned(),
        price: Amount::new(1_000).unwrap(),
        status: ProductStatus::Sell,
        version: 1,
    }
}

#[must_use]
pub fn buyer() -> UserId {
    UserId::derive(&[b"u"])
}

#[must_use]
pub fn address() -> Address {
    Address {
        receiver: Text::parse("Kim Example").unwrap(),
        line1: Text::parse("1 Test Street").unwrap(),
        line2: None,
        zipcode: Text::parse("12345").unwrap(),
        phone: Phone::parse("+491701234567").unwrap(),
        drop_off: DropOff::Own,
        note: Some(Text::parse("ring twice").unwrap()),
    }
}

/// A request for `quantity` units of [`product`].
#[must_use]
pub fn order_request(quantity: i64) -> OrderRequest {
    OrderRequest {
        lines: vec![RequestedLine {
            product_id: product().product_id,
            quantity: Quantity::new(quantity).unwrap(),
        }],
        address: address(),
        payment_method: PaymentMethod::parse("pm_card_visa").unwrap(),
        expected_total: None,
    }
}

/// An order of two units of [`product`], placed by `user` at `now`; its id is derived from `key`.
#[must_use]
pub fn order_placed_by(user: UserId, key: &str, now: Timestamp) -> OrderUpdate {
    let request = order_request(2);
    let products = HashMap::from([(product().product_id, product())]);
    let quote = Quote::new(&request.lines, &products, &pricing_terms()).unwrap();
    let mut change = Order::place(
        OrderId::derive(&[key.as_bytes()]),
        user,
        &request,
        quote,
        &pricing_terms(),
        now,
        &EventContext::default(),
    );
    change.order.client = Some(client());
    change
}

/// An order of two units of [`product`], placed by [`buyer`] at [`PLACED_AT`].
#[must_use]
pub fn placed_order() -> OrderUpdate {
    order_placed_by(buyer(), "o", PLACED_AT)
}

/// Stores [`placed_order`].
pub async fn insert_placed_order(store: &impl OrderPlacer) -> Order {
    let change = placed_order();
    let write = store.insert(&change, &IdempotencyRecord::empty(), &[]).await.unwrap();
    assert_eq!(write, Write::Done);
    change.order
}

/// The `PaymentCaptured` event of an order.
#[must_use]
pub fn payment_captured(order: &Order, at: Timestamp) -> Event {
    let payload = PaymentCaptured {
        order_id: order.order_id,
        payment_id: PaymentId::derive(&[b"p"]),
        amount: order.total,
    };
    Event::new(&payload, 3, 0, at, &EventContext::default())
}

/// The `PaymentFailed` event of an order.
#[must_use]
pub fn payment_failed(order: &Order, at: Timestamp) -> Event {
    let payload = PaymentFailed {
        order_id: order.order_id,
        reason: "card_declined".to_owned(),
        user_id: Some(order.user_id),
        attempt: Some(1),
        retry_until: None,
    };
    Event::new(&payload, 3, 0, at, &EventContext::default())
}

/// A PENDING order after its payment was captured.
#[must_use]
pub fn confirmed(order: &Order, at: Timestamp) -> OrderUpdate {
    let event = payment_captured(order, at);
    order.apply(&event, Transition::Confirm, at, &EventContext::default()).unwrap()
}

/// A PENDING order after its payment failed.
#[must_use]
pub fn payment_failure(order: &Order, at: Timestamp) -> OrderUpdate {
    let transition = Transition::Cancel(CancelReason::PaymentFailed);
    order.apply(&payment_failed(order, at), transition, at, &EventContext::default()).unwrap()
}

/// A CONFIRMED order with a line of each of these quantities, of one product.
#[must_use]
pub fn confirmed_order_of(quantities: &[i64]) -> Order {
    let request = OrderRequest {
        lines: quantities.iter().map(|quantity| order_request(*quantity).lines[0]).collect(),
        ..order_request(1)
    };
    let products = HashMap::from([(product().product_id, product())]);
    let quote = Quote::new(&request.lines, &products, &pricing_terms()).unwrap();
    let (id, terms) = (OrderId::derive(&[b"o"]), pricing_terms());
    let cause = EventContext::default();
    let placed = Order::place(id, buyer(), &request, quote, &terms, PLACED_AT, &cause);
    confirmed(&placed.order, PLACED_AT).order
}
