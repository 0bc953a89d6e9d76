//! What buyers, sellers, supervisors and the provider do. A further route joins by an operation.

use fastrand::Rng;
use rialto_contracts::{
    Event, EventContext,
    accounts::UserUnregistered,
    catalog::{ProductChanged, ProductRegistered, ProductStatus},
};
use rialto_kernel::{
    Address, Amount, Currency, DropOff, ItemId, OrderId, Phone, ProductId, Quantity, RefundId,
    SellerId, Text, Timestamp, UserId,
};
use rialto_orders::{
    application::place_order::PlacementTerms,
    domain::{
        line_terms::LineTerms,
        placement_limit::PlacementLimits,
        quote::PricingTerms,
        request::{OrderRequest, PaymentMethod, RequestedLine, ShippingAddress, order_id},
    },
};
use rialto_payments::domain::{dispute::DisputeId, intent::IntentId};
use std::time::Duration;

/// Payment methods of the provider in memory, some more often than others.
const METHODS: [&str; 12] = [
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_chargeDeclined",
    "pm_card_chargeDeclinedInsufficientFunds",
    "pm_sim_3ds",
    "pm_sim_async",
    "pm_sim_async",
    "pm_sim_async",
    "pm_sim_flaky",
    "pm_sim_lost",
    "pm_unknown",
];

/// Operations on the lines that follow a placement at most, and as many on their deliveries.
const MOST_LINE_OPERATIONS: usize = 30;

/// A request to place an order, which its client repeats until it is answered.
#[derive(Debug, Clone)]
pub struct Placement {
    pub buyer: UserId,
    pub key: String,
    pub request: OrderRequest<ShippingAddress>,
    pub order: OrderId,
    /// Requests that may still be sent.
    pub attempts: u32,
    /// The first answer: whether it was to the request with the other body, and its body.
    pub response: Option<(bool, String)>,
    /// Its key is used by a request with another body, or its order isn't replayed any more.
    pub refused: bool,
}

impl Placement {
    /// The same placement under another key and with another payment method.
    #[must_use]
    pub fn with_key(&self, key: &str, method: &str) -> Self {
        placement(self.buyer, key.to_owned(), self.request.lines.clone(), method)
    }

    /// A request with the same Idempotency-Key and another body.
    #[must_use]
    pub fn other_request(&self) -> OrderRequest<ShippingAddress> {
        let mut request = self.request.clone();
        request.lines.push(line(request.lines[0].product_id, 1));
        request
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Product {
    pub id: ProductId,
    pub seller: SellerId,
    pub price: Amount,
    pub initial_stock: u32,
    pub status: ProductStatus,
    /// Its version in catalog.
    pub version: u64,
}

/// An operation of the workload. Numbers are positions in [`Workload`]'s lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    RegisterProduct(usize),
    /// Gives a product another price.
    ChangeProduct(usize),
    /// Takes a product out of sale, or puts it back.
    WithdrawProduct(usize),
    AdjustStock {
        product: usize,
        quantity: i64,
        key: String,
    },
    Place(usize),
    /// Another body under the Idempotency-Key of a placement.
    PlaceOther(usize),
    Cancel {
        placement: usize,
        by_supervisor: bool,
    },
    /// A buyer or a seller changes a line of an order.
    Line(LineOperation),
    /// A seller reports a delivery, or its buyer confirms the receipt.
    Deliver(DeliveryOperation),
    /// A buyer pays an order again whose payment has failed.
    PayAgain(PaymentOperation),
    /// A supervisor grants a refund for goodwill.
    GrantRefund(RefundOperation),
    /// The command line has a failed refund tried again.
    RetryRefund {
        order: OrderId,
        refund: RefundId,
    },
    UnregisterBuyer(usize),
    /// The provider's webhook about a charge, or one of its refunds.
    Webhook {
        order: OrderId,
        intent: IntentId,
        refund: Option<RefundId>,
    },
    /// The provider's webhook about a dispute of an order's charge.
    DisputeWebhook {
        order: OrderId,
        dispute: DisputeId,
    },
}

/// What a buyer or a seller requests about a line, as the route of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineAction {
    Accept,
    Reject,
    Split,
    Cancel,
    ConfirmCancel,
    Return,
    /// With a refund of a part of the share, in percent; `None` for the default.
    ConfirmReturn {
        restock: bool,
        percent: Option<u8>,
    },
    DeclineReturn,
}

/// A request about a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineRequest {
    pub line_no: u32,
    pub action: LineAction,
    /// The pieces to split off, cancel or return; `None` for all.
    pub pieces: Option<u32>,
}

/// An operation on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineOperation {
    pub placement: usize,
    /// Different for each, so that it is its Idempotency-Key.
    pub key: u32,
    /// `None`: one that may fit the lines' states, chosen when it begins.
    pub request: Option<LineRequest>,
    /// How often it may still be put off, as the order isn't confirmed yet.
    pub waits: u8,
}

impl LineOperation {
    #[must_use]
    pub const fn new(placement: usize, key: u32, request: Option<LineRequest>) -> Self {
        Self { placement, key, request, waits: 30 }
    }
}

/// What a seller or a buyer reports about a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryAction {
    Start,
    /// With the other deliveries of the order and the seller that can start.
    StartInParcel,
    Complete,
    /// With all of its parcel.
    CompleteParcel,
    ConfirmReceipt,
}

/// An operation on a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryOperation {
    pub placement: usize,
    /// Different for each, so that it is its Idempotency-Key.
    pub key: u32,
    /// The line's number, and what is requested; `None`: one that may fit, chosen when it begins.
    pub request: Option<(u32, DeliveryAction)>,
    /// How often it may still be put off, as there is no delivery yet.
    pub waits: u8,
}

impl DeliveryOperation {
    #[must_use]
    pub const fn new(placement: usize, key: u32, request: Option<(u32, DeliveryAction)>) -> Self {
        Self { placement, key, request, waits: 30 }
    }
}

/// A further attempt to pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentOperation {
    pub placement: usize,
    /// Its Idempotency-Key, which two requests may have.
    pub key: u8,
    pub method: &'static str,
    /// How often it may still be put off, as the payment hasn't failed yet.
    pub waits: u8,
}

impl PaymentOperation {
    #[must_use]
    pub const fn new(placement: usize, key: u8, method: &'static str) -> Self {
        Self { placement, key, method, waits: 30 }
    }
}

/// How long after a failure a buyer may pay again, in seconds.
const RETRY_WINDOWS: [u64; 4] = [0, 0, 120, 3_600];

/// A supervisor's refund for goodwill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefundOperation {
    pub placement: usize,
    /// Its Idempotency-Key, which two requests may have.
    pub key: u8,
    /// `None`: one that may be granted, or a bit too much, chosen when it begins.
    pub amount: Option<Amount>,
    /// How often it may still be put off, as nothing is captured yet.
    pub waits: u8,
}

impl RefundOperation {
    #[must_use]
    pub const fn new(placement: usize, key: u8, amount: Option<Amount>) -> Self {
        Self { placement, key, amount, waits: 30 }
    }
}

type RandomOperation = fn(&mut Rng, &Workload) -> Operation;

/// What may follow a placement: the chance in a hundred, and a random operation.
const FOLLOWING: [(u8, RandomOperation); 7] = [
    (45, |rng, workload| Operation::Cancel {
        placement: rng.usize(..workload.placements.len()),
        by_supervisor: rng.bool(),
    }),
    (20, |rng, workload| Operation::AdjustStock {
        product: rng.usize(..workload.products.len()),
        quantity: if rng.bool() { rng.i64(1..8) } else { rng.i64(-4..0) },
        key: format!("adjustment {}", rng.u8(..3)),
    }),
    (10, |rng, workload| Operation::ChangeProduct(rng.usize(..workload.products.len()))),
    (6, |rng, workload| Operation::WithdrawProduct(rng.usize(..workload.products.len()))),
    (6, |rng, workload| Operation::PlaceOther(rng.usize(..workload.placements.len()))),
    (8, |rng, workload| Operation::UnregisterBuyer(rng.usize(..workload.buyers.len()))),
    (20, |rng, workload| {
        let placement = rng.usize(..workload.placements.len());
        Operation::GrantRefund(RefundOperation::new(placement, rng.u8(..2), None))
    }),
];

/// The operations of a run, in the order in which they begin, and what they are about.
#[derive(Debug, Clone, Default)]
pub struct Workload {
    /// How long after a failure a buyer may pay again.
    pub retry_window: Duration,
    pub products: Vec<Product>,
    pub buyers: Vec<UserId>,
    pub placements: Vec<Placement>,
    pub operations: Vec<Operation>,
}

impl Workload {
    /// A random workload of at most `max_orders` orders.
    pub fn random(rng: &mut Rng, max_orders: usize) -> Self {
        let retry_window = Duration::from_secs(RETRY_WINDOWS[rng.usize(..RETRY_WINDOWS.len())]);
        let mut workload = Self { retry_window, ..Self::default() };
        for number in 0..rng.usize(1..=3) {
            workload.products.push(Product {
                id: ProductId::derive(&[&number.to_be_bytes()]),
                seller: SellerId::derive(&[&rng.usize(0..2).to_be_bytes()]),
                price: amount(rng.i64(1..3_000)),
                initial_stock: if rng.u8(..4) == 0 { rng.u32(0..6) } else { rng.u32(6..80) },
                status: ProductStatus::Sell,
                version: 1,
            });
            workload.operations.push(Operation::RegisterProduct(number));
        }
        for number in 0..rng.usize(1..=3) {
            workload.buyers.push(UserId::derive(&[&number.to_be_bytes()]));
        }
        // Some have few orders with long lives, so that lines get as far as their returns.
        let (orders, operations) = match rng.u8(..4) {
            0 => (max_orders.min(3), MOST_LINE_OPERATIONS),
            _ => (max_orders, 8),
        };
        for _ in 0..rng.usize(1..=orders.max(1)) {
            workload.add_order(rng, operations);
        }
        workload
    }

    /// A workload of one order with this payment method.
    #[must_use]
    pub fn single(method: &str, quantity: i64, stock: u32) -> Self {
        let product = Product {
            id: ProductId::derive(&[b"product"]),
            seller: SellerId::derive(&[b"seller"]),
            price: amount(1_000),
            initial_stock: stock,
            status: ProductStatus::Sell,
            version: 1,
        };
        let buyer = UserId::derive(&[b"buyer"]);
        let lines = vec![line(product.id, quantity)];
        Self {
            retry_window: Duration::ZERO,
            products: vec![product],
            buyers: vec![buyer],
            placements: vec![placement(buyer, "key".to_owned(), lines, method)],
            operations: vec![Operation::RegisterProduct(0), Operation::Place(0)],
        }
    }

    fn add_order(&mut self, rng: &mut Rng, operations: usize) {
        let buyer = self.buyers[rng.usize(..self.buyers.len())];
        // Several lines may have the same product: what counts is their sum.
        let lines = (0..rng.usize(1..=3))
            .map(|_| line(self.products[rng.usize(..self.products.len())].id, rng.i64(1..5)))
            .collect();
        let number = self.placements.len();
        let method = METHODS[rng.usize(..METHODS.len())];
        self.placements.push(placement(buyer, format!("key {number}"), lines, method));
        for _ in 0..if rng.u8(..8) == 0 { 2 } else { 1 } {
            self.operations.push(Operation::Place(number));
        }
        let lines = if rng.u8(..3) == 0 { 0 } else { rng.usize(1..=operations) };
        for _ in 0..lines {
            let placement = rng.usize(..self.placements.len());
            let operation = LineOperation::new(placement, rng.u32(..), None);
            self.operations.push(Operation::Line(operation));
            let operation = DeliveryOperation::new(placement, rng.u32(..), None);
            self.operations.push(Operation::Deliver(operation));
        }
        let attempts = if self.retry_window.is_zero() { 0 } else { rng.usize(0..=3) };
        for _ in 0..attempts {
            let placement = rng.usize(..self.placements.len());
            let method = METHODS[rng.usize(..METHODS.len())];
            let operation = PaymentOperation::new(placement, rng.u8(..3), method);
            self.operations.push(Operation::PayAgain(operation));
        }
        for (chance, operation) in FOLLOWING {
            if rng.u8(..100) < chance {
                let operation = operation(rng, self);
                self.operations.push(operation);
            }
        }
    }

    /// The event of a product's registration in catalog.
    #[must_use]
    pub fn registered(&self, product: usize, now: Timestamp) -> Event {
        let product = self.products[product];
        let payload = ProductRegistered {
            product_id: product.id,
            seller_id: product.seller,
            item_id: ItemId::derive(&[b"item"]),
            title: "thing".to_owned(),
            price: product.price,
            initial_stock: product.initial_stock,
            flash_sale: false,
            status: ProductStatus::Sell,
        };
        Event::new(&payload, 1, 0, now, &EventContext::default())
    }

    /// The event of a change of a product's price and status in catalog.
    pub fn changed(
        &mut self,
        product: usize,
        price: Amount,
        status: ProductStatus,
        now: Timestamp,
    ) -> Event {
        let product = &mut self.products[product];
        product.price = price;
        product.status = status;
        product.version += 1;
        let payload = ProductChanged {
            product_id: product.id,
            seller_id: product.seller,
            title: "thing".to_owned(),
            price,
            status,
        };
        Event::new(&payload, product.version, 0, now, &EventContext::default())
    }

    /// The event of a buyer's unregistration in accounts.
    #[must_use]
    pub fn unregistered(&self, buyer: usize, now: Timestamp) -> Event {
        let payload = UserUnregistered { user_id: self.buyers[buyer] };
        Event::new(&payload, 2, 0, now, &EventContext::default())
    }
}

fn placement(buyer: UserId, key: String, lines: Vec<RequestedLine>, method: &str) -> Placement {
    let request = OrderRequest {
        lines,
        address: ShippingAddress::Inline(address()),
        payment_method: PaymentMethod::parse(method).expect("a payment method"),
        expected_total: None,
    };
    let order = order_id(buyer, &key);
    Placement { buyer, key, request, order, attempts: 6, response: None, refused: false }
}

fn line(product_id: ProductId, quantity: i64) -> RequestedLine {
    RequestedLine { product_id, quantity: Quantity::new(quantity).expect("a quantity") }
}

pub(crate) fn amount(minor_units: i64) -> Amount {
    Amount::new(minor_units).expect("an amount")
}

fn address() -> Address {
    let text = |text| Text::parse(text).expect("a text");
    Address {
        receiver: Text::parse("Kim Example").expect("a text"),
        line1: Text::parse("1 Test Street").expect("a text"),
        line2: None,
        zipcode: text("12345"),
        phone: Phone::parse("+491701234567").expect("a phone number"),
        drop_off: DropOff::Own,
        note: None,
    }
}

/// The shop's terms in every run, without limits of placements.
#[must_use]
pub fn placement_terms() -> PlacementTerms {
    let pricing = PricingTerms {
        currency: Currency::parse("EUR").expect("a currency"),
        shipping_fee: amount(299),
        free_shipping_from: amount(5_000),
        pending_deadline: Duration::from_secs(900),
        lines: LineTerms::default(),
    };
    let limits =
        PlacementLimits { placements: 0, window: pricing.pending_deadline, failed_payments: 0 };
    PlacementTerms { pricing, limits }
}
