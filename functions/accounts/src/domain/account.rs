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

/// What somebody tells of themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    pub email: Email,
    pub name: Name,
    /// Supervisors have none.
    pub phone: Option<Phone>,
}

/// A buyer, a seller or a supervisor: the id tells which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub account_id: AccountId,
    /// None once they are erased.
    pub details: Option<Details>,
    /// Whether notifications are mailed, too.
    pub mail_notifications: bool,
    pub status: AccountStatus,
    pub created_at: Timestamp,
    /// Kept by another function than everything else here, and without a version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_login_at: Option<Timestamp>,
    /// Rises with every change of anything but the last login.
    pub version: u64,
}
