use super::{
    deadlines_state::DeadlinesState,
    views::{ParcelBody, write_context},
};
use crate::application::set_parcel_status::set_parcel_delivered;
use rialto_kernel::ParcelId;
use rialto_lambda::http::{self, Data, Problem, Request, Response};
use serde::Deserialize;
use utoipa::ToSchema;

pub fn main() {
    http::serve("delivery-set-parcel-status", |app| {
        http::handler(DeadlinesState::open(app), handle)
    });
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetParcelStatusRequest {
    #[serde(rename = "status")]
    _status: ParcelStatusName,
}

/// The only status that is set for a whole parcel.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = ParcelStatus)]
enum ParcelStatusName {
    Delivered,
}

/// Set a parcel's status
///
/// DELIVERED moves its deliveries that are DELIVERING and leaves the others; again it changes
/// nothing. For its seller and supervisors.
#[utoipa::path(
    put, path = "/parcels/{parcel_id}/status",
    params(
        ("parcel_id" = ParcelId, Path),
        ("If-Match" = Option<String>, Header,
            description = "`*` or a list of the parcel's entity tags: 412 if it has another one."),
    ),
    request_body = SetParcelStatusRequest,
    responses(
        (status = 200, body = Data<ParcelBody>, headers(
            ("ETag" = String, description = "Changes with what the seller can change."),
        )),
    ),
)]
pub(crate) async fn handle(state: DeadlinesState, request: Request) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let parcel = request.path("parcel_id")?;
    request.json::<SetParcelStatusRequest>()?;
    let if_match = request.if_match()?;
    let deadlines = state.deadlines().await.map_err(Problem::unavailable)?;
    let is_seller = |seller| caller.acts_for_seller(seller);
    let write = write_context(&request);
    let view = set_parcel_delivered(&state.store, parcel, &if_match, is_seller, &deadlines, &write)
        .await?;
    Ok(Response::ok(&ParcelBody::from(&view)).etag(&view.etag()))
}
