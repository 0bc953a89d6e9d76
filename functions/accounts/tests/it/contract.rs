//! The contract of the table's ports, which every adapter must satisfy.

mod accounts;
mod erasure;
mod lists;
mod rate_limiter;
mod resets;
mod sessions;

use rialto_accounts::{
    domain::{
        account::ContactDetails,
        contact::{Email, Name},
        credential::{Credential, PasswordHash},
        refresh_token::RefreshKey,
        registration::Registration,
        session::Session,
    },
    ports::{
        AccountCloser, AccountLister, AccountReader, AccountRegistrar, AccountWriter,
        AddressBookStore, CredentialReader, CredentialWriter, ErasureQueue, LastLoginWriter,
        ProfileStore, RateLimiter, ResetReader, ResetWriter, SessionEnder, SessionLister,
        SessionReader, SessionStarter, SessionWriter,
    },
};
use rialto_contracts::EventContext;
use rialto_kernel::{
    AccountId, Clock, Phone, SellerId, SessionId, SupervisorId, SystemClock, Timestamp, UserId,
    Write,
};

macro_rules! store {
    ($($port:ident),* $(,)?) => {
        trait Store: $($port +)* Clone + Send + Sync + 'static {}
        impl<S: $($port +)* Clone + Send + Sync + 'static> Store for S {}
    };
}
store![
    AccountCloser,
    AccountLister,
    AccountReader,
    AccountWriter,
    AddressBookStore,
    RateLimiter,
    CredentialReader,
    CredentialWriter,
    ErasureQueue,
    LastLoginWriter,
    ProfileStore,
    AccountRegistrar,
    ResetReader,
    ResetWriter,
    SessionEnder,
    SessionLister,
    SessionReader,
    SessionStarter,
    SessionWriter,
];

/// Runs each test on each adapter, with a new store.
macro_rules! contract {
    ($($test:ident),* $(,)?) => {
        rialto_testkit::contract! {
            memory: rialto_accounts::adapters::memory::MemoryAccounts::default(),
            dynamodb: rialto_accounts::adapters::dynamodb::DynamoAccounts::on(
                rialto_testkit::new_table(rialto_accounts::SERVICE).await
            );
            $($test),*
        }
    };
}
use contract;

fn details(email: &str) -> ContactDetails {
    ContactDetails {
        email: Email::parse(email).unwrap(),
        name: Name::parse("Ann Lee").unwrap(),
        phone: Some(Phone::parse("+491701234567").unwrap()),
    }
}

fn hash(text: &str) -> PasswordHash {
    PasswordHash(text.to_owned())
}

fn now() -> Timestamp {
    SystemClock.now()
}

fn user(email: &str) -> Registration {
    user_since(email, now())
}

/// A buyer who signed up at `at`.
fn user_since(email: &str, at: Timestamp) -> Registration {
    Registration::new(
        AccountId::User(UserId::generate(at)),
        details(email),
        hash("h"),
        &EventContext::default(),
        at,
    )
}

fn seller(email: &str) -> Registration {
    Registration::new(
        AccountId::Seller(SellerId::generate(now())),
        details(email),
        hash("h"),
        &EventContext::default(),
        now(),
    )
}

fn supervisor(email: &str) -> Registration {
    let id = AccountId::Supervisor(SupervisorId::generate(now()));
    Registration::new(id, details(email), hash("h"), &EventContext::default(), now())
}

async fn registered(store: &impl Store, email: &str) -> Credential {
    let registration = user(email);
    assert_eq!(store.register(&registration).await, Ok(Write::Done));
    registration.credential
}

fn session(account: AccountId) -> Session {
    Session::start(SessionId::generate(now()), account, &RefreshKey([1; 32]), now()).0
}
