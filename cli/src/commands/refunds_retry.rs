use crate::{
    aws::store_failure,
    context::Context,
    failure::Failure,
    output::{print, progress, table},
    refunds::{FailedRefund, failed},
    tables,
};
use clap::Args;
use rialto_dynamo::Table;
use rialto_kernel::{Clock, OrderId, SystemClock};
use rialto_payments::{
    adapters::dynamodb::DynamoPayments, application::retry_refund::retry_refund,
};

/// Try failed refunds again; a dry run unless --yes is given
///
/// Each failed refund gets another try, which the payments sweep makes within a minute, after it has
/// read all earlier tries at the provider: one that has succeeded or may still succeed is recorded
/// instead. The amount stays due until a try succeeds. Fix the cause of the failure first, such as a
/// missing balance at the provider.
#[derive(Debug, Args)]
pub(crate) struct RefundsRetry {
    /// Only this order's refunds
    #[arg(long, value_name = "ORDER_ID", value_parser = OrderId::parse)]
    order: Option<OrderId>,
    /// Try for real
    #[arg(long)]
    yes: bool,
}

impl RefundsRetry {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let payments = Table::open(&context.aws().await?, &context.stage, rialto_payments::SERVICE);
        let items = match self.order {
            Some(order) => tables::partition(&payments, &format!("ORDER#{order}")).await,
            None => tables::all(&payments).await,
        };
        let items = items.map_err(|error| store_failure("Reading the payments", &error))?;
        let refunds = failed(items)?;
        if refunds.is_empty() {
            progress("No failed refunds to try again.");
            return Ok(());
        }
        let begun = if self.yes { begin(&payments, &refunds).await? } else { 0 };
        table(&rows(&refunds)).iter().try_for_each(print)?;
        progress(match self.yes {
            true => format!("{begun} begun; the sweep tries them within a minute."),
            false => format!(
                "{} would be tried again. This was a dry run; add --yes to try.",
                refunds.len()
            ),
        });
        Ok(())
    }
}

/// Begins a try of each; returns their number, without those that another command has begun.
async fn begin(table: &Table, refunds: &[FailedRefund]) -> Result<usize, Failure> {
    let store = DynamoPayments::on(table.clone());
    let mut begun = 0;
    for refund in refunds {
        let FailedRefund { order_id, refund_id, .. } = refund;
        let retried = retry_refund(&store, *order_id, *refund_id, SystemClock.now()).await;
        let what = format!("Beginning a try of {refund_id}");
        begun += usize::from(retried.map_err(|error| store_failure(&what, &error))?);
    }
    Ok(begun)
}

fn rows(refunds: &[FailedRefund]) -> Vec<[String; 5]> {
    let mut rows = vec![["order", "refund", "amount", "tries", "reason"].map(str::to_owned)];
    rows.extend(refunds.iter().map(|refund| {
        [
            refund.order_id.to_string(),
            refund.refund_id.to_string(),
            format!("{} {}", refund.amount.minor_units(), refund.currency),
            refund.tries.to_string(),
            refund.reason.clone(),
        ]
    }));
    rows
}
