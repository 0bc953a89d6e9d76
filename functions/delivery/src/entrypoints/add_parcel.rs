use super::{
    deadlines_state::DeadlinesState,
    views::{Carrier, ParcelBody, TrackingNumber, write_context},
};
use crate::{
    application::add_parcel::{AddParcel, AddParcelError, add_parcel},
    domain::delivery::DeliveryState,
};
use rialto_kernel::{DeliveryId, FieldError, Fields, Invalid, SellerId};
use rialto_lambda::http::{self, Data, Problem, ProblemBody, ProblemCode, Request, Response};
use serde::Deserialize;
use utoipa::ToSchema;

/// The deliveries that a request can send in one parcel.
const MAX_DELIVERIES: usize = 20;

pub fn main() {
    http::serve("delivery-add-parcel", |app| http::handler(DeadlinesState::open(app), handle));
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddParcelRequest {
    /// Distinct deliveries of one order, all PREPARED and accepted.
    #[schema(value_type = Vec<DeliveryId>, min_items = 1, max_items = 20)]
    delivery_ids: Vec<String>,
    #[schema(value_type = Carrier, inline)]
    carrier: String,
    #[schema(value_type = TrackingNumber, inline)]
    tracking_number: String,
}

impl AddParcelRequest {
    fn parse(self, seller_id: SellerId, idempotency_key: &str) -> Result<AddParcel<'_>, Invalid> {
        let mut fields = Fields::default();
        if self.delivery_ids.is_empty() || self.delivery_ids.len() > MAX_DELIVERIES {
            fields.reject("delivery_ids", format!("must be 1 to {MAX_DELIVERIES}"));
        }
        let mut delivery_ids = Vec::new();
        for (index, id) in self.delivery_ids.iter().enumerate().take(MAX_DELIVERIES) {
            let field = format!("delivery_ids[{index}]");
            let Some(id) = fields.field(&field, DeliveryId::parse(id)) else { continue };
            if delivery_ids.contains(&id) {
                fields.reject(field, "must be given once");
            }
            delivery_ids.push(id);
        }
        let carrier = fields.field("carrier", Carrier::parse(&self.carrier));
        let number = fields.field("tracking_number", TrackingNumber::parse(&self.tracking_number));
        let request = carrier.zip(number).map(|(carrier, number)| AddParcel {
            seller_id,
            idempotency_key,
            delivery_ids,
            carrier: carrier.into_string(),
            tracking_number: number.into_string(),
        });
        fields.build(request)
    }
}

/// Send deliveries in a parcel
///
/// All of them become DELIVERING, or none. Requests with the same Idempotency-Key make one parcel.
/// For the seller and supervisors.
#[utoipa::path(
    post, path = "/sellers/{seller_id}/parcels",
    params(
        ("seller_id" = SellerId, Path),
        ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255),
    ),
    request_body = AddParcelRequest,
    responses(
        (status = 201, body = Data<ParcelBody>,
            headers(("Location" = String), ("Idempotent-Replayed" = Option<bool>))),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
            description = "`illegal_transition`, with the deliveries that can't start in `errors`"),
    ),
)]
pub(crate) async fn handle(state: DeadlinesState, request: Request) -> Result<Response, Problem> {
    let seller = request.path("seller_id")?;
    let key = request.idempotency_key()?;
    let command = request.json::<AddParcelRequest>()?.parse(seller, key)?;
    let deadlines = state.deadlines().await.map_err(Problem::unavailable)?;
    let added = add_parcel(&state.store, &command, &deadlines, &write_context(&request)).await?;
    let location = format!("../../parcels/{}", added.view.parcel.parcel_id);
    let response = Response::created(location, &ParcelBody::from(&added.view));
    Ok(if added.replayed { response.header("Idempotent-Replayed", "true") } else { response })
}

impl From<AddParcelError> for Problem {
    fn from(error: AddParcelError) -> Self {
        match error {
            AddParcelError::NotFound => Self::not_found(),
            AddParcelError::OtherOrder(indices) => {
                let errors = indices.into_iter().map(|index| FieldError {
                    field: format!("delivery_ids[{index}]"),
                    message: "must be of the same order as the first".to_owned(),
                });
                Invalid(errors.collect()).into()
            }
            AddParcelError::IllegalTransition(refused) => {
                let first = refused.first().map(|(_, state)| *state);
                let errors = refused.into_iter().map(|(index, state)| FieldError {
                    field: format!("delivery_ids[{index}]"),
                    message: refusal(state),
                });
                Self::new(ProblemCode::IllegalTransition)
                    .with("state", first)
                    .errors(Invalid(errors.collect()))
            }
            AddParcelError::KeyReused => Self::new(ProblemCode::KeyReused),
            AddParcelError::Store(error) => error.into(),
        }
    }
}

fn refusal(state: DeliveryState) -> String {
    match state {
        DeliveryState::Prepared => "is PREPARED, but not accepted yet".to_owned(),
        state => format!("is {}", state.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn invalid_fields(body: serde_json::Value) -> Vec<String> {
        let request: AddParcelRequest = serde_json::from_value(body).unwrap();
        let invalid = request.parse(SellerId::derive(&[b"s"]), "key").unwrap_err();
        invalid.0.into_iter().map(|bad| bad.field).collect()
    }

    #[test]
    fn delivery_ids_are_distinct() {
        let id = DeliveryId::derive(&[b"d"]);
        let body = |ids: &[String]| json!({ "delivery_ids": ids, "carrier": "DHL", "tracking_number": "1" });
        assert_eq!(
            invalid_fields(body(&[id.to_string(), id.to_string(), "x".to_owned()])),
            ["delivery_ids[1]", "delivery_ids[2]"]
        );
        assert_eq!(invalid_fields(body(&[])), ["delivery_ids"]);
        let many: Vec<_> = (0..21_u8).map(|at| DeliveryId::derive(&[&[at]]).to_string()).collect();
        assert_eq!(invalid_fields(body(&many)), ["delivery_ids"]);
    }

    #[test]
    fn refused_deliveries_are_named_with_their_state() {
        let refused = vec![(1, DeliveryState::Held), (3, DeliveryState::Prepared)];
        let problem = Problem::from(AddParcelError::IllegalTransition(refused));
        assert_eq!(problem.code, ProblemCode::IllegalTransition);
        let text = format!("{problem:?}");
        assert!(text.contains("delivery_ids[1]") && text.contains("is HELD"), "{text}");
        assert!(text.contains("is PREPARED, but not accepted yet"), "{text}");
    }
}
