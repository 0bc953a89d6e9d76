use super::change_line::{ChangeLineError, ChangedLine, LineRequest, change_line};
use crate::{domain::order::Order, ports::OrderWriter};
use rialto_contracts::EventContext;
use rialto_kernel::{Amount, Timestamp};

/// Confirms the return of a RETURN_REQUESTED line, for its seller or a supervisor. Without a
/// `refund` its whole share is refunded.
///
/// # Errors
/// [`ChangeLineError`]; nothing was changed then.
pub async fn confirm_return(
    store: &impl OrderWriter,
    request: &LineRequest,
    restock: bool,
    refund: Option<Amount>,
    now: Timestamp,
    cause: &EventContext,
) -> Result<ChangedLine, ChangeLineError> {
    let change = |order: &Order, cause: &EventContext| {
        order.confirm_return(request.line_no, restock, refund, now, cause)
    };
    change_line(store, request, None, cause, change).await
}
