//! Domain types and rules, without I/O.

pub mod account;
pub mod address_book;
pub mod contact;
pub mod credential;
pub mod profile;
pub mod rate_limit;
pub mod refresh_token;
pub mod registration;
pub mod reset;
pub mod session;
pub mod signing_key;

/// Implements `Debug` without the value, to keep personal data and secrets out of logs and test
/// output.
macro_rules! redacted_debug {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}
use redacted_debug;
