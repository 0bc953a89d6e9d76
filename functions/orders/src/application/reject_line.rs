use super::change_line::{ChangeLineError, ChangedLine, LineRequest, change_line};
use crate::{domain::order::Order, ports::OrderWriter};
use rialto_contracts::EventContext;
use rialto_kernel::Timestamp;

/// Rejects an ORDERED line, for its seller or a supervisor.
///
/// # Errors
/// [`ChangeLineError`]; nothing was changed then.
pub async fn reject_line(
    store: &impl OrderWriter,
    request: &LineRequest,
    now: Timestamp,
    cause: &EventContext,
) -> Result<ChangedLine, ChangeLineError> {
    let change =
        |order: &Order, cause: &EventContext| order.reject_line(request.line_no, now, cause);
    change_line(store, request, None, cause, change).await
}
