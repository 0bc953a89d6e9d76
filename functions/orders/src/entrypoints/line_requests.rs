//! What the routes of lines have in common.

use super::views::{OrderBody, requester};
use crate::{
    adapters::dynamodb::DynamoOrders,
    application::change_line::{ChangeLineError, ChangedLine, LineRequest},
    domain::{
        keyed_request::RequestRecord,
        line_transitions::{LineError, PiecesRequest},
    },
};
use rialto_contracts::{EventContext, orders::OrderLineState};
use rialto_kernel::{Quantity, Timestamp};
use rialto_lambda::http::{Problem, ProblemCode, Request, Response};
use serde::{Serialize, de::DeserializeOwned};

/// The line that the path names, and the caller.
pub(super) fn line_request(request: &Request) -> Result<LineRequest, Problem> {
    Ok(LineRequest {
        order_id: request.path("order_id")?,
        line_no: request.path("line_no")?,
        requester: requester(request.caller()?),
    })
}

/// The body; without one, all its fields have their defaults.
pub(super) fn optional_json<T: DeserializeOwned + Default>(
    request: &Request,
) -> Result<T, Problem> {
    let no_body = request.body.is_empty() && request.header("content-type").is_none();
    if no_body { Ok(T::default()) } else { request.json() }
}

/// The pieces that an `action` is requested for, under an Idempotency-Key. `body` is the whole parsed
/// body.
pub(super) fn pieces_request(
    action: &str,
    line: &LineRequest,
    quantity: Quantity,
    key: &str,
    body: &impl Serialize,
) -> PiecesRequest {
    PiecesRequest { quantity, record: RequestRecord::new(action, line.line_no, key, body) }
}

/// The same where the quantity is optional; the key is required with it.
pub(super) fn optional_pieces(
    request: &Request,
    action: &str,
    line: &LineRequest,
    quantity: Option<Quantity>,
    body: &impl Serialize,
) -> Result<Option<PiecesRequest>, Problem> {
    let Some(quantity) = quantity else { return Ok(None) };
    Ok(Some(pieces_request(action, line, quantity, request.idempotency_key()?, body)))
}

/// Handles a request that has no other parameters than its path.
pub(super) async fn change_line(
    store: &DynamoOrders,
    request: &Request,
    change: impl AsyncFn(
        &DynamoOrders,
        &LineRequest,
        Timestamp,
        &EventContext,
    ) -> Result<ChangedLine, ChangeLineError>,
) -> Result<Response, Problem> {
    let line = line_request(request)?;
    Ok(changed(&change(store, &line, request.now(), &request.event_context()).await?))
}

/// Responds with the order as it is now.
pub(super) fn changed(changed: &ChangedLine) -> Response {
    let response = Response::ok(&OrderBody::from(&changed.view));
    if changed.replayed { response.header("Idempotent-Replayed", "true") } else { response }
}

impl From<ChangeLineError> for Problem {
    fn from(error: ChangeLineError) -> Self {
        match error {
            ChangeLineError::NotFound => Self::not_found(),
            ChangeLineError::KeyReused => Self::new(ProblemCode::KeyReused),
            ChangeLineError::Refused(error) => error.into(),
            ChangeLineError::Store(error) => error.into(),
        }
    }
}

impl From<LineError> for Problem {
    fn from(error: LineError) -> Self {
        let illegal = || Self::new(ProblemCode::IllegalTransition);
        match error {
            LineError::NotFound => Self::not_found(),
            LineError::OrderState(state) => illegal().with("state", state),
            LineError::LineState(state) => illegal().with("state", state),
            LineError::ReturnWindowOver => {
                illegal().with("state", OrderLineState::Completed).detail(error.to_string())
            }
            LineError::CancelPending => Self::new(ProblemCode::CancelPending),
            LineError::TooManyLines | LineError::TooManyParts | LineError::TooManyReturns => {
                Self::new(ProblemCode::LimitReached).detail(error.to_string())
            }
            LineError::TooManyPieces { .. } => Self::field("quantity", error),
            LineError::RefundAboveShare { .. } => Self::field("refund", error),
        }
    }
}
