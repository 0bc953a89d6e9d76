use crate::{
    adapters::dynamodb::DynamoOrders,
    application::get_order::{GetOrderError, OrderView, Requester, get_order},
    domain::order::{Line, LineState, Order, OrderState},
};
use rialto_contracts::orders::CancelReason;
use rialto_kernel::{
    Address, Amount, Currency, DropOff, OrderId, ProductId, Quantity, SellerId, Timestamp, UserId,
};
use rialto_lambda::{
    FunctionContext,
    caller::{Account, Caller},
    http::{self, Data, Problem, Request, Response},
};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

pub fn main() {
    http::serve("orders-get-order", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let store = DynamoOrders::open(app);
    Arc::new(move |request| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &request).await })
    })
}

/// An order. Money is in minor units of `currency`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub struct OrderBody {
    pub order_id: OrderId,
    pub user_id: UserId,
    pub state: OrderState,
    /// Why it was cancelled, if it was.
    pub reason: Option<CancelReason>,
    /// To a seller, only that seller's.
    pub lines: Vec<LineBody>,
    /// Not shown to sellers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipping_fee: Option<Amount>,
    /// Not shown to sellers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Amount>,
    pub currency: Currency,
    /// Not shown to sellers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<String>,
    /// Not shown to sellers. None once the order has ended and its buyer is unregistered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<AddressBody>,
    pub created_at: Timestamp,
    /// A PENDING order is cancelled then.
    pub expires_at: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Line)]
pub struct LineBody {
    /// From 1.
    pub line_no: u32,
    pub product_id: ProductId,
    pub seller_id: SellerId,
    pub title: String,
    pub quantity: Quantity,
    pub unit_price: Amount,
    /// The line's price with its part of the shipping fee.
    pub share: Amount,
    pub state: LineState,
    /// The buyer's review of it, once there is one.
    pub review_id: Option<String>,
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

impl From<&Line> for LineBody {
    fn from(line: &Line) -> Self {
        Self {
            line_no: line.line_no,
            product_id: line.product_id,
            seller_id: line.seller_id,
            title: line.title.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price,
            share: line.share,
            state: line.state,
            review_id: None,
        }
    }
}

impl From<&Order> for OrderBody {
    fn from(order: &Order) -> Self {
        Self {
            order_id: order.order_id,
            user_id: order.user_id,
            state: order.state,
            reason: order.reason,
            lines: order.lines.iter().map(LineBody::from).collect(),
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
    fn from(visible: &OrderView) -> Self {
        match visible {
            OrderView::Whole(order) => order.into(),
            OrderView::Lines(order) => Self {
                shipping_fee: None,
                total: None,
                payment_method: None,
                address: None,
                ..order.into()
            },
        }
    }
}

/// Read an order
///
/// For its buyer; for a seller in it (own lines only, from CONFIRMED on); for supervisors.
#[utoipa::path(
    get, path = "/orders/{order_id}",
    params(("order_id" = OrderId, Path)),
    responses((status = 200, body = Data<OrderBody>)),
)]
pub(crate) async fn handle(store: &DynamoOrders, request: &Request) -> Result<Response, Problem> {
    let viewer = viewer(request.caller()?);
    let visible = get_order(store, request.path("order_id")?, viewer).await?;
    Ok(Response::ok(&OrderBody::from(&visible)))
}

pub(crate) fn viewer(caller: Caller) -> Requester {
    match caller.account {
        Account::User(user) => Requester::Buyer(user),
        Account::Seller(seller) => Requester::Seller(seller),
        Account::Supervisor(_) => Requester::Supervisor,
    }
}

impl From<GetOrderError> for Problem {
    fn from(error: GetOrderError) -> Self {
        match error {
            GetOrderError::NotFound => Self::not_found(),
            GetOrderError::Store(error) => error.into(),
        }
    }
}
