use super::change_line::{ChangeLineError, ChangedLine, LineRequest, change_line};
use crate::{
    domain::{line_transitions::PiecesRequest, order::Order},
    ports::OrderWriter,
};
use rialto_contracts::EventContext;
use rialto_kernel::Timestamp;

/// Splits pieces off an ORDERED or ACCEPTED line, for its seller or a supervisor.
///
/// # Errors
/// [`ChangeLineError`]; nothing was changed then.
pub async fn split_line(
    store: &impl OrderWriter,
    request: &LineRequest,
    pieces: &PiecesRequest,
    now: Timestamp,
    cause: &EventContext,
) -> Result<ChangedLine, ChangeLineError> {
    let change = |order: &Order, cause: &EventContext| {
        order.split_line(request.line_no, pieces.clone(), now, cause)
    };
    change_line(store, request, Some(&pieces.record), cause, change).await
}
