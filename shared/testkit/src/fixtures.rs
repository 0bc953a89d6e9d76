//! Values that the tests of several crates use.

use rialto_kernel::{Address, DropOff, Phone, Text};

/// A complete address.
#[must_use]
pub fn address(receiver: &str) -> Address {
    Address {
        receiver: Text::parse(receiver).unwrap(),
        line1: Text::parse("7 Nowhere Lane").unwrap(),
        line2: None,
        zipcode: Text::parse("98765").unwrap(),
        phone: Phone::parse("+4915550100").unwrap(),
        drop_off: DropOff::Door,
        note: Some(Text::parse("behind the door").unwrap()),
    }
}

/// Positions of a list that a client could put into a forged cursor.
#[must_use]
pub fn forged_positions() -> Vec<String> {
    let mut forged = [
        "",
        "#",
        "x",
        "~",
        "\u{0}",
        "\u{10ffff}",
        "null",
        "{}",
        r#"{"pk":1,"sk":2}"#,
        r#"{"pk":"","sk":""}"#,
        r#"{"pk":"ORDER#x","sk":"ORDER","extra":"x"}"#,
        "2026-11-21T09:30:00.000Z",
        "2026-11-21T09:30:00.000Z#",
        "9999-99-99#x",
    ]
    .map(str::to_owned)
    .to_vec();
    // DynamoDB's limits: 1,024 bytes for a sort key, 2,048 for a partition key.
    forged.extend([1_024, 1_025, 2_049].map(|length| "x".repeat(length)));
    forged
}
