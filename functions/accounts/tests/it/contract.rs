//! What every adapter of the table's ports must do.

use rialto_accounts::{
    SERVICE,
    adapters::{
        dynamodb::DynamoAccounts,
        memory::{MemoryAccounts, MemoryKeys},
        passwords::Argon2Passwords,
    },
    application::{
        log_in::{LogIn, log_in},
        prepare_keys::prepare_keys,
    },
    domain::{
        account::Account,
        contact::{Email, Name, Phone},
        credential::{Credential, Password, PasswordHash},
        profile::Profile,
        refresh_token::RefreshKey,
        registration::{Details, Registration},
        session::Session,
    },
    ports::{CredentialReader, Passwords, Registrar, SessionReader, SessionStarter},
};
use rialto_aws::{Stage, calls::counted};
use rialto_contracts::{Cause, Event};
use rialto_dynamo::{Key, OUTBOX, read_item};
use rialto_kernel::{
    AccountId, Clock, SellerId, SessionId, SupervisorId, SystemClock, Timestamp, UserId, Write,
};

trait Store: Registrar + CredentialReader + SessionStarter + SessionReader {}
impl<S: Registrar + CredentialReader + SessionStarter + SessionReader> Store for S {}

/// Runs each rule on each adapter, on a store of its own.
macro_rules! contract {
    ($($rule:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test] async fn $rule() { super::$rule(super::MemoryAccounts::default()).await; })*
        }
        mod dynamodb {
            $(#[tokio::test] async fn $rule() {
                let table = rialto_testkit::new_table(super::SERVICE).await;
                super::$rule(super::DynamoAccounts::on(table)).await;
            })*
        }
    };
}

contract! {
    an_email_belongs_to_one_account_of_whatever_role,
    a_refused_registration_leaves_nothing,
    a_credential_is_found_whatever_the_case,
    of_many_registrations_at_once_one_wins,
    a_session_begins_once_and_only_with_the_credential_as_it_is,
    a_session_is_found_only_under_its_own_account,
}

fn details(email: &str) -> Details {
    Details {
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
    Registration::user(UserId::generate(now()), details(email), hash("h"), &Cause::default(), now())
}

fn seller(email: &str) -> Registration {
    Registration::seller(SellerId::generate(now()), details(email), hash("h"), &Cause::default(), now())
}

fn supervisor(email: &str) -> Registration {
    Registration::supervisor(SupervisorId::generate(now()), details(email), hash("h"), now())
}

async fn registered(store: &impl Store, email: &str) -> Credential {
    let registration = user(email);
    assert_eq!(store.register(&registration).await, Ok(Write::Done));
    registration.credential
}

fn session(account: AccountId) -> Session {
    Session::start(SessionId::generate(now()), account, &RefreshKey([1; 32]), now()).0
}

async fn an_email_belongs_to_one_account_of_whatever_role(store: impl Store) {
    assert_eq!(store.register(&user("ann@example.com")).await, Ok(Write::Done));
    assert_eq!(store.register(&user("ANN@example.com")).await, Ok(Write::Conflict));
    assert_eq!(store.register(&seller("ann@Example.com")).await, Ok(Write::Conflict));
    assert_eq!(store.register(&supervisor("ann@example.com")).await, Ok(Write::Conflict));
    assert_eq!(store.register(&seller("sue@example.com")).await, Ok(Write::Done));
    assert_eq!(store.register(&supervisor("max@example.com")).await, Ok(Write::Done));
}

async fn a_refused_registration_leaves_nothing(store: impl Store) {
    let first = registered(&store, "ann@example.com").await;
    let mut same_id = user("bob@example.com");
    same_id.account.account_id = first.account_id;
    assert_eq!(store.register(&same_id).await, Ok(Write::Conflict));
    assert_eq!(store.credential(&Email::parse("bob@example.com").unwrap()).await, Ok(None));
    assert_eq!(store.credential(&first.email).await, Ok(Some(first.clone())));
}

async fn a_credential_is_found_whatever_the_case(store: impl Store) {
    let credential = registered(&store, "Ann@Example.com").await;
    let found = store.credential(&Email::parse("aNN@eXAMPLE.com").unwrap()).await.unwrap();
    assert_eq!(found, Some(credential));
    assert_eq!(store.credential(&Email::parse("bob@example.com").unwrap()).await, Ok(None));
}

async fn of_many_registrations_at_once_one_wins(store: impl Store) {
    let registrations: Vec<_> = (0..8).map(|_| user("ann@example.com")).collect();
    let (a, b, c, d, e, f, g, h) = tokio::join!(
        store.register(&registrations[0]),
        store.register(&registrations[1]),
        store.register(&registrations[2]),
        store.register(&registrations[3]),
        store.register(&registrations[4]),
        store.register(&registrations[5]),
        store.register(&registrations[6]),
        store.register(&registrations[7]),
    );
    let writes = [a, b, c, d, e, f, g, h];
    assert_eq!(writes.iter().filter(|write| **write == Ok(Write::Done)).count(), 1, "{writes:?}");
    let winner = writes.iter().position(|write| *write == Ok(Write::Done)).unwrap();
    let found = store.credential(&Email::parse("ann@example.com").unwrap()).await.unwrap().unwrap();
    assert_eq!(found, registrations[winner].credential);
}

async fn a_session_begins_once_and_only_with_the_credential_as_it_is(store: impl Store) {
    let credential = registered(&store, "ann@example.com").await;
    let first = session(credential.account_id);
    assert_eq!(store.start(&first, &credential).await, Ok(Write::Done));
    assert_eq!(store.start(&first, &credential).await, Ok(Write::Conflict));

    let changed = Credential { version: 2, ..credential.clone() };
    let gone = Credential { email: Email::parse("bob@example.com").unwrap(), ..credential.clone() };
    for other in [changed, gone] {
        let second = session(credential.account_id);
        assert_eq!(store.start(&second, &other).await, Ok(Write::Conflict));
        assert_eq!(store.session(second.account_id, second.session_id).await, Ok(None));
    }
}

async fn a_session_is_found_only_under_its_own_account(store: impl Store) {
    let credential = registered(&store, "ann@example.com").await;
    let session = session(credential.account_id);
    assert_eq!(store.start(&session, &credential).await, Ok(Write::Done));
    let (account, id) = (session.account_id, session.session_id);
    assert_eq!(store.session(account, id).await, Ok(Some(session)));
    let other = AccountId::User(UserId::generate(now()));
    assert_eq!(store.session(other, id).await, Ok(None));
    assert_eq!(store.session(account, SessionId::generate(now())).await, Ok(None));
}

#[tokio::test]
async fn an_account_is_announced_by_its_own_item_and_has_its_profile_beside_it() {
    let table = rialto_testkit::new_table(SERVICE).await;
    let store = DynamoAccounts::on(table.clone());
    let (buyer, chief) = (user("ann@example.com"), supervisor("max@example.com"));
    for registration in [&buyer, &chief] {
        assert_eq!(store.register(registration).await, Ok(Write::Done));
    }
    let item = async |registration: &Registration, sort: &str| {
        let key = Key::new(format!("ACCOUNT#{}", registration.account.account_id), sort);
        table.get(&key).await.unwrap()
    };
    let written = item(&buyer, "ACCOUNT").await.unwrap();
    let announced: Vec<Event> = serde_json::from_str(written[OUTBOX].as_s().unwrap()).unwrap();
    assert_eq!(announced, buyer.events);
    assert_eq!(read_item::<Account>(written), Ok(buyer.account.clone()));
    let profile = item(&buyer, "PROFILE").await.unwrap();
    assert_eq!(read_item::<Profile>(profile), Ok(buyer.profile.unwrap()));

    assert!(!item(&chief, "ACCOUNT").await.unwrap().contains_key(OUTBOX));
    assert_eq!(item(&chief, "PROFILE").await, None);
}

#[tokio::test]
async fn a_session_takes_one_request_to_read_and_the_table_forgets_it_in_time() {
    let table = rialto_testkit::new_table(SERVICE).await;
    let store = DynamoAccounts::on(table.clone());
    let credential = registered(&store, "ann@example.com").await;
    let session = session(credential.account_id);
    assert_eq!(store.start(&session, &credential).await, Ok(Write::Done));
    let (account, id) = (session.account_id, session.session_id);
    let (found, calls) = counted(store.session(account, id)).await;
    assert_eq!((found, calls), (Ok(Some(session.clone())), 1));

    let key = Key::new(format!("ACCOUNT#{account}"), format!("SESSION#{id}"));
    let ttl = table.get(&key).await.unwrap().unwrap()["ttl"].as_n().unwrap().clone();
    assert_eq!(ttl, session.expires_at.seconds().to_string());
}

#[tokio::test]
async fn an_unknown_email_and_a_wrong_password_take_one_request_each() {
    let store = DynamoAccounts::on(rialto_testkit::new_table(SERVICE).await);
    let (keys, stage) = (MemoryKeys::default(), Stage::parse("test").unwrap());
    prepare_keys(&keys).await.unwrap();
    let password = Password::choose("correct horse").unwrap();
    let mut ann = user("ann@example.com");
    ann.credential.password_hash = Argon2Passwords.hash(&password).unwrap();
    assert_eq!(store.register(&ann).await, Ok(Write::Done));

    for (email, password, expected) in [
        ("ann@example.com", "wrong", (false, 1)),
        ("bob@example.com", "correct horse", (false, 1)),
        ("ann@example.com", "correct horse", (true, 2)),
    ] {
        let request = LogIn {
            email: Email::parse(email).unwrap(),
            password: Password::attempt(password).unwrap(),
            session_id: SessionId::generate(now()),
        };
        let work = log_in(&store, &keys, &Argon2Passwords, &stage, &request, now());
        let (result, calls) = counted(work).await;
        assert_eq!((result.is_ok(), calls), expected, "{email}");
    }
}
