use super::views::{DeliveryBody, write_context};
use crate::{adapters::dynamodb::DynamoDelivery, application::confirm_receipt::confirm_receipt};
use rialto_kernel::DeliveryId;
use rialto_lambda::http::{self, Data, Problem, ProblemBody, Request, Response};

pub fn main() {
    http::serve("delivery-confirm-receipt", |app| http::handler(DynamoDelivery::open(app), handle));
}

/// Confirm a receipt
///
/// From DELIVERED to CONFIRMED; in any other state it fails with that `state`. For the buyer and
/// supervisors.
#[utoipa::path(
    post, path = "/deliveries/{delivery_id}/receipt",
    params(("delivery_id" = DeliveryId, Path)),
    responses(
        (status = 200, body = Data<DeliveryBody>),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
            description = "`illegal_transition` (with `state`)"),
    ),
)]
pub(crate) async fn handle(store: DynamoDelivery, request: Request) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let id = request.path("delivery_id")?;
    let is_buyer = |user| caller.acts_for_user(user);
    let delivery = confirm_receipt(&store, id, is_buyer, &write_context(&request)).await?;
    Ok(Response::ok(&DeliveryBody::from(&delivery)))
}
