use super::change_line::{ChangeLineError, ChangedLine, LineRequest, change_line};
use crate::{
    domain::{line::ReturnReason, order::Order},
    ports::OrderWriter,
};
use rialto_contracts::EventContext;
use rialto_kernel::Timestamp;

/// Declines the return of a RETURN_REQUESTED line, for its seller or a supervisor.
///
/// # Errors
/// [`ChangeLineError`]; nothing was changed then.
pub async fn decline_return(
    store: &impl OrderWriter,
    request: &LineRequest,
    reason: &ReturnReason,
    now: Timestamp,
    cause: &EventContext,
) -> Result<ChangedLine, ChangeLineError> {
    let change = |order: &Order, cause: &EventContext| {
        order.decline_return(request.line_no, reason.clone(), now, cause)
    };
    change_line(store, request, None, cause, change).await
}
