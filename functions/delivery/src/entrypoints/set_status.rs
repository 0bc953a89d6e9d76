use super::{
    deadlines_state::DeadlinesState,
    views::{Carrier, DeliveryBody, TrackingNumber, write_context},
};
use crate::application::{
    change_delivery::ChangeDeliveryError,
    set_status::{ReportedStatus, set_status},
};
use rialto_kernel::{DeliveryId, Fields, Invalid};
use rialto_lambda::http::{self, Data, Problem, ProblemBody, ProblemCode, Request, Response};
use serde::Deserialize;
use utoipa::ToSchema;

pub fn main() {
    http::serve("delivery-set-status", |app| http::handler(DeadlinesState::open(app), handle));
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetDeliveryStatusRequest {
    status: ReportedStatusName,
    /// Required for DELIVERING only.
    #[schema(value_type = Option<Carrier>, inline)]
    carrier: Option<String>,
    /// Required for DELIVERING only.
    #[schema(value_type = Option<TrackingNumber>, inline)]
    tracking_number: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = ReportedStatus)]
enum ReportedStatusName {
    Delivering,
    Delivered,
}

impl SetDeliveryStatusRequest {
    fn parse(self) -> Result<ReportedStatus, Invalid> {
        let mut fields = Fields::default();
        let status = match self.status {
            ReportedStatusName::Delivering => {
                let carrier = self
                    .carrier
                    .ok_or("is required".to_owned())
                    .and_then(|text| Carrier::parse(&text).map_err(|error| error.to_string()));
                let carrier = fields.field("carrier", carrier);
                let number =
                    self.tracking_number.ok_or("is required".to_owned()).and_then(|text| {
                        TrackingNumber::parse(&text).map_err(|error| error.to_string())
                    });
                let number = fields.field("tracking_number", number);
                carrier.zip(number).map(|(carrier, number)| ReportedStatus::Delivering {
                    carrier: carrier.into_string(),
                    tracking_number: number.into_string(),
                })
            }
            ReportedStatusName::Delivered => {
                let given = [
                    ("carrier", self.carrier.is_some()),
                    ("tracking_number", self.tracking_number.is_some()),
                ];
                for (field, _) in given.into_iter().filter(|(_, given)| *given) {
                    fields.reject(field, "is for DELIVERING only");
                }
                Some(ReportedStatus::Delivered)
            }
        };
        fields.build(status)
    }
}

/// Set a delivery's status
///
/// DELIVERING, with carrier and tracking number, once the line is accepted and the delivery is
/// PREPARED; DELIVERED after that. The same status again changes nothing; any other change fails
/// with the delivery's `state`. For its seller and supervisors.
#[utoipa::path(
    put, path = "/deliveries/{delivery_id}/status",
    params(
        ("delivery_id" = DeliveryId, Path),
        ("If-Match" = Option<String>, Header,
            description = "`*` or a list of the delivery's entity tags: 412 if it has another one."),
    ),
    request_body = SetDeliveryStatusRequest,
    responses(
        (status = 200, body = Data<DeliveryBody>, headers(
            ("ETag" = String, description = "Changes with what the seller can change."),
        )),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
            description = "`illegal_transition` (with `state`)"),
    ),
)]
pub(crate) async fn handle(state: DeadlinesState, request: Request) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let id = request.path("delivery_id")?;
    let status = request.json::<SetDeliveryStatusRequest>()?.parse()?;
    let if_match = request.if_match()?;
    let deadlines = state.deadlines().await.map_err(Problem::unavailable)?;
    let is_seller = |seller| caller.acts_for_seller(seller);
    let write = write_context(&request);
    let delivery =
        set_status(&state.store, id, &status, &if_match, is_seller, &deadlines, &write).await?;
    Ok(Response::ok(&DeliveryBody::from(&delivery)).etag(&delivery.etag()))
}

impl From<ChangeDeliveryError> for Problem {
    fn from(error: ChangeDeliveryError) -> Self {
        match error {
            ChangeDeliveryError::NotFound => Self::not_found(),
            ChangeDeliveryError::IllegalTransition(error) => {
                Self::new(ProblemCode::IllegalTransition).with("state", error.0)
            }
            ChangeDeliveryError::Changed(error) => error.into(),
            ChangeDeliveryError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(body: serde_json::Value) -> Result<ReportedStatus, Vec<String>> {
        let request: SetDeliveryStatusRequest = serde_json::from_value(body).unwrap();
        request.parse().map_err(|invalid| invalid.0.into_iter().map(|bad| bad.field).collect())
    }

    #[test]
    fn delivering_needs_carrier_and_tracking_number() {
        let complete =
            json!({ "status": "DELIVERING", "carrier": " DHL ", "tracking_number": "1" });
        let expected = ReportedStatus::Delivering {
            carrier: "DHL".to_owned(),
            tracking_number: "1".to_owned(),
        };
        assert_eq!(parse(complete), Ok(expected));
        let missing = vec!["carrier".to_owned(), "tracking_number".to_owned()];
        assert_eq!(parse(json!({ "status": "DELIVERING" })), Err(missing.clone()));
        let empty = json!({ "status": "DELIVERING", "carrier": "", "tracking_number": "\n" });
        assert_eq!(parse(empty), Err(missing));
    }

    #[test]
    fn delivered_has_no_other_fields() {
        assert_eq!(parse(json!({ "status": "DELIVERED" })), Ok(ReportedStatus::Delivered));
        let more = json!({ "status": "DELIVERED", "carrier": "DHL" });
        assert_eq!(parse(more), Err(vec!["carrier".to_owned()]));
    }
}
