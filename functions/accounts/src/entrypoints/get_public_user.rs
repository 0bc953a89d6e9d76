use super::get_profile::{ProfileBody, profile};
use crate::adapters::dynamodb::DynamoAccounts;
use rialto_kernel::UserId;
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Problem, Request, Response},
};
use std::sync::Arc;

pub fn main() {
    http::serve("accounts-get-public-user", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let store = DynamoAccounts::open(app);
    Arc::new(move |request| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &request).await })
    })
}

/// Read what everybody may know of a buyer
///
/// Nothing personal: what buyers choose to be known by, and their grade.
#[utoipa::path(
    get, path = "/users/{user_id}/public",
    params(("user_id" = UserId, Path)),
    responses((status = 200, body = Data<ProfileBody>)),
)]
pub(crate) async fn handle(store: &DynamoAccounts, request: &Request) -> Result<Response, Problem> {
    profile(store, request).await
}
