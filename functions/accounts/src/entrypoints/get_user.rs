use super::views::UserBody;
use crate::{
    adapters::{dynamodb::DynamoAccounts, orders::LambdaOrdersClient},
    application::get_user::{RecentOrders, get_user},
};
use rialto_contracts::internal::orders::RecentOrder;
use rialto_kernel::{Amount, Currency, OrderId, OrderNumber, Timestamp, UserId};
use rialto_lambda::http::{self, Data, Problem, Request, Response};
use serde::Serialize;
use utoipa::ToSchema;

pub fn main() {
    http::serve("accounts-get-user", |app| {
        http::handler((DynamoAccounts::open(app), LambdaOrdersClient::new(app)), handle)
    });
}

/// A buyer's account, with what `include` adds.
#[derive(Serialize, ToSchema)]
pub struct UserWithOrders {
    #[serde(flatten)]
    user: UserBody,
    /// The newest ten, with `include=orders`.
    #[serde(skip_serializing_if = "Option::is_none")]
    orders: Option<Vec<RecentOrderBody>>,
    /// The parts requested by `include` that are currently unavailable: `orders`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    degraded: Vec<&'static str>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RecentOrder)]
pub struct RecentOrderBody {
    order_id: OrderId,
    order_number: OrderNumber,
    state: String,
    total: Amount,
    currency: Currency,
    created_at: Timestamp,
}

impl From<RecentOrder> for RecentOrderBody {
    fn from(order: RecentOrder) -> Self {
        let RecentOrder { order_id, state, total, currency, created_at } = order;
        let order_number = OrderNumber::new(order_id, created_at);
        Self { order_id, order_number, state, total, currency, created_at }
    }
}

/// Get a buyer's account
///
/// `include=orders` adds the newest orders. If orders are unavailable, the account is returned
/// without them and `degraded` says so. For the buyer and supervisors.
#[utoipa::path(
    get, path = "/users/{user_id}",
    params(("user_id" = UserId, Path), ("include" = Option<String>, Query, pattern = "^orders$")),
    responses(
        (status = 200, body = Data<UserWithOrders>, headers(
            ("ETag" = String, description = "Changes with the fields that PATCH can change."),
        )),
    ),
)]
pub(crate) async fn handle(
    (store, orders): (DynamoAccounts, LambdaOrdersClient),
    request: Request,
) -> Result<Response, Problem> {
    let user_id = request.path("user_id")?;
    let with_orders = match request.query_of(&["include"])?.get("include") {
        None => false,
        Some("orders") => true,
        Some(_) => return Err(Problem::field("include", "must be orders")),
    };
    let (account, recent) = get_user(&store, &orders, user_id, with_orders).await?;
    let (orders, degraded) = match recent {
        RecentOrders::NotRequested => (None, Vec::new()),
        RecentOrders::Loaded(orders) => {
            (Some(orders.into_iter().map(RecentOrderBody::from).collect()), Vec::new())
        }
        RecentOrders::Unavailable => (None, vec!["orders"]),
    };
    let body = UserWithOrders { user: UserBody::new(user_id, &account), orders, degraded };
    Ok(Response::ok(&body).etag(&account.etag()))
}
