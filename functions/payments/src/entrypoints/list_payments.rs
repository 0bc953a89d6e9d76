use super::get_payment::PaymentBody;
use crate::{
    adapters::dynamodb::DynamoPayments, application::list_payments::list_payments,
    domain::payment::PaymentState,
};
use rialto_lambda::http::{self, Data, Page, Problem, Request, Response};

pub fn main() {
    http::serve("payments-list-payments", |app| http::handler(DynamoPayments::open(app), handle));
}

/// List all payments
///
/// Newest first, optionally filtered by state. A page examines at most 1,000 payments and 31 days
/// with payments, so it can be short, or empty, and still have a next page. For supervisors.
#[utoipa::path(
    get, path = "/payments",
    params(
        ("state" = Option<PaymentState>, Query),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = Data<Vec<PaymentBody>>)),
)]
pub(crate) async fn handle(store: DynamoPayments, request: Request) -> Result<Response, Problem> {
    let query = request.list_query(&["state"])?;
    let (limit, position) = (query.limit()?, query.position()?);
    let state = query.parse("state")?;
    let (payments, next) = list_payments(&store, state, limit.get(), position.as_deref()).await?;
    let body = |payment| PaymentBody::from_payment(payment, request.now());
    let items: Vec<_> = payments.iter().filter_map(body).collect();
    Ok(Response::page(&Page::new(items, limit, next.as_deref(), &query.identity())))
}
