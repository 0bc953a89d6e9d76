//! The account aggregate.

use super::contact::{Email, Name};
use rialto_contracts::{
    Event, EventContext,
    accounts::{SellerUnregistered, UserUnregistered},
};
use rialto_kernel::{AccountId, ETag, Phone, Timestamp};
use serde::{Deserialize, Serialize};

/// The state of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AccountStatus {
    Registered,
    Unregistered,
}

/// The personal data of an account's owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactDetails {
    pub email: Email,
    pub name: Name,
    /// `None` for supervisors.
    pub phone: Option<Phone>,
}

/// An account of a buyer, a seller or a supervisor; the id has the role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub account_id: AccountId,
    /// `None` after erasure.
    pub details: Option<ContactDetails>,
    /// Whether notifications are also sent by email.
    pub mail_notifications: bool,
    pub status: AccountStatus,
    pub created_at: Timestamp,
    /// Written by another function than the other fields, without changing the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_login_at: Option<Timestamp>,
    /// Incremented by every change but that of the last login.
    pub version: u64,
}

/// A partial update of an account; `None` leaves a field unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountPatch {
    pub name: Option<Name>,
    pub phone: Option<Phone>,
    pub mail_notifications: Option<bool>,
}

impl Account {
    /// The entity tag of what a patch can change.
    #[must_use]
    pub fn etag(&self) -> ETag {
        let details = self.details.as_ref().map(|details| (&details.name, &details.phone));
        ETag::of(&(details, self.mail_notifications))
    }

    /// The account after the patch.
    #[must_use]
    pub fn with_patch(&self, patch: AccountPatch) -> Self {
        let details = self.details.clone().map(|details| ContactDetails {
            name: patch.name.unwrap_or(details.name),
            phone: patch.phone.or(details.phone),
            email: details.email,
        });
        let mail_notifications = patch.mail_notifications.unwrap_or(self.mail_notifications);
        Self { details, mail_notifications, version: self.version + 1, ..self.clone() }
    }

    /// The closed account and its events. The personal data stays until it is
    /// [erased](Self::erased).
    #[must_use]
    pub fn unregistered(&self, context: &EventContext, now: Timestamp) -> (Self, Vec<Event>) {
        let closed = Self {
            status: AccountStatus::Unregistered,
            mail_notifications: false,
            version: self.version + 1,
            ..self.clone()
        };
        let event = match self.account_id {
            AccountId::User(user_id) => {
                Some(Event::new(&UserUnregistered { user_id }, closed.version, 0, now, context))
            }
            AccountId::Seller(seller_id) => {
                Some(Event::new(&SellerUnregistered { seller_id }, closed.version, 0, now, context))
            }
            AccountId::Supervisor(_) => None,
        };
        (closed, event.into_iter().collect())
    }

    /// The account without personal data.
    #[must_use]
    pub fn erased(&self) -> Self {
        Self { details: None, last_login_at: None, version: self.version + 1, ..self.clone() }
    }

    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.status == AccountStatus::Registered
    }

    /// The account's position in lists of all accounts: by creation time, then by id.
    #[must_use]
    pub fn list_sort_key(&self) -> String {
        format!("{}#{}", self.created_at, self.account_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::credential::PasswordHash, domain::registration::Registration, testing::details,
    };
    use rialto_kernel::{SellerId, UserId};

    fn ann() -> Account {
        let (id, now) = (UserId::derive(&[b"u"]), Timestamp::from_millis(7));
        let hash = PasswordHash("h".to_owned());
        let context = EventContext::default();
        Registration::new(AccountId::User(id), details("ann@example.com"), hash, &context, now)
            .account
    }

    #[test]
    fn a_patch_leaves_other_fields_unchanged() {
        let patch =
            AccountPatch { name: Some(Name::parse("Ann Roe").unwrap()), ..AccountPatch::default() };
        let patched = ann().with_patch(patch);
        let (before, after) = (ann().details.unwrap(), patched.details.unwrap());
        assert_eq!(after.name.as_str(), "Ann Roe");
        assert_eq!((after.email, after.phone), (before.email, before.phone));
        assert_eq!((patched.mail_notifications, patched.version), (false, 2));
    }

    #[test]
    fn the_tag_changes_with_the_fields_that_a_patch_can_change() {
        let patched = |patch| ann().with_patch(patch).etag();
        let (name, phone) = (Name::parse("Ann Roe"), Phone::parse("+4915550199"));
        let patches = [
            AccountPatch { name: name.ok(), ..AccountPatch::default() },
            AccountPatch { phone: phone.ok(), ..AccountPatch::default() },
            AccountPatch { mail_notifications: Some(true), ..AccountPatch::default() },
        ];
        for patch in patches {
            assert_ne!(patched(patch.clone()), ann().etag(), "{patch:?}");
        }
        assert_eq!(patched(AccountPatch::default()), ann().etag());
        let last_login_at = Some(Timestamp::from_millis(9));
        assert_eq!(Account { last_login_at, ..ann() }.etag(), ann().etag());
    }

    #[test]
    fn a_closed_account_keeps_its_details_until_erasure() {
        let (closed, events) =
            ann().unregistered(&EventContext::default(), Timestamp::from_millis(9));
        assert_eq!((closed.status, closed.version), (AccountStatus::Unregistered, 2));
        assert_eq!(closed.details, ann().details);
        let [event] = events.as_slice() else { panic!("one event") };
        assert_eq!((event.kind.as_str(), event.sequence), ("UserUnregistered", 2));
        assert_eq!(event.data, serde_json::json!({ "user_id": ann().account_id }));
        let erased = closed.erased();
        assert_eq!((erased.details, erased.version), (None, 3));
    }

    #[test]
    fn a_closed_seller_account_emits_seller_unregistered() {
        let seller = Account { account_id: AccountId::Seller(SellerId::derive(&[b"s"])), ..ann() };
        let (_, events) = seller.unregistered(&EventContext::default(), Timestamp::from_millis(9));
        assert_eq!(events[0].kind, "SellerUnregistered");
    }
}
