use super::contact::{Email, Name, Phone};
use rialto_kernel::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

/// Whether an account is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AccountStatus {
    Registered,
    Unregistered,
}

/// A buyer, a seller or a supervisor: the id tells which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub account_id: AccountId,
    pub email: Email,
    pub name: Name,
    /// Supervisors have none.
    pub phone: Option<Phone>,
    /// Whether notifications are mailed, too.
    pub mail_notifications: bool,
    pub status: AccountStatus,
    pub created_at: Timestamp,
    /// Rises with every change.
    pub version: u64,
}
