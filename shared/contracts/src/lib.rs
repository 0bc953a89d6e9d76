//! Contracts between services: the event envelope, each source's events, and internal requests.
//!
//! Within a version fields are only added; a consumer ignores fields and events it doesn't know.
//! The JSON Schemas in `events/schemas` are made from these types.

pub mod accounts;
pub mod catalog;
pub mod envelope;
pub mod internal;
pub mod inventory;
pub mod orders;
pub mod payments;

pub use envelope::{DecodeError, Event, EventContext, Payload};

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

            /// The JSON Schema of each event's data, by the event's name.
            #[must_use]
            pub fn schemas() -> Vec<(&'static str, u32, crate::envelope::Schema)> {
                vec![$((stringify!($event), $version, crate::envelope::Schema::of::<$event>())),*]
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
