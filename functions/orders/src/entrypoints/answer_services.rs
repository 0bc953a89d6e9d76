use crate::{
    adapters::dynamodb::DynamoOrders,
    application::internal_api::{has_open_orders, order_address, recent_orders},
    domain::order::Order,
    ports::OpenLineReader,
};
use rialto_contracts::internal::orders::{OrdersRequest, RecentOrder};
use rialto_lambda::{
    boot::Failure,
    internal::{self, reply},
};
use serde_json::Value;

pub fn main() {
    internal::serve("orders-answer-services", |app| {
        internal::handler(DynamoOrders::open(app), handle)
    });
}

async fn handle(store: DynamoOrders, request: OrdersRequest) -> Result<Value, Failure> {
    match request {
        OrdersRequest::RecentOrders(request) => {
            let orders = recent_orders(&store, request.user_id).await?;
            reply(&request, &orders.iter().map(recent_order).collect())
        }
        OrdersRequest::OpenOrders(request) => {
            reply(&request, &has_open_orders(&store, request.user_id).await?)
        }
        OrdersRequest::HasOpenLines(request) => {
            reply(&request, &store.has_open_lines(request.seller_id).await?)
        }
        OrdersRequest::GetOrderAddress(request) => {
            reply(&request, &order_address(&store, request.order_id).await?)
        }
    }
}

fn recent_order(order: &Order) -> RecentOrder {
    RecentOrder {
        order_id: order.order_id,
        state: order.state.as_str().to_owned(),
        total: order.total,
        currency: order.currency,
        created_at: order.created_at,
    }
}
