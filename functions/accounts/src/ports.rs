//! What lies outside: the service's table, the keys and the hashing of passwords, in the pieces that each use case needs.

mod accounts;
mod keys;
mod orders;
mod passwords;
mod rate_limiter;
mod reset;
mod sessions;

pub use accounts::*;
pub use keys::*;
pub use orders::*;
pub use passwords::*;
pub use rate_limiter::*;
pub use reset::*;
pub use sessions::*;
