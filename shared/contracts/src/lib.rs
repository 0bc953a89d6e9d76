//! Contracts between services: the event envelope, each source's events, and internal requests.
//!
//! Within a version fields are only added; a consumer ignores fields and events it doesn't know.
//! The JSON Schemas in `events/schemas` are made from these types.

pub mod accounts;
pub mod catalog;
pub mod delivery;
pub mod envelope;
pub mod internal;
pub mod inventory;
pub mod orders;
pub mod payments;

pub use envelope::{DecodeError, Event, EventContext, Payload};

/// Every source with its types of events and their versions. A type belongs to one source.
pub const SOURCES: [(&str, &[(&str, u32)]); 6] = [
    (accounts::Accounts::NAME, accounts::Accounts::EVENTS),
    (catalog::Catalog::NAME, catalog::Catalog::EVENTS),
    (delivery::Delivery::NAME, delivery::Delivery::EVENTS),
    (inventory::Inventory::NAME, inventory::Inventory::EVENTS),
    (orders::Orders::NAME, orders::Orders::EVENTS),
    (payments::Payments::NAME, payments::Payments::EVENTS),
];

/// The source that a type of event belongs to; `None` for a type that this release doesn't know.
#[must_use]
pub fn owner_of(kind: &str) -> Option<&'static str> {
    let owns = |events: &[(&str, u32)]| events.iter().any(|(event, _)| *event == kind);
    SOURCES.iter().find(|(_, events)| owns(events)).map(|(source, _)| *source)
}

/// Declares a source: an enum with a variant for each of its events, and how an [`Event`] is
/// decoded into it.
macro_rules! source {
    ($(#[$doc:meta])* $source:ident = $name:literal { $($event:ident v $version:literal subject $subject:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $source {
            $($event($event),)*
            /// A type of event that this release doesn't know.
            Other,
        }

        impl $source {
            /// EventBridge's `source`, as rules match it.
            pub const NAME: &'static str = $name;
            /// Every event of this source with its version.
            pub const EVENTS: &'static [(&'static str, u32)] = &[$((stringify!($event), $version)),*];

            /// # Errors
            /// [`DecodeError`](crate::DecodeError) when the data isn't that of the event's type.
            pub fn decode(event: &crate::Event) -> Result<Self, crate::DecodeError> {
                match event.kind.as_str() {
                    $(stringify!($event) => event.payload().map(Self::$event),)*
                    _ => Ok(Self::Other),
                }
            }

            /// Every event of this source with the schema of its data.
            #[must_use]
            pub fn types() -> Vec<crate::envelope::EventType> {
                vec![$(crate::envelope::EventType {
                    name: stringify!($event),
                    version: $version,
                    subject: stringify!($subject),
                    schema: crate::envelope::Schema::of::<$event>(),
                }),*]
            }
        }

        $(impl crate::Payload for $event {
            const SOURCE: &'static str = $name;
            const TYPE: &'static str = stringify!($event);
            const VERSION: u32 = $version;
            fn subject(&self) -> String {
                self.$subject.to_string()
            }
        })*
    };
}
use source;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_belongs_to_one_source() {
        for (source, events) in SOURCES {
            for (kind, _) in events {
                // A type of two sources would be found at the first.
                assert_eq!(owner_of(kind), Some(source), "{kind}");
            }
        }
        assert_eq!(owner_of("OrderLost"), None);
    }
}
