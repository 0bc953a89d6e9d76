use super::get_order::viewer;
use crate::{
    adapters::dynamodb::DynamoOrders, application::get_timeline::get_timeline,
    domain::timeline::TimelineEntry,
};
use rialto_kernel::{EventId, OrderId, Timestamp};
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Problem, Request, Response},
};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

pub fn main() {
    http::serve("orders-get-timeline", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let store = DynamoOrders::open(app);
    Arc::new(move |request| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &request).await })
    })
}

/// One event of an order's saga.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TimelineEntry)]
pub struct EntryBody {
    pub id: EventId,
    /// Such as `OrderPlaced`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The service that it comes from, such as `rialto.orders`.
    pub source: String,
    pub time: Timestamp,
    /// The event that led to this one.
    pub causationid: Option<EventId>,
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}

impl From<TimelineEntry> for EntryBody {
    fn from(entry: TimelineEntry) -> Self {
        Self {
            id: entry.id,
            kind: entry.kind,
            source: entry.source,
            time: entry.time,
            causationid: entry.causationid,
            data: entry.data,
        }
    }
}

/// Read an order's timeline
///
/// Every event of its saga, causes before effects. For its buyer and supervisors.
#[utoipa::path(
    get, path = "/orders/{order_id}/timeline",
    params(("order_id" = OrderId, Path)),
    responses((status = 200, body = Data<Vec<EntryBody>>)),
)]
pub(crate) async fn handle(store: &DynamoOrders, request: &Request) -> Result<Response, Problem> {
    let viewer = viewer(request.caller()?);
    let entries = get_timeline(store, request.path("order_id")?, viewer).await?;
    Ok(Response::ok(&entries.into_iter().map(EntryBody::from).collect::<Vec<_>>()))
}
