use super::{
    account::{Account, AccountStatus, ContactDetails},
    credential::{Credential, PasswordHash},
    profile::Profile,
};
use rialto_contracts::{
    Event, EventContext,
    accounts::{SellerRegistered, UserRegistered},
};
use rialto_kernel::{AccountId, SellerId, SupervisorId, Timestamp, UserId};

/// Everything that a new account begins with, written as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    pub account: Account,
    pub credential: Credential,
    /// Buyers have one.
    pub profile: Option<Profile>,
    pub events: Vec<Event>,
}

impl Registration {
    #[must_use]
    pub fn user(
        user_id: UserId,
        details: ContactDetails,
        password_hash: PasswordHash,
        cause: &EventContext,
        now: Timestamp,
    ) -> Self {
        let announced = UserRegistered { user_id };
        Self {
            profile: Some(Profile::initial(user_id)),
            events: vec![Event::new(&announced, 1, 0, now, cause)],
            ..Self::plain(AccountId::User(user_id), details, password_hash, now)
        }
    }

    #[must_use]
    pub fn seller(
        seller_id: SellerId,
        details: ContactDetails,
        password_hash: PasswordHash,
        cause: &EventContext,
        now: Timestamp,
    ) -> Self {
        let announced = SellerRegistered { seller_id };
        Self {
            events: vec![Event::new(&announced, 1, 0, now, cause)],
            ..Self::plain(AccountId::Seller(seller_id), details, password_hash, now)
        }
    }

    /// Nobody needs to hear of a supervisor.
    #[must_use]
    pub fn supervisor(
        supervisor_id: SupervisorId,
        details: ContactDetails,
        password_hash: PasswordHash,
        now: Timestamp,
    ) -> Self {
        Self::plain(AccountId::Supervisor(supervisor_id), details, password_hash, now)
    }

    fn plain(
        account_id: AccountId,
        details: ContactDetails,
        password_hash: PasswordHash,
        now: Timestamp,
    ) -> Self {
        let email = details.email.clone();
        let credential = Credential::initial(email, account_id, password_hash, now);
        let account = Account {
            account_id,
            details: Some(details),
            mail_notifications: false,
            status: AccountStatus::Registered,
            created_at: now,
            last_login_at: None,
            version: 1,
        };
        Self { account, credential, profile: None, events: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::details;

    fn hash() -> PasswordHash {
        PasswordHash("$argon2id$hash".to_owned())
    }

    #[test]
    fn a_user_begins_with_a_profile_and_is_announced_by_nothing_but_the_id() {
        let (id, now) = (UserId::derive(&[b"u"]), Timestamp::from_millis(7));
        let registration = Registration::user(
            id,
            details("Ann@Example.com"),
            hash(),
            &EventContext::default(),
            now,
        );
        assert_eq!(registration.profile, Some(Profile::initial(id)));
        assert_eq!(registration.account.status, AccountStatus::Registered);
        assert!(!registration.account.mail_notifications);
        assert_eq!(registration.credential.account_id, AccountId::User(id));
        let [event] = registration.events.as_slice() else { panic!("one event") };
        assert_eq!(event.kind, "UserRegistered");
        assert_eq!((event.sequence, event.subject.clone()), (1, id.to_string()));
        assert_eq!(event.data, serde_json::json!({"user_id": id}));
    }

    #[test]
    fn a_seller_has_no_profile_and_is_announced() {
        let id = SellerId::derive(&[b"s"]);
        let registration = Registration::seller(
            id,
            details("Ann@Example.com"),
            hash(),
            &EventContext::default(),
            Timestamp::from_millis(7),
        );
        assert_eq!(registration.profile, None);
        assert_eq!(registration.events[0].data, serde_json::json!({"seller_id": id}));
    }

    #[test]
    fn nobody_hears_of_a_supervisor() {
        let id = SupervisorId::derive(&[b"s"]);
        let registration = Registration::supervisor(
            id,
            details("Ann@Example.com"),
            hash(),
            Timestamp::from_millis(7),
        );
        assert!(registration.events.is_empty() && registration.profile.is_none());
    }
}
