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
