use super::contact::{Email, Name};
use rialto_contracts::{
    Event, EventContext,
    accounts::{SellerUnregistered, UserUnregistered},
};
use rialto_kernel::{AccountId, Phone, Timestamp};
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
pub struct ContactDetails {
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
    pub details: Option<ContactDetails>,
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

/// What of an account may be changed; what is none stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountPatch {
    pub name: Option<Name>,
    pub phone: Option<Phone>,
    pub mail_notifications: Option<bool>,
}

impl Account {
    /// The account with what was changed.
    #[must_use]
    pub fn with_patch(&self, edit: AccountPatch) -> Self {
        let details = self.details.clone().map(|details| ContactDetails {
            name: edit.name.unwrap_or(details.name),
            phone: edit.phone.or(details.phone),
            email: details.email,
        });
        let mail_notifications = edit.mail_notifications.unwrap_or(self.mail_notifications);
        Self { details, mail_notifications, version: self.version + 1, ..self.clone() }
    }

    /// The account closed, and what is announced. What it tells of a person stays until nothing needs it any more.
    #[must_use]
    pub fn unregistered(&self, cause: &EventContext, now: Timestamp) -> (Self, Vec<Event>) {
        let closed = Self {
            status: AccountStatus::Unregistered,
            mail_notifications: false,
            version: self.version + 1,
            ..self.clone()
        };
        let announced = match self.account_id {
            AccountId::User(user_id) => {
                Some(Event::new(&UserUnregistered { user_id }, closed.version, 0, now, cause))
            }
            AccountId::Seller(seller_id) => {
                Some(Event::new(&SellerUnregistered { seller_id }, closed.version, 0, now, cause))
            }
            AccountId::Supervisor(_) => None,
        };
        (closed, announced.into_iter().collect())
    }

    /// The account without anything that tells of a person.
    #[must_use]
    pub fn erased(&self) -> Self {
        Self { details: None, last_login_at: None, version: self.version + 1, ..self.clone() }
    }

    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.status == AccountStatus::Registered
    }

    /// Where the account stands in lists of all: by time, then by id.
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
        Registration::user(id, details("ann@example.com"), hash, &EventContext::default(), now)
            .account
    }

    #[test]
    fn what_an_edit_leaves_out_stays() {
        let edit =
            AccountPatch { name: Some(Name::parse("Ann Roe").unwrap()), ..AccountPatch::default() };
        let edited = ann().with_patch(edit);
        let (before, after) = (ann().details.unwrap(), edited.details.unwrap());
        assert_eq!(after.name.as_str(), "Ann Roe");
        assert_eq!((after.email, after.phone), (before.email, before.phone));
        assert_eq!((edited.mail_notifications, edited.version), (false, 2));
    }

    #[test]
    fn a_closed_account_keeps_its_details_until_they_are_erased() {
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
    fn a_seller_is_announced_as_one() {
        let seller = Account { account_id: AccountId::Seller(SellerId::derive(&[b"s"])), ..ann() };
        let (_, events) = seller.unregistered(&EventContext::default(), Timestamp::from_millis(9));
        assert_eq!(events[0].kind, "SellerUnregistered");
    }
}
