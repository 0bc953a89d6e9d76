//! The postal address that requests carry.

use rialto_kernel::{Address, DropOff, Fields, Phone, Text};
use serde::Deserialize;
use utoipa::ToSchema;

/// A postal address with its recipient.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressRequest {
    #[schema(value_type = Text<1, 80>, inline)]
    pub receiver: String,
    #[schema(value_type = Text<1, 120>, inline)]
    pub line1: String,
    #[schema(value_type = Option<Text<1, 120>>, inline)]
    pub line2: Option<String>,
    #[schema(value_type = Text<1, 12>, inline)]
    pub zipcode: String,
    /// 5 to 15 digits, with or without a leading `+`.
    #[schema(value_type = Phone)]
    pub phone: String,
    #[schema(value_type = DropOff)]
    pub drop_off: String,
    #[schema(value_type = Option<Text<1, 200>>, inline)]
    pub note: Option<String>,
}

impl AddressRequest {
    /// The address, or `None` with every invalid field recorded under `prefix` (`"address."`, or
    /// `""` where the body is the address).
    pub fn parse(self, prefix: &str, fields: &mut Fields) -> Option<Address> {
        let name = |field: &str| format!("{prefix}{field}");
        let receiver = fields.field(name("receiver"), Text::parse(&self.receiver));
        let line1 = fields.field(name("line1"), Text::parse(&self.line1));
        let line2 = self.line2.map(|text| fields.field(name("line2"), Text::parse(&text)));
        let zipcode = fields.field(name("zipcode"), Text::parse(&self.zipcode));
        let phone = fields.field(name("phone"), Phone::parse(&self.phone));
        let drop_off = fields.field(name("drop_off"), self.drop_off.parse());
        let note = self.note.map(|text| fields.field(name("note"), Text::parse(&text)));
        Some(Address {
            receiver: receiver?,
            line1: line1?,
            line2: line2.flatten(),
            zipcode: zipcode?,
            phone: phone?,
            drop_off: drop_off?,
            note: note.flatten(),
        })
    }
}

impl std::fmt::Debug for AddressRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AddressRequest(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: serde_json::Value, prefix: &str) -> Result<Address, Vec<String>> {
        let request: AddressRequest = serde_json::from_value(body).unwrap();
        let mut fields = Fields::default();
        let address = request.parse(prefix, &mut fields);
        fields.build(address).map_err(|invalid| invalid.0.into_iter().map(|e| e.field).collect())
    }

    #[test]
    fn every_bad_field_of_an_address_is_named() {
        let body = serde_json::json!({
            "receiver": "", "line1": "a\nb", "line2": "", "zipcode": "1234567890123", "phone": "x",
            "drop_off": "ROOF", "note": "",
        });
        let names = ["receiver", "line1", "line2", "zipcode", "phone", "drop_off", "note"];
        assert_eq!(parse(body.clone(), "").unwrap_err(), names);
        let names = names.map(|name| format!("address.{name}"));
        assert_eq!(parse(body, "address.").unwrap_err(), names);
    }

    #[test]
    fn line2_and_note_are_optional() {
        let body = serde_json::json!({
            "receiver": "Ann Lee", "line1": "1 Harbour Road", "zipcode": "04524",
            "phone": "+82 10-1234-5678", "drop_off": "DOOR",
        });
        let address = parse(body, "").unwrap();
        assert_eq!((address.line2, address.note), (None, None));
        assert_eq!(address.phone.as_str(), "+821012345678");
    }
}
