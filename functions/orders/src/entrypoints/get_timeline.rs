use super::views::requester;
use crate::{
    adapters::dynamodb::DynamoOrders, application::get_timeline::get_timeline,
    domain::timeline::TimelineEntry,
};
use rialto_kernel::{EventId, OrderId, Timestamp};
use rialto_lambda::http::{self, Data, Problem, Request, Response};
use serde::Serialize;
use utoipa::ToSchema;

pub fn main() {
    http::serve("orders-get-timeline", |app| http::handler(DynamoOrders::open(app), handle));
}

/// One event of an order's saga.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TimelineEntry)]
pub struct TimelineEntryBody {
    pub id: EventId,
    /// The event type, such as `OrderPlaced`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The publishing service, such as `rialto.orders`.
    pub source: String,
    pub time: Timestamp,
    /// The event that caused this one.
    pub causationid: Option<EventId>,
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}

impl From<TimelineEntry> for TimelineEntryBody {
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

/// Get an order's timeline
///
/// Every event of its saga, causes before effects. For its buyer and supervisors.
#[utoipa::path(
    get, path = "/orders/{order_id}/timeline",
    params(("order_id" = OrderId, Path)),
    responses((status = 200, body = Data<Vec<TimelineEntryBody>>)),
)]
pub(crate) async fn handle(store: DynamoOrders, request: Request) -> Result<Response, Problem> {
    let requester = requester(request.caller()?);
    let entries = get_timeline(&store, request.path("order_id")?, requester).await?;
    Ok(Response::ok(&entries.into_iter().map(TimelineEntryBody::from).collect::<Vec<_>>()))
}
