use super::change_line::{ChangeLineError, ChangedLine, LineRequest, change_line};
use crate::{
    domain::{line::ReturnReason, line_transitions::PiecesRequest, order::Order},
    ports::OrderWriter,
};
use rialto_contracts::EventContext;
use rialto_kernel::Timestamp;

/// Requests the return of a COMPLETED line, or of some pieces of it, for its buyer or a supervisor.
///
/// # Errors
/// [`ChangeLineError`]; nothing was changed then.
pub async fn return_line(
    store: &impl OrderWriter,
    request: &LineRequest,
    reason: &ReturnReason,
    pieces: Option<&PiecesRequest>,
    now: Timestamp,
    cause: &EventContext,
) -> Result<ChangedLine, ChangeLineError> {
    let change = |order: &Order, cause: &EventContext| {
        order.request_return(request.line_no, reason.clone(), pieces.cloned(), now, cause)
    };
    change_line(store, request, pieces.map(|pieces| &pieces.record), cause, change).await
}
