use crate::{
    adapters::{dynamodb::DynamoAccounts, passwords::Argon2Passwords},
    application::register_user::{RegisterError, register_user},
    domain::{
        account::{Account, AccountStatus, ContactDetails},
        contact::{Email, Name},
        credential::Password,
    },
};
use rialto_kernel::{Fields, Invalid, Phone, Timestamp, UserId};
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Problem, ProblemCode, Request, Response},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

pub fn main() {
    http::serve("accounts-register-user", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let store = DynamoAccounts::open(app);
    Arc::new(move |request| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &request).await })
    })
}

/// What a new account is made from.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    /// Compared without case; belongs to one account of whatever role.
    #[schema(format = Email, max_length = 254)]
    email: String,
    #[schema(format = Password, min_length = 10, max_length = 128)]
    password: String,
    #[schema(min_length = 1, max_length = 80)]
    name: String,
    /// 5 to 15 digits, `+` before them or not.
    phone: String,
}

impl RegisterRequest {
    pub(super) fn parse(self) -> Result<(ContactDetails, Password), Invalid> {
        let mut fields = Fields::default();
        let email = fields.field("email", Email::parse(&self.email));
        let password = fields.field("password", Password::new(&self.password));
        let name = fields.field("name", Name::parse(&self.name));
        let phone = fields.field("phone", Phone::parse(&self.phone));
        let whole = email.zip(password).zip(name.zip(phone));
        fields.build(whole.map(|((email, password), (name, phone))| {
            (ContactDetails { email, name, phone: Some(phone) }, password)
        }))
    }
}

/// A buyer's account.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserBody {
    pub user_id: UserId,
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

impl UserBody {
    pub(super) fn new(user_id: UserId, account: &Account) -> Self {
        let details = account.details.as_ref();
        Self {
            user_id,
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

/// Sign up
///
/// Makes a buyer's account with a default profile.
#[utoipa::path(
    post, path = "/users",
    request_body = RegisterRequest,
    responses(
        (status = 201, body = Data<UserBody>,
            headers(("Location" = String, description = "Where it is, relative to the request."))),
    ),
)]
pub(crate) async fn handle(store: &DynamoAccounts, request: &Request) -> Result<Response, Problem> {
    let (details, password) = request.json::<RegisterRequest>()?.parse()?;
    let (now, cause) = (request.now(), request.cause());
    let user_id = UserId::generate(now);
    let account =
        register_user(store, &Argon2Passwords, user_id, details, &password, &cause, now).await?;
    tracing::info!(user = %user_id, "registered");
    Ok(Response::created(format!("users/{user_id}"), &UserBody::new(user_id, &account)))
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Duplicate => {
                Self::new(ProblemCode::Duplicate).detail("The email belongs to an account already.")
            }
            RegisterError::Hash(error) => Self::internal(error),
            RegisterError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad_fields(body: serde_json::Value) -> Vec<String> {
        let request: RegisterRequest = serde_json::from_value(body).unwrap();
        let Err(invalid) = request.parse() else { return Vec::new() };
        invalid.0.into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn every_bad_field_is_named() {
        let good = serde_json::json!({
            "email": "ann@example.com", "password": "correct horse", "name": "Ann", "phone": "+491701234567",
        });
        let bad =
            serde_json::json!({ "email": "ann", "password": "short", "name": "", "phone": "none" });
        assert_eq!(bad_fields(good), Vec::<String>::new());
        assert_eq!(bad_fields(bad), ["email", "password", "name", "phone"]);
    }
}
