//! Response bodies that several routes share, and the requester of an order.

use crate::{
    application::get_order::{OrderView, Requester},
    domain::{
        line::{OrderLine, ReturnRequest},
        order::{Order, OrderState},
    },
};
use rialto_contracts::orders::{CancelReason, OrderLineState};
use rialto_kernel::{
    Address, Amount, Currency, DropOff, OrderId, OrderNumber, ProductId, Quantity, SellerId,
    Timestamp, UserId,
};
use rialto_lambda::caller::{Account, Caller};
use serde::Serialize;
use utoipa::ToSchema;

/// An order. Amounts are in minor units of `currency`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub struct OrderBody {
    pub order_id: OrderId,
    /// For people: nearly unique.
    pub order_number: OrderNumber,
    pub user_id: UserId,
    pub state: OrderState,
    /// The reason of the cancellation, if it is CANCELLED.
    pub reason: Option<CancelReason>,
    /// A seller sees only its own lines.
    pub lines: Vec<OrderLineBody>,
    /// Omitted for sellers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipping_fee: Option<Amount>,
    /// Omitted for sellers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Amount>,
    pub currency: Currency,
    /// Omitted for sellers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<String>,
    /// Omitted for sellers, and once the order is closed and its buyer is unregistered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<AddressBody>,
    pub created_at: Timestamp,
    /// The deadline after which a PENDING order is cancelled.
    pub expires_at: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Line)]
pub struct OrderLineBody {
    /// The line's number within the order, from 1.
    pub line_no: u32,
    /// The number of the line as it was placed, of which this one is a part.
    pub root: u32,
    pub product_id: ProductId,
    pub seller_id: SellerId,
    pub title: String,
    pub quantity: Quantity,
    pub unit_price: Amount,
    /// The line's price with its part of the shipping fee.
    pub share: Amount,
    pub state: OrderLineState,
    /// The buyer's review of the line, if any.
    pub review_id: Option<String>,
    /// The last return request, if any.
    #[serde(rename = "return", skip_serializing_if = "Option::is_none")]
    pub return_request: Option<LineReturnBody>,
}

/// A return request of a line.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LineReturn)]
pub struct LineReturnBody {
    pub requested_at: Timestamp,
    /// The buyer's reason. Omitted once the seller declined the return.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The seller's reason for declining it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decline_reason: Option<String>,
    /// The amount to refund, once it is RETURNED.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund: Option<Amount>,
}

impl From<&ReturnRequest> for LineReturnBody {
    fn from(request: &ReturnRequest) -> Self {
        Self {
            requested_at: request.requested_at,
            reason: request.reason.as_ref().map(ToString::to_string),
            decline_reason: request.decline_reason.as_ref().map(ToString::to_string),
            refund: request.outcome.map(|outcome| outcome.refund),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Address)]
pub struct AddressBody {
    pub receiver: String,
    pub line1: String,
    pub line2: Option<String>,
    pub zipcode: String,
    pub phone: String,
    pub drop_off: DropOff,
    pub note: Option<String>,
}

impl From<&Address> for AddressBody {
    fn from(address: &Address) -> Self {
        Self {
            receiver: address.receiver.to_string(),
            line1: address.line1.to_string(),
            line2: address.line2.as_ref().map(ToString::to_string),
            zipcode: address.zipcode.to_string(),
            phone: address.phone.as_str().to_owned(),
            drop_off: address.drop_off,
            note: address.note.as_ref().map(ToString::to_string),
        }
    }
}

impl From<&OrderLine> for OrderLineBody {
    fn from(line: &OrderLine) -> Self {
        Self {
            line_no: line.line_no,
            root: line.root(),
            product_id: line.product_id,
            seller_id: line.seller_id,
            title: line.title.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price,
            share: line.share,
            state: line.state,
            review_id: None,
            return_request: line.return_request.as_ref().map(LineReturnBody::from),
        }
    }
}

impl From<&Order> for OrderBody {
    fn from(order: &Order) -> Self {
        Self {
            order_id: order.order_id,
            order_number: order.number(),
            user_id: order.user_id,
            state: order.state,
            reason: order.reason,
            lines: order.lines.iter().map(OrderLineBody::from).collect(),
            shipping_fee: Some(order.shipping_fee),
            total: Some(order.total),
            currency: order.currency,
            payment_method: Some(order.payment_method.clone()),
            address: order.address.as_ref().map(AddressBody::from),
            created_at: order.created_at,
            expires_at: order.expires_at,
        }
    }
}

impl From<&OrderView> for OrderBody {
    fn from(view: &OrderView) -> Self {
        match view {
            OrderView::Full(order) => order.into(),
            OrderView::SellerLines(order) => Self {
                shipping_fee: None,
                total: None,
                payment_method: None,
                address: None,
                ..order.into()
            },
        }
    }
}

/// The caller's role towards an order.
pub(crate) fn requester(caller: Caller) -> Requester {
    match caller.account {
        Account::User(user) => Requester::Buyer(user),
        Account::Seller(seller) => Requester::Seller(seller),
        Account::Supervisor(_) => Requester::Supervisor,
    }
}
