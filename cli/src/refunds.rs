//! Failed refunds of payments' table.

use crate::failure::Failure;
use rialto_dynamo::{Item, item_key, read_item};
use rialto_kernel::{Amount, Currency, OrderId, RefundId};
use rialto_payments::domain::{payment::Payment, refund::RefundState};

/// A refund that has failed and isn't being tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailedRefund {
    pub(crate) order_id: OrderId,
    pub(crate) refund_id: RefundId,
    pub(crate) amount: Amount,
    pub(crate) currency: Currency,
    pub(crate) tries: u32,
    /// The provider's code.
    pub(crate) reason: String,
}

/// The failed refunds of the payments among these items, by order.
///
/// # Errors
/// [`Failure`] if a payment can't be parsed.
pub(crate) fn failed(items: Vec<Item>) -> Result<Vec<FailedRefund>, Failure> {
    let mut refunds = Vec::new();
    for item in items {
        let unreadable = |error: rialto_kernel::StoreError| {
            Failure::new(
                format!("A payment can't be parsed: {error}."),
                "Use a release of this command as new as the deployment.",
            )
        };
        if item_key(&item).map_err(unreadable)?.sk == "PAYMENT" {
            refunds.extend(failed_of(&read_item(item).map_err(unreadable)?));
        }
    }
    refunds.sort_by_key(|refund| refund.order_id);
    Ok(refunds)
}

fn failed_of(payment: &Payment) -> Vec<FailedRefund> {
    let Some(charge) = &payment.charge else { return Vec::new() };
    let failed = payment.refunds.iter();
    let failed = failed.filter(|of| of.state == RefundState::Failed && !of.retrying);
    failed
        .map(|refund| FailedRefund {
            order_id: payment.order_id,
            refund_id: refund.refund_id,
            amount: refund.payable(),
            currency: charge.currency,
            tries: refund.tries,
            reason: refund.reason.as_ref().map(ToString::to_string).unwrap_or_default(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::tests::refunded;
    use rialto_dynamo::{Key, write_item};
    use rialto_payments::domain::{intent::DeclineCode, refund::Refund};

    #[test]
    fn only_refunds_that_have_failed_for_good_are_listed() {
        let mut payment = refunded().payments.remove(0);
        let failed_refund = Refund {
            state: RefundState::Failed,
            reason: Some(DeclineCode::new("expired_or_canceled_card")),
            ..payment.refunds[0].clone()
        };
        let id = RefundId::derive(&[b"retried"]);
        let retried = Refund { refund_id: id, retrying: true, ..failed_refund.clone() };
        payment.refunds.extend([failed_refund.clone(), retried]);
        let key = Key::new(format!("ORDER#{}", payment.order_id), "PAYMENT");
        let entry = Key::new(key.pk.clone(), "LEDGER#0000000003").item();
        let found = failed(vec![write_item(&key, &payment, &[]).unwrap(), entry]).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].reason, "expired_or_canceled_card");
    }
}
