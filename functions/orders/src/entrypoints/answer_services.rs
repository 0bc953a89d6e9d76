use crate::{
    adapters::dynamodb::DynamoOrders,
    application::answer_services::{has_open_orders, recent_orders},
    domain::order::Order,
    ports::OpenLineReader,
};
use rialto_contracts::internal::orders::{OrdersRequest, RecentOrder};
use rialto_lambda::{
    FunctionContext,
    boot::Failure,
    internal::{self, reply},
};
use serde_json::Value;
use std::sync::Arc;

pub fn main() {
    internal::answer("orders-answer-services", build);
}

fn build(app: &FunctionContext) -> internal::Handler<OrdersRequest> {
    let store = DynamoOrders::open(app);
    Arc::new(move |question| {
        let store = store.clone();
        Box::pin(async move { handle(&store, question).await })
    })
}

async fn handle(store: &DynamoOrders, question: OrdersRequest) -> Result<Value, Failure> {
    match question {
        OrdersRequest::RecentOrders(asked) => {
            let orders = recent_orders(store, asked.user_id).await?;
            reply(&asked, &orders.iter().map(recent).collect())
        }
        OrdersRequest::OpenOrders(asked) => {
            reply(&asked, &has_open_orders(store, asked.user_id).await?)
        }
        OrdersRequest::HasOpenLines(asked) => {
            reply(&asked, &store.has_open_lines(asked.seller_id).await?)
        }
    }
}

fn recent(order: &Order) -> RecentOrder {
    RecentOrder {
        order_id: order.order_id,
        state: order.state.as_str().to_owned(),
        total: order.total,
        currency: order.currency,
        created_at: order.created_at,
    }
}
