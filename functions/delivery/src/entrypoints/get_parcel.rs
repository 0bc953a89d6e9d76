use super::views::ParcelBody;
use crate::{
    adapters::dynamodb::DynamoDelivery,
    application::get_parcel::{ParcelError, get_parcel},
};
use rialto_kernel::ParcelId;
use rialto_lambda::http::{self, Data, Problem, Request, Response};

pub fn main() {
    http::serve("delivery-get-parcel", |app| http::handler(DynamoDelivery::open(app), handle));
}

/// Get a parcel
///
/// With its deliveries. For its buyer, its seller and supervisors.
#[utoipa::path(
    get, path = "/parcels/{parcel_id}",
    params(("parcel_id" = ParcelId, Path)),
    responses(
        (status = 200, body = Data<ParcelBody>, headers(
            ("ETag" = String, description = "Changes with what the seller can change."),
        )),
    ),
)]
pub(crate) async fn handle(store: DynamoDelivery, request: Request) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let may_see = |user, seller| caller.acts_for_user(user) || caller.acts_for_seller(seller);
    let view = get_parcel(&store, request.path("parcel_id")?, may_see).await?;
    Ok(Response::ok(&ParcelBody::from(&view)).etag(&view.etag()))
}

impl From<ParcelError> for Problem {
    fn from(error: ParcelError) -> Self {
        match error {
            ParcelError::NotFound => Self::not_found(),
            ParcelError::Changed(error) => error.into(),
            ParcelError::Store(error) => error.into(),
        }
    }
}
