use super::views::OrderBody;
use crate::{
    adapters::dynamodb::DynamoOrders, application::list_seller_orders::list_seller_orders,
};
use rialto_contracts::orders::OrderLineState;
use rialto_kernel::SellerId;
use rialto_lambda::http::{self, Data, Page, Problem, Request, Response};
use serde::{
    Deserialize,
    de::value::{Error, StrDeserializer},
};

pub fn main() {
    http::serve("orders-list-seller-orders", |app| http::handler(DynamoOrders::open(app), handle));
}

/// List a seller's order lines
///
/// The orders with lines of the seller, newest first, once they were CONFIRMED, with these lines
/// only. With a `state` only lines in it are listed; such a page examines at most 1,000 orders, so
/// it can be short, or empty, and still have a next page. For the seller and supervisors.
#[utoipa::path(
    get, path = "/sellers/{seller_id}/orders",
    params(
        ("seller_id" = SellerId, Path),
        ("state" = Option<String>, Query,
            pattern = "^((ORDER|ACCEPT|REJECT|COMPLET|RETURN_REQUEST|RETURN)ED|CANCELING|CANCELLED)$"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = Data<Vec<OrderBody>>)),
)]
pub(crate) async fn handle(store: DynamoOrders, request: Request) -> Result<Response, Problem> {
    let seller = request.path("seller_id")?;
    let query = request.list_query(&["state"])?;
    let (limit, position) = (query.limit()?, query.position()?);
    let state = query.get("state").map(parse_line_state).transpose()?;
    let (orders, next) =
        list_seller_orders(&store, seller, state, limit.get(), position.as_deref()).await?;
    let items: Vec<_> = orders.iter().map(OrderBody::from).collect();
    Ok(Response::page(&Page::new(items, limit, next.as_deref(), &query.identity())))
}

/// Parses the state of lines. An unknown one would be read as `OTHER`, which no line has.
fn parse_line_state(text: &str) -> Result<OrderLineState, Problem> {
    let state = OrderLineState::deserialize(StrDeserializer::<Error>::new(text)).ok();
    state.filter(|state| *state != OrderLineState::Other).ok_or_else(|| {
        Problem::field(
            "state",
            "must be ORDERED, ACCEPTED, CANCELING, CANCELLED, REJECTED, COMPLETED, \
             RETURN_REQUESTED or RETURNED",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_lines_are_parsed() {
        let parsed = parse_line_state("RETURN_REQUESTED");
        assert_eq!(parsed, Ok(OrderLineState::ReturnRequested));
        for text in ["", "return_requested", "PENDING", "OTHER", "ORDERED "] {
            assert!(parse_line_state(text).is_err(), "{text}");
        }
    }
}
