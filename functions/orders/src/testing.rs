//! What the unit tests of several modules begin with.

use crate::domain::{
    order::{Order, OrderUpdate},
    product::Product,
    quote::{PricingTerms, Quote},
    request::{OrderRequest, PaymentMethod, RequestedLine},
};
use rialto_contracts::{EventContext, catalog::ProductStatus};
use rialto_kernel::{
    Address, Amount, Currency, DropOff, OrderId, Phone, ProductId, Quantity, SellerId, Text,
    Timestamp, UserId,
};
use std::{collections::HashMap, time::Duration};

pub(crate) fn terms() -> PricingTerms {
    PricingTerms {
        currency: Currency::parse("EUR").unwrap(),
        shipping_fee: Amount::new(300).unwrap(),
        free_shipping_from: Amount::new(5_000).unwrap(),
        pending_deadline: Duration::from_secs(900),
    }
}

pub(crate) fn product() -> Product {
    Product {
        product_id: ProductId::derive(&[b"p"]),
        seller_id: SellerId::derive(&[b"s"]),
        title: "thing".to_owned(),
        price: Amount::new(1_000).unwrap(),
        status: ProductStatus::Sell,
        version: 1,
    }
}

pub(crate) fn request(quantity: i64) -> OrderRequest {
    OrderRequest {
        lines: vec![RequestedLine {
            product_id: product().product_id,
            quantity: Quantity::new(quantity).unwrap(),
        }],
        address: Address {
            receiver: Text::parse("Kim Example").unwrap(),
            line1: Text::parse("1 Test Street").unwrap(),
            line2: None,
            zipcode: Text::parse("12345").unwrap(),
            phone: Phone::parse("+491701234567").unwrap(),
            drop_off: DropOff::Door,
            note: None,
        },
        payment_method: PaymentMethod::parse("pm_card_visa").unwrap(),
        expected_total: None,
    }
}

pub(crate) fn order() -> OrderUpdate {
    let request = request(2);
    let products = HashMap::from([(product().product_id, product())]);
    let quote = Quote::new(&request.lines, &products, &terms()).unwrap();
    let (order, user) = (OrderId::derive(&[b"o"]), UserId::derive(&[b"u"]));
    Order::place(
        order,
        user,
        &request,
        quote,
        &terms(),
        Timestamp::from_millis(1_000),
        &EventContext::default(),
    )
}
