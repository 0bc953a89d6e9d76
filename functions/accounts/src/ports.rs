//! What lies outside: the service's table, the keys and the hashing of passwords, in the pieces that each use case needs.

mod accounts;
mod attempts;
mod keys;
mod orders;
mod passwords;
mod reset;
mod sessions;

pub use accounts::*;
pub use attempts::*;
pub use keys::*;
pub use orders::*;
pub use passwords::*;
pub use reset::*;
pub use sessions::*;
