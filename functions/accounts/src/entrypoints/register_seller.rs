use super::register_user::RegisterRequest;
use crate::{
    adapters::{dynamodb::DynamoAccounts, passwords::Argon2Passwords},
    application::register_seller::register_seller,
    domain::account::{Account, AccountStatus},
};
use rialto_kernel::{SellerId, Timestamp};
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Problem, Request, Response},
};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

pub fn main() {
    http::serve("accounts-register-seller", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let store = DynamoAccounts::open(app);
    Arc::new(move |request| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &request).await })
    })
}

/// A seller's account.
#[derive(Serialize, ToSchema)]
#[schema(as = Seller)]
pub struct SellerBody {
    pub seller_id: SellerId,
    /// As name and phone, gone once the account is closed and its orders have ended.
    pub email: Option<String>,
    pub name: Option<String>,
    pub phone: Option<String>,
    /// Whether notifications are mailed, too.
    pub mail_notifications: bool,
    pub status: AccountStatus,
    pub created_at: Timestamp,
    /// Seconds after the login itself.
    pub last_login_at: Option<Timestamp>,
}

impl SellerBody {
    pub(super) fn new(seller_id: SellerId, account: &Account) -> Self {
        let details = account.details.as_ref();
        Self {
            seller_id,
            email: details.map(|details| details.email.as_str().to_owned()),
            name: details.map(|details| details.name.as_str().to_owned()),
            phone: details
                .and_then(|details| details.phone.as_ref())
                .map(|phone| phone.as_str().to_owned()),
            mail_notifications: account.mail_notifications,
            status: account.status,
            created_at: account.created_at,
            last_login_at: account.last_login_at,
        }
    }
}

/// Register a seller
///
/// Only supervisors make sellers' accounts.
#[utoipa::path(
    post, path = "/sellers",
    request_body = RegisterRequest,
    responses(
        (status = 201, body = Data<SellerBody>,
            headers(("Location" = String, description = "Where it is, relative to the request."))),
    ),
)]
pub(crate) async fn handle(store: &DynamoAccounts, request: &Request) -> Result<Response, Problem> {
    let (details, password) = request.json::<RegisterRequest>()?.parse()?;
    let (now, cause) = (request.now(), request.cause());
    let seller_id = SellerId::generate(now);
    let account =
        register_seller(store, &Argon2Passwords, seller_id, details, &password, &cause, now)
            .await?;
    tracing::info!(seller = %seller_id, "registered");
    Ok(Response::created(format!("sellers/{seller_id}"), &SellerBody::new(seller_id, &account)))
}
