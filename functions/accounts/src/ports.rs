//! Ports: small traits, one for what each use case needs of the table, the keys, password hashing,
//! email and the orders service. `adapters` implements them. Futures are `Send`, because handlers
//! run on several threads.
//!
//! The error of most methods is [`StoreError`](rialto_kernel::StoreError). From a read, it means
//! that nothing could be read. From a write, it means that its outcome is unknown, so that the
//! write has to be safe to repeat.

#![expect(clippy::missing_errors_doc, reason = "errors are described once, above")]

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
