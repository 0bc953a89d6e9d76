//! What the routes of users and sellers have in common.

use crate::{
    application::{
        change_user::ChangeAccountError, get_user::GetAccountError,
        unregister_user::UnregisterError,
    },
    domain::{
        account::{AccountPatch, AccountStatus},
        contact::Name,
    },
};
use rialto_kernel::{Fields, Invalid, Phone};
use rialto_lambda::http::{Problem, ProblemCode};
use serde::Deserialize;
use utoipa::ToSchema;

/// At least one field; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1)]
pub struct ChangeAccountRequest {
    #[schema(min_length = 1, max_length = 80)]
    name: Option<String>,
    /// 5 to 15 digits, `+` before them or not.
    phone: Option<String>,
    /// Whether notifications are mailed, too.
    mail_notifications: Option<bool>,
}

impl ChangeAccountRequest {
    pub(super) fn parse(self) -> Result<AccountPatch, Invalid> {
        let mut fields = Fields::default();
        let edit = AccountPatch {
            name: self.name.and_then(|name| fields.field("name", Name::parse(&name))),
            phone: self.phone.and_then(|phone| fields.field("phone", Phone::parse(&phone))),
            mail_notifications: self.mail_notifications,
        };
        let edit = fields.build(Some(edit))?;
        if edit == AccountPatch::default() {
            return Err(Invalid::field("body", "must have name, phone or mail_notifications"));
        }
        Ok(edit)
    }
}

impl From<GetAccountError> for Problem {
    fn from(error: GetAccountError) -> Self {
        match error {
            GetAccountError::NotFound => Self::not_found(),
            GetAccountError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeAccountError> for Problem {
    fn from(error: ChangeAccountError) -> Self {
        match error {
            ChangeAccountError::NotFound => Self::not_found(),
            ChangeAccountError::Unregistered => {
                Self::new(ProblemCode::IllegalTransition).with("state", AccountStatus::Unregistered)
            }
            ChangeAccountError::Contended => Self::unavailable(error),
            ChangeAccountError::Store(error) => error.into(),
        }
    }
}

impl From<UnregisterError> for Problem {
    fn from(error: UnregisterError) -> Self {
        match error {
            UnregisterError::NotFound => Self::not_found(),
            UnregisterError::Contended => Self::unavailable(error),
            UnregisterError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_every_bad_field_and_changes_something() {
        let parse =
            |text: &str| serde_json::from_str::<ChangeAccountRequest>(text).unwrap().parse();
        let fields = |text: &str| -> Vec<String> {
            parse(text).unwrap_err().0.into_iter().map(|error| error.field).collect()
        };
        assert_eq!(fields(r#"{"name":"","phone":"x"}"#), ["name", "phone"]);
        assert_eq!(fields("{}"), ["body"]);
        assert_eq!(fields(r#"{"name":null}"#), ["body"]);
        assert_eq!(parse(r#"{"mail_notifications":true}"#).unwrap().mail_notifications, Some(true));
    }
}
