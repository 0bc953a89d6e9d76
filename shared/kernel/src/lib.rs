//! Values that every service shares. Nothing here depends on AWS, HTTP or the environment.

pub mod account;
pub mod address;
pub mod backoff;
pub mod digest;
pub mod due;
pub mod etag;
pub mod fields;
pub mod ids;
pub mod image;
pub mod money;
pub mod phone;
pub mod quantity;
pub mod role;
pub mod settings;
pub mod signature;
pub mod store;
pub mod text;
pub mod time;

pub use account::AccountId;
pub use address::{Address, DropOff};
pub use backoff::Backoff;
pub use due::{DueEntry, DueQueue};
pub use etag::{ETag, IfMatch, PreconditionFailed};
pub use fields::{FieldError, Fields, Invalid};
pub use ids::*;
pub use image::ImageUrl;
pub use money::{Amount, AmountError, Currency};
pub use phone::Phone;
pub use quantity::Quantity;
pub use role::Role;
pub use store::{StoreError, Write};
pub use text::Text;
pub use time::{Clock, SystemClock, Timestamp};
