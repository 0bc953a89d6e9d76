//! Events that accounts publishes. They contain no personal data: services that need a name or an
//! address call accounts.

use rialto_kernel::{AccountId, SellerId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A buyer has registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserRegistered {
    pub user_id: UserId,
}

/// A buyer's account was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserUnregistered {
    pub user_id: UserId,
}

/// A session was started by a login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserLoggedIn {
    pub account_id: AccountId,
    pub at: Timestamp,
}

/// A seller has registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SellerRegistered {
    pub seller_id: SellerId,
}

/// A seller's account was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SellerUnregistered {
    pub seller_id: SellerId,
}

crate::source! {
    Accounts = "rialto.accounts" {
        UserRegistered v 1 subject user_id,
        UserUnregistered v 1 subject user_id,
        UserLoggedIn v 1 subject account_id,
        SellerRegistered v 1 subject seller_id,
        SellerUnregistered v 1 subject seller_id,
    }
}
