use super::problems::rate_limit_problem;
use crate::{
    adapters::{dynamodb::DynamoAccounts, passwords::Argon2Hasher},
    application::change_password::{ChangePasswordError, PasswordChange, change_password},
    domain::credential::Password,
};
use rialto_kernel::{Fields, Invalid, Text, Timestamp};
use rialto_lambda::{
    caller::Caller,
    http::{self, Problem, Request, Response},
};
use serde::Deserialize;
use utoipa::ToSchema;

pub fn main() {
    http::serve("accounts-change-password", |app| http::handler(DynamoAccounts::open(app), handle));
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePasswordRequest {
    #[schema(value_type = Text<1, 128>, inline)]
    old_password: String,
    #[schema(value_type = Text<10, 128>, inline)]
    new_password: String,
}

impl ChangePasswordRequest {
    fn parse(self, caller: Caller) -> Result<PasswordChange, Invalid> {
        let mut fields = Fields::default();
        let old_password =
            fields.field("old_password", Password::from_login_input(&self.old_password));
        let new_password = fields.field("new_password", Password::new(&self.new_password));
        let Caller { account: account_id, session: session_id } = caller;
        fields.build(old_password.zip(new_password).map(|(old_password, new_password)| {
            PasswordChange { account_id, session_id, old_password, new_password }
        }))
    }
}

/// Change your password
///
/// All other sessions end. A wrong old password is reported as an error of the field
/// `old_password` and counts as a failed login.
#[utoipa::path(
    put, path = "/auth/password",
    request_body = ChangePasswordRequest,
    responses((status = 204)),
)]
pub(crate) async fn handle(store: DynamoAccounts, request: Request) -> Result<Response, Problem> {
    let (caller, now) = (request.caller()?, request.now());
    let change = request.json::<ChangePasswordRequest>()?.parse(caller)?;
    change_password(&store, &Argon2Hasher, &change, now)
        .await
        .map_err(|error| problem(error, now))?;
    tracing::info!(account = %caller.account, "password changed");
    Ok(Response::no_content())
}

fn problem(error: ChangePasswordError, now: Timestamp) -> Problem {
    match error {
        ChangePasswordError::WrongPassword => Problem::field("old_password", "is wrong"),
        ChangePasswordError::NotFound => Problem::not_found(),
        ChangePasswordError::RateLimited(error) => rate_limit_problem(error, now),
        ChangePasswordError::Hash(error) => Problem::internal(error),
        ChangePasswordError::Store(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_kernel::{AccountId, SessionId, UserId};

    #[test]
    fn every_invalid_field_is_reported() {
        let request =
            ChangePasswordRequest { old_password: String::new(), new_password: "short".to_owned() };
        let caller = Caller {
            account: AccountId::User(UserId::derive(&[b"u"])),
            session: SessionId::derive(&[b"s"]),
        };
        let fields: Vec<_> =
            request.parse(caller).unwrap_err().0.into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["old_password", "new_password"]);
    }
}
