use crate::{
    adapters::dynamodb::DynamoAccounts,
    application::addresses::{AddressError, list_addresses},
    domain::address_book::{MAX_ADDRESSES, SavedAddress},
};
use rialto_kernel::{Address, AddressId, DropOff, Fields, Invalid, Phone, Text, UserId};
use rialto_lambda::{
    FunctionContext,
    http::{self, Data, Page, Problem, ProblemCode, Request, Response},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

pub fn main() {
    http::serve("accounts-list-addresses", build);
}

fn build(app: &FunctionContext) -> http::Handler {
    let store = DynamoAccounts::open(app);
    Arc::new(move |request| {
        let store = store.clone();
        Box::pin(async move { handle(&store, &request).await })
    })
}

/// An address that a buyer keeps.
#[derive(Serialize, ToSchema)]
#[schema(as = KeptAddress)]
pub struct KeptAddressBody {
    pub(super) address_id: AddressId,
    receiver: String,
    line1: String,
    line2: Option<String>,
    zipcode: String,
    phone: String,
    drop_off: DropOff,
    note: Option<String>,
    default: bool,
}

impl From<SavedAddress> for KeptAddressBody {
    fn from(kept: SavedAddress) -> Self {
        let Address { receiver, line1, line2, zipcode, phone, drop_off, note } = kept.address;
        Self {
            address_id: kept.address_id,
            receiver: receiver.into_string(),
            line1: line1.into_string(),
            line2: line2.map(Text::into_string),
            zipcode: zipcode.into_string(),
            phone: phone.as_str().to_owned(),
            drop_off,
            note: note.map(Text::into_string),
            default: kept.default,
        }
    }
}

/// Where a parcel goes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeptAddressRequest)]
pub struct AddressRequest {
    #[schema(min_length = 1, max_length = 80)]
    receiver: String,
    #[schema(min_length = 1, max_length = 120)]
    line1: String,
    #[schema(min_length = 1, max_length = 120)]
    line2: Option<String>,
    #[schema(min_length = 1, max_length = 12)]
    zipcode: String,
    /// 5 to 15 digits, `+` before them or not.
    phone: String,
    #[schema(value_type = DropOff)]
    drop_off: String,
    #[schema(min_length = 1, max_length = 200)]
    note: Option<String>,
    /// Whether it becomes the default. The first one is, and a default stays until another address becomes it.
    #[serde(default)]
    default: bool,
}

impl AddressRequest {
    /// The address, and whether it becomes the default.
    pub(super) fn parse(self) -> Result<(Address, bool), Invalid> {
        let mut fields = Fields::default();
        let receiver = fields.field("receiver", Text::parse(&self.receiver));
        let line1 = fields.field("line1", Text::parse(&self.line1));
        let line2 = self.line2.and_then(|text| fields.field("line2", Text::parse(&text)));
        let zipcode = fields.field("zipcode", Text::parse(&self.zipcode));
        let phone = fields.field("phone", Phone::parse(&self.phone));
        let drop_off = fields.field("drop_off", self.drop_off.parse());
        let note = self.note.and_then(|text| fields.field("note", Text::parse(&text)));
        let whole = receiver.zip(line1).zip(zipcode.zip(phone)).zip(drop_off);
        let address = whole.map(|(((receiver, line1), (zipcode, phone)), drop_off)| Address {
            receiver,
            line1,
            line2,
            zipcode,
            phone,
            drop_off,
            note,
        });
        fields.build(address.map(|address| (address, self.default)))
    }
}

/// List a buyer's addresses
///
/// Oldest first, three at most. For the buyer and supervisors.
#[utoipa::path(
    get, path = "/users/{user_id}/addresses",
    params(
        ("user_id" = UserId, Path),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = Data<Vec<KeptAddressBody>>)),
)]
pub(crate) async fn handle(store: &DynamoAccounts, request: &Request) -> Result<Response, Problem> {
    let user_id = request.path("user_id")?;
    let query = request.list_query(&[])?;
    let (limit, position) = (query.limit()?, query.position()?);
    let mut kept = list_addresses(store, user_id).await?;
    // They are few and kept in one item, oldest first: a position is how many were shown.
    let shown = position.and_then(|shown| shown.parse().ok()).unwrap_or(0).min(kept.len());
    let end = (shown + limit.get() as usize).min(kept.len());
    let next = (end < kept.len()).then(|| end.to_string());
    let items: Vec<_> = kept.drain(shown..end).map(KeptAddressBody::from).collect();
    Ok(Response::page(&Page::new(items, limit, next.as_deref(), &query.identity())))
}

impl From<AddressError> for Problem {
    fn from(error: AddressError) -> Self {
        match error {
            AddressError::NotFound => Self::not_found(),
            AddressError::LimitReached => Self::new(ProblemCode::LimitReached)
                .detail(format!("{MAX_ADDRESSES} addresses can be kept.")),
            AddressError::Contended => Self::unavailable(error),
            AddressError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_field_is_named() {
        let text = serde_json::json!({
            "receiver": "", "line1": "a\nb", "line2": "", "zipcode": "1234567890123", "phone": "x", "drop_off": "ROOF",
            "note": "",
        });
        let request: AddressRequest = serde_json::from_value(text).unwrap();
        let fields: Vec<_> =
            request.parse().unwrap_err().0.into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["receiver", "line1", "line2", "zipcode", "phone", "drop_off", "note"]);
    }
}
