use super::change_line::{ChangeLineError, ChangedLine, LineRequest, change_line};
use crate::{
    domain::{line_transitions::PiecesRequest, order::Order},
    ports::OrderWriter,
};
use rialto_contracts::EventContext;
use rialto_kernel::Timestamp;

/// Requests the cancellation of an ORDERED or ACCEPTED line, or of some pieces of it, for its buyer
/// or a supervisor.
///
/// # Errors
/// [`ChangeLineError`]; nothing was changed then.
pub async fn cancel_line(
    store: &impl OrderWriter,
    request: &LineRequest,
    pieces: Option<&PiecesRequest>,
    now: Timestamp,
    cause: &EventContext,
) -> Result<ChangedLine, ChangeLineError> {
    let change = |order: &Order, cause: &EventContext| {
        order.request_cancel(request.line_no, pieces.cloned(), now, cause)
    };
    change_line(store, request, pieces.map(|pieces| &pieces.record), cause, change).await
}
