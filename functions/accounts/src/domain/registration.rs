use super::{
    account::{Account, AccountStatus, ContactDetails},
    credential::{Credential, PasswordHash},
    profile::Profile,
};
use rialto_contracts::{
    Event, EventContext,
    accounts::{SellerRegistered, UserRegistered},
};
use rialto_kernel::{AccountId, Timestamp};

/// Everything that registering an account writes, in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    pub account: Account,
    pub credential: Credential,
    /// Only buyers have one.
    pub profile: Option<Profile>,
    pub events: Vec<Event>,
}

impl Registration {
    /// A new account of the role of its id. No service needs an event about a supervisor.
    #[must_use]
    pub fn new(
        account_id: AccountId,
        details: ContactDetails,
        password_hash: PasswordHash,
        context: &EventContext,
        now: Timestamp,
    ) -> Self {
        let (profile, event) = match account_id {
            AccountId::User(user_id) => (
                Some(Profile::initial(user_id)),
                Some(Event::new(&UserRegistered { user_id }, 1, 0, now, context)),
            ),
            AccountId::Seller(seller_id) => {
                (None, Some(Event::new(&SellerRegistered { seller_id }, 1, 0, now, context)))
            }
            AccountId::Supervisor(_) => (None, None),
        };
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
        Self { account, credential, profile, events: event.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::details;
    use rialto_kernel::{SellerId, SupervisorId, UserId};

    fn registration(account_id: AccountId) -> Registration {
        let hash = PasswordHash("$argon2id$hash".to_owned());
        let (context, now) = (EventContext::default(), Timestamp::from_millis(7));
        Registration::new(account_id, details("Ann@Example.com"), hash, &context, now)
    }

    #[test]
    fn a_new_user_has_a_profile_and_an_event_with_its_id_only() {
        let id = UserId::derive(&[b"u"]);
        let registration = registration(AccountId::User(id));
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
    fn a_new_seller_has_an_event_and_no_profile() {
        let id = SellerId::derive(&[b"s"]);
        let registration = registration(AccountId::Seller(id));
        assert_eq!(registration.profile, None);
        assert_eq!(registration.events[0].kind, "SellerRegistered");
        assert_eq!(registration.events[0].data, serde_json::json!({"seller_id": id}));
    }

    #[test]
    fn a_new_supervisor_has_neither_event_nor_profile() {
        let registration = registration(AccountId::Supervisor(SupervisorId::derive(&[b"s"])));
        assert!(registration.events.is_empty() && registration.profile.is_none());
    }
}
