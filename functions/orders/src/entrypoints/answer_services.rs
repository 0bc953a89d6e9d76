use crate::{
    adapters::dynamodb::DynamoOrders,
    application::answer_services::{has_open_orders, recent_orders},
    domain::order::Order,
    ports::OpenLines,
};
use rialto_contracts::internal::orders::{Questions, RecentOrder};
use rialto_lambda::{
    App,
    boot::Failure,
    internal::{self, reply},
};
use serde_json::Value;
use std::sync::Arc;

pub fn main() {
    internal::answer("orders-answer-services", build);
}

fn build(app: &App) -> internal::Handler<Questions> {
    let store = DynamoOrders::open(app);
    Arc::new(move |question| {
        let store = store.clone();
        Box::pin(async move { handle(&store, question).await })
    })
}

async fn handle(store: &DynamoOrders, question: Questions) -> Result<Value, Failure> {
    match question {
        Questions::RecentOrders(asked) => {
            let orders = recent_orders(store, asked.user_id).await?;
            reply(&asked, &orders.iter().map(recent).collect())
        }
        Questions::OpenOrders(asked) => {
            reply(&asked, &has_open_orders(store, asked.user_id).await?)
        }
        Questions::OpenLines(asked) => reply(&asked, &store.has_open_lines(asked.seller_id).await?),
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
