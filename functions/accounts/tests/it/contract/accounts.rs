use super::{Store, contract, hash, registered, seller, supervisor, user};
use rialto_accounts::{
    SERVICE,
    adapters::{dynamodb::DynamoAccounts, memory::MemoryKeys, passwords::Argon2Hasher},
    application::{
        init_keys::init_keys,
        log_in::{LoginAttempt, log_in},
    },
    domain::{
        account::Account,
        contact::Email,
        credential::{Credential, Password},
        profile::Profile,
        registration::Registration,
    },
    ports::{AccountRegistrar, PasswordHasher},
};
use rialto_aws::{Stage, calls::count_requests};
use rialto_contracts::{Event, EventContext};
use rialto_dynamo::{Key, OUTBOX, read_item};
use rialto_kernel::{Clock, SessionId, SystemClock, Timestamp, Write};

contract! {
    an_email_belongs_to_one_account_of_any_role,
    a_conflicting_registration_writes_nothing,
    a_repeated_registration_succeeds,
    a_credential_is_found_in_any_case,
    one_of_several_concurrent_registrations_succeeds,
    a_credential_replaces_only_its_previous_version,
    an_account_is_found_by_its_id,
    the_last_login_never_goes_back,
}

async fn an_email_belongs_to_one_account_of_any_role(store: impl Store) {
    assert_eq!(store.register(&user("ann@example.com")).await, Ok(Write::Done));
    assert_eq!(store.register(&user("ANN@example.com")).await, Ok(Write::Conflict(())));
    assert_eq!(store.register(&seller("ann@Example.com")).await, Ok(Write::Conflict(())));
    assert_eq!(store.register(&supervisor("ann@example.com")).await, Ok(Write::Conflict(())));
    assert_eq!(store.register(&seller("sue@example.com")).await, Ok(Write::Done));
    assert_eq!(store.register(&supervisor("max@example.com")).await, Ok(Write::Done));
}

async fn a_conflicting_registration_writes_nothing(store: impl Store) {
    let first = registered(&store, "ann@example.com").await;
    let mut same_id = user("bob@example.com");
    same_id.account.account_id = first.account_id;
    assert_eq!(store.register(&same_id).await, Ok(Write::Conflict(())));
    assert_eq!(store.credential(&Email::parse("bob@example.com").unwrap()).await, Ok(None));
    assert_eq!(store.credential(&first.email).await, Ok(Some(first.clone())));
}

async fn a_repeated_registration_succeeds(store: impl Store) {
    let ann = user("ann@example.com");
    for _ in 0..2 {
        assert_eq!(store.register(&ann).await, Ok(Write::Done));
    }
    assert_eq!(store.account(ann.account.account_id).await, Ok(Some(ann.account)));
}

async fn a_credential_is_found_in_any_case(store: impl Store) {
    let credential = registered(&store, "Ann@Example.com").await;
    let found = store.credential(&Email::parse("aNN@eXAMPLE.com").unwrap()).await.unwrap();
    assert_eq!(found, Some(credential));
    assert_eq!(store.credential(&Email::parse("bob@example.com").unwrap()).await, Ok(None));
}

async fn one_of_several_concurrent_registrations_succeeds(store: impl Store) {
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

async fn a_credential_replaces_only_its_previous_version(store: impl Store) {
    let first = registered(&store, "ann@example.com").await;
    let second =
        Credential { password_hash: hash("second"), version: first.version + 1, ..first.clone() };
    assert_eq!(store.save_credential(&second).await, Ok(Write::Done));
    assert_eq!(store.save_credential(&second).await, Ok(Write::Conflict(())));
    let late =
        Credential { password_hash: hash("late"), version: first.version + 1, ..first.clone() };
    assert_eq!(store.save_credential(&late).await, Ok(Write::Conflict(())));
    let unknown = Email::parse("bob@example.com").unwrap();
    let stray = Credential { email: unknown.clone(), version: first.version + 2, ..first.clone() };
    assert_eq!(store.save_credential(&stray).await, Ok(Write::Conflict(())));
    assert_eq!(store.credential(&first.email).await, Ok(Some(second)));
    assert_eq!(store.credential(&unknown).await, Ok(None));
}

async fn an_account_is_found_by_its_id(store: impl Store) {
    let (ann, sue) = (user("ann@example.com"), seller("sue@example.com"));
    for registration in [&ann, &sue] {
        assert_eq!(store.register(registration).await, Ok(Write::Done));
        let account = &registration.account;
        assert_eq!(store.account(account.account_id).await, Ok(Some(account.clone())));
    }
    let unknown = user("bob@example.com").account.account_id;
    assert_eq!(store.account(unknown).await, Ok(None));
}

async fn the_last_login_never_goes_back(store: impl Store) {
    let account = registered(&store, "ann@example.com").await.account_id;
    let (early, late) = (Timestamp::from_millis(1_000), Timestamp::from_millis(2_000));
    let last = async || store.account(account).await.unwrap().unwrap().last_login_at;
    assert_eq!(last().await, None);
    assert_eq!(store.record_login(account, late).await, Ok(Write::Done));
    assert_eq!(store.record_login(account, late).await, Ok(Write::Conflict(())));
    assert_eq!(store.record_login(account, early).await, Ok(Write::Conflict(())));
    assert_eq!(last().await, Some(late));
    let unknown = user("bob@example.com").account.account_id;
    assert_eq!(store.record_login(unknown, late).await, Ok(Write::Conflict(())));
    assert_eq!(store.account(unknown).await, Ok(None));
    assert_eq!(store.account(account).await.unwrap().unwrap().version, 1);
}

#[tokio::test]
async fn a_registration_writes_the_event_and_the_profile() {
    let table = rialto_testkit::new_table(SERVICE).await;
    let store = DynamoAccounts::on(table.clone());
    let (buyer, supervisor) = (user("ann@example.com"), super::supervisor("max@example.com"));
    for registration in [&buyer, &supervisor] {
        assert_eq!(store.register(registration).await, Ok(Write::Done));
    }
    let item = async |registration: &Registration, sort: &str| {
        let key = Key::new(format!("ACCOUNT#{}", registration.account.account_id), sort);
        table.get(&key).await.unwrap()
    };
    let written = item(&buyer, "ACCOUNT").await.unwrap();
    let published: Vec<Event> = serde_json::from_str(written[OUTBOX].as_s().unwrap()).unwrap();
    assert_eq!(published, buyer.events);
    assert_eq!(read_item::<Account>(written), Ok(buyer.account.clone()));
    let profile = item(&buyer, "PROFILE").await.unwrap();
    assert_eq!(read_item::<Profile>(profile), Ok(buyer.profile.unwrap()));

    assert!(!item(&supervisor, "ACCOUNT").await.unwrap().contains_key(OUTBOX));
    assert_eq!(item(&supervisor, "PROFILE").await, None);
}

#[tokio::test]
async fn an_unknown_email_costs_as_much_as_a_wrong_password() {
    let store = DynamoAccounts::on(rialto_testkit::new_table(SERVICE).await);
    let (keys, stage) = (MemoryKeys::default(), Stage::parse("test").unwrap());
    init_keys(&keys).await.unwrap();
    let password = Password::new("correct horse").unwrap();
    let mut ann = user("ann@example.com");
    ann.credential.password_hash = Argon2Hasher.hash(&password).unwrap();
    assert_eq!(store.register(&ann).await, Ok(Write::Done));

    for (email, password, address, expected) in [
        // Two to start each counter, one for the credential.
        ("ann@example.com", "wrong", "192.0.2.1", (false, 5)),
        ("bob@example.com", "correct horse", "192.0.2.2", (false, 5)),
        // One for each counter, one for the credential, then the session, two refunds and the list of
        // the sessions.
        ("ann@example.com", "wrong", "192.0.2.1", (false, 3)),
        ("ann@example.com", "correct horse", "192.0.2.1", (true, 7)),
    ] {
        let request = LoginAttempt {
            email: Email::parse(email).unwrap(),
            password: Password::from_login_input(password).unwrap(),
            ip_address: Some(address.parse().unwrap()),
            session_id: SessionId::generate(SystemClock.now()),
            session_max_age: std::time::Duration::from_secs(90 * 24 * 3600),
        };
        let context = EventContext::default();
        let work =
            log_in(&store, &keys, &Argon2Hasher, &stage, &request, &context, SystemClock.now());
        let (result, calls) = count_requests(work).await;
        assert_eq!((result.is_ok(), calls), expected, "{email}");
    }
}
