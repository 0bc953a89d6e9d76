//! Request and response bodies that several routes share.

use crate::domain::{
    account::{Account, AccountPatch, AccountStatus, ContactDetails},
    address_book::SavedAddress,
    contact::{Email, Name},
    credential::Password,
    profile::{Grade, Nickname, Profile},
};
use rialto_kernel::{
    AccountId, Address, AddressId, DropOff, Fields, Invalid, Phone, Role, SellerId, Text,
    Timestamp, UserId,
};
use rialto_lambda::http::AddressRequest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The data of a new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    /// Compared without case; belongs to one account of any role.
    #[schema(format = Email, max_length = 254)]
    email: String,
    #[schema(value_type = Text<10, 128>, inline)]
    password: String,
    #[schema(value_type = Text<1, 80>, inline)]
    name: String,
    /// 5 to 15 digits, with or without a leading `+`.
    #[schema(value_type = Phone)]
    phone: String,
}

impl RegisterRequest {
    pub(super) fn parse(self) -> Result<(ContactDetails, Password), Invalid> {
        let mut fields = Fields::default();
        let email = fields.field("email", Email::parse(&self.email));
        let password = fields.field("password", Password::new(&self.password));
        let name = fields.field("name", Name::parse(&self.name));
        let phone = fields.field("phone", Phone::parse(&self.phone));
        let parsed = email.zip(password).zip(name.zip(phone));
        fields.build(parsed.map(|((email, password), (name, phone))| {
            (ContactDetails { email, name, phone: Some(phone) }, password)
        }))
    }
}

/// Changes to an account. At least one field is required; fields that are left out don't change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1)]
pub struct ChangeAccountRequest {
    #[schema(value_type = Option<Text<1, 80>>, inline)]
    name: Option<String>,
    /// 5 to 15 digits, with or without a leading `+`.
    #[schema(value_type = Option<Phone>)]
    phone: Option<String>,
    /// Whether notifications are also sent by email.
    mail_notifications: Option<bool>,
}

impl ChangeAccountRequest {
    pub(super) fn parse(self) -> Result<AccountPatch, Invalid> {
        let mut fields = Fields::default();
        let patch = AccountPatch {
            name: self.name.and_then(|name| fields.field("name", Name::parse(&name))),
            phone: self.phone.and_then(|phone| fields.field("phone", Phone::parse(&phone))),
            mail_notifications: self.mail_notifications,
        };
        let patch = fields.build(Some(patch))?;
        if patch == AccountPatch::default() {
            return Err(Invalid::field("body", "must have name, phone or mail_notifications"));
        }
        Ok(patch)
    }
}

/// The fields that buyers' and sellers' accounts share.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub struct AccountBody {
    /// Null, like name and phone, once a closed account's orders have ended.
    email: Option<String>,
    name: Option<String>,
    phone: Option<String>,
    /// Whether notifications are also sent by email.
    mail_notifications: bool,
    status: AccountStatus,
    created_at: Timestamp,
    /// Updated a few seconds after a login.
    last_login_at: Option<Timestamp>,
}

impl From<&Account> for AccountBody {
    fn from(account: &Account) -> Self {
        let details = account.details.as_ref();
        let phone = details.and_then(|details| details.phone.as_ref());
        Self {
            email: details.map(|details| details.email.as_str().to_owned()),
            name: details.map(|details| details.name.as_str().to_owned()),
            phone: phone.map(|phone| phone.as_str().to_owned()),
            mail_notifications: account.mail_notifications,
            status: account.status,
            created_at: account.created_at,
            last_login_at: account.last_login_at,
        }
    }
}

/// A buyer's account.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserBody {
    user_id: UserId,
    #[serde(flatten)]
    account: AccountBody,
}

impl UserBody {
    pub(super) fn new(user_id: UserId, account: &Account) -> Self {
        Self { user_id, account: account.into() }
    }
}

/// A seller's account.
#[derive(Serialize, ToSchema)]
#[schema(as = Seller)]
pub struct SellerBody {
    seller_id: SellerId,
    #[serde(flatten)]
    account: AccountBody,
}

impl SellerBody {
    pub(super) fn new(seller_id: SellerId, account: &Account) -> Self {
        Self { seller_id, account: account.into() }
    }
}

/// A buyer's public profile.
#[derive(Serialize, ToSchema)]
#[schema(as = Profile)]
pub struct ProfileBody {
    user_id: UserId,
    #[schema(value_type = String)]
    nickname: Nickname,
    /// The URL of an image.
    image: Option<String>,
    grade: Grade,
}

impl From<Profile> for ProfileBody {
    fn from(profile: Profile) -> Self {
        let image = profile.image.map(|image| image.as_str().to_owned());
        Self { user_id: profile.user_id, nickname: profile.nickname, image, grade: profile.grade }
    }
}

// The fields of `AddressRequest` are repeated: serde loses the paths of errors in flattened fields.
/// A delivery address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeptAddressRequest)]
pub struct SavedAddressRequest {
    #[schema(value_type = Text<1, 80>, inline)]
    receiver: String,
    #[schema(value_type = Text<1, 120>, inline)]
    line1: String,
    #[schema(value_type = Option<Text<1, 120>>, inline)]
    line2: Option<String>,
    #[schema(value_type = Text<1, 12>, inline)]
    zipcode: String,
    /// 5 to 15 digits, with or without a leading `+`.
    #[schema(value_type = Phone)]
    phone: String,
    #[schema(value_type = DropOff)]
    drop_off: String,
    #[schema(value_type = Option<Text<1, 200>>, inline)]
    note: Option<String>,
    /// Whether the address becomes the default. The first address always does; a default address
    /// stays the default until another one replaces it.
    #[serde(default)]
    default: bool,
}

impl SavedAddressRequest {
    /// The address, and whether it becomes the default.
    pub(super) fn parse(self) -> Result<(Address, bool), Invalid> {
        let Self { receiver, line1, line2, zipcode, phone, drop_off, note, default } = self;
        let mut fields = Fields::default();
        let address = AddressRequest { receiver, line1, line2, zipcode, phone, drop_off, note }
            .parse("", &mut fields);
        fields.build(address.map(|address| (address, default)))
    }
}

/// A saved address of a buyer.
#[derive(Serialize, ToSchema)]
#[schema(as = KeptAddress)]
pub struct SavedAddressBody {
    address_id: AddressId,
    receiver: String,
    line1: String,
    line2: Option<String>,
    zipcode: String,
    phone: String,
    drop_off: DropOff,
    note: Option<String>,
    default: bool,
    /// The address's entity tag for `If-Match`, in its quotes.
    etag: String,
}

impl From<SavedAddress> for SavedAddressBody {
    fn from(saved: SavedAddress) -> Self {
        let etag = saved.etag().as_str().to_owned();
        let Address { receiver, line1, line2, zipcode, phone, drop_off, note } = saved.address;
        Self {
            address_id: saved.address_id,
            receiver: receiver.into_string(),
            line1: line1.into_string(),
            line2: line2.map(Text::into_string),
            zipcode: zipcode.into_string(),
            phone: phone.as_str().to_owned(),
            drop_off,
            note: note.map(Text::into_string),
            default: saved.default,
            etag,
        }
    }
}

/// The tokens of a session.
#[derive(Serialize, ToSchema)]
#[schema(as = Tokens)]
pub struct TokensBody {
    /// Sent with each request as `Authorization: Bearer <access_token>`.
    pub(super) access_token: String,
    /// Exchanged for the next tokens, once. Also set as a cookie.
    pub(super) refresh_token: String,
    #[schema(value_type = String, example = "Bearer")]
    pub(super) token_type: &'static str,
    /// Lifetime of the access token in seconds.
    pub(super) expires_in: i64,
    pub(super) role: Role,
    pub(super) account_id: AccountId,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn invalid_fields<T>(result: Result<T, Invalid>) -> Vec<String> {
        let errors = result.err().map(|invalid| invalid.0).unwrap_or_default();
        errors.into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn a_registration_reports_every_invalid_field() {
        let parse = |body: Value| serde_json::from_value::<RegisterRequest>(body).unwrap().parse();
        let valid = json!({
            "email": "ann@example.com", "password": "correct horse", "name": "Ann",
            "phone": "+491701234567",
        });
        let invalid = json!({ "email": "ann", "password": "short", "name": "", "phone": "none" });
        assert_eq!(invalid_fields(parse(valid)), Vec::<String>::new());
        assert_eq!(invalid_fields(parse(invalid)), ["email", "password", "name", "phone"]);
    }

    #[test]
    fn an_account_change_reports_invalid_or_missing_fields() {
        let parse =
            |body: Value| serde_json::from_value::<ChangeAccountRequest>(body).unwrap().parse();
        assert_eq!(invalid_fields(parse(json!({"name": "", "phone": "x"}))), ["name", "phone"]);
        assert_eq!(invalid_fields(parse(json!({}))), ["body"]);
        assert_eq!(invalid_fields(parse(json!({"name": null}))), ["body"]);
        let patch = parse(json!({"mail_notifications": true})).unwrap();
        assert_eq!(patch.mail_notifications, Some(true));
    }

    #[test]
    fn an_address_reports_every_invalid_field() {
        let request: SavedAddressRequest = serde_json::from_value(json!({
            "receiver": "", "line1": "a\nb", "line2": "", "zipcode": "1234567890123", "phone": "x",
            "drop_off": "ROOF", "note": "",
        }))
        .unwrap();
        assert_eq!(
            invalid_fields(request.parse()),
            ["receiver", "line1", "line2", "zipcode", "phone", "drop_off", "note"]
        );
    }
}
