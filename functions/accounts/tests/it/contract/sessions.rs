use super::{Store, contract, now, registered, session};
use futures_util::future::join_all;
use rialto_accounts::{
    SERVICE,
    adapters::dynamodb::DynamoAccounts,
    domain::{contact::Email, credential::Credential, session::Session},
    ports::{SessionEnder, SessionReader, SessionStarter},
};
use rialto_aws::calls::count_requests;
use rialto_contracts::{Event, EventContext};
use rialto_dynamo::{Key, OUTBOX, Table};
use rialto_kernel::{AccountId, SessionId, UserId, Write};
use rialto_testkit::http::{StubResponse, serve};
use std::{
    cmp::Reverse,
    sync::{Arc, Mutex},
    time::Duration,
};

contract! {
    a_session_starts_once_with_the_current_credential,
    a_session_is_found_only_under_its_own_account,
    a_session_replaces_only_its_previous_version,
    an_ended_session_cannot_be_saved_again,
    all_sessions_end_except_the_excluded_one,
    the_oldest_sessions_end_beyond_a_number,
    concurrent_logins_leave_the_newest_sessions,
    sessions_are_listed_newest_first_in_pages,
}

async fn a_session_starts_once_with_the_current_credential(store: impl Store) {
    let credential = registered(&store, "ann@example.com").await;
    let first = session(credential.account_id);
    assert_eq!(store.start(&first, &credential, &[]).await, Ok(Write::Done));
    assert_eq!(store.start(&first, &credential, &[]).await, Ok(Write::Conflict(())));

    let changed = Credential { version: credential.version + 1, ..credential.clone() };
    let unknown =
        Credential { email: Email::parse("bob@example.com").unwrap(), ..credential.clone() };
    for other in [changed, unknown] {
        let second = session(credential.account_id);
        assert_eq!(store.start(&second, &other, &[]).await, Ok(Write::Conflict(())));
        assert_eq!(store.session(second.account_id, second.session_id).await, Ok(None));
    }
}

async fn a_session_is_found_only_under_its_own_account(store: impl Store) {
    let credential = registered(&store, "ann@example.com").await;
    let session = session(credential.account_id);
    assert_eq!(store.start(&session, &credential, &[]).await, Ok(Write::Done));
    let (account, id) = (session.account_id, session.session_id);
    assert_eq!(store.session(account, id).await, Ok(Some(session)));
    let other = AccountId::User(UserId::generate(now()));
    assert_eq!(store.session(other, id).await, Ok(None));
    assert_eq!(store.session(account, SessionId::generate(now())).await, Ok(None));
}

async fn a_session_replaces_only_its_previous_version(store: impl Store) {
    let credential = registered(&store, "ann@example.com").await;
    let first = session(credential.account_id);
    let second = Session { generation: 2, version: 2, ..first.clone() };
    assert_eq!(store.save(&second).await, Ok(Write::Conflict(())), "it hasn't started");
    assert_eq!(store.start(&first, &credential, &[]).await, Ok(Write::Done));
    assert_eq!(store.save(&second).await, Ok(Write::Done));
    assert_eq!(store.save(&second).await, Ok(Write::Conflict(())));
    let late = Session { generation: 9, version: 2, ..first.clone() };
    assert_eq!(store.save(&late).await, Ok(Write::Conflict(())));
    assert_eq!(store.session(first.account_id, first.session_id).await, Ok(Some(second)));
}

async fn an_ended_session_cannot_be_saved_again(store: impl Store) {
    let credential = registered(&store, "ann@example.com").await;
    let session = session(credential.account_id);
    let (account, id) = (session.account_id, session.session_id);
    assert_eq!(store.end(account, id).await, Ok(Write::Conflict(())));
    assert_eq!(store.start(&session, &credential, &[]).await, Ok(Write::Done));
    let stranger = AccountId::User(UserId::generate(now()));
    assert_eq!(store.end(stranger, id).await, Ok(Write::Conflict(())));
    assert_eq!(store.session(account, id).await, Ok(Some(session.clone())));
    assert_eq!(store.end(account, id).await, Ok(Write::Done));
    assert_eq!(store.end(account, id).await, Ok(Write::Conflict(())));
    let refreshed = Session { generation: 2, version: 2, ..session };
    assert_eq!(store.save(&refreshed).await, Ok(Write::Conflict(())));
    assert_eq!(store.session(account, id).await, Ok(None));
}

/// Starts sessions of one account, oldest first.
async fn start_sessions(store: &impl Store, credential: &Credential, count: u8) -> Vec<Session> {
    let mut sessions = Vec::new();
    for at in 0..count {
        let id = SessionId::derive_at(now().plus(Duration::from_secs(at.into())), &[&[at]]);
        let session = Session { session_id: id, ..session(credential.account_id) };
        assert_eq!(store.start(&session, credential, &[]).await, Ok(Write::Done));
        sessions.push(session);
    }
    sessions
}

async fn all_sessions_end_except_the_excluded_one(store: impl Store) {
    let (ann, bob) =
        (registered(&store, "ann@example.com").await, registered(&store, "bob@example.com").await);
    let (sessions, other) =
        (start_sessions(&store, &ann, 60).await, start_sessions(&store, &bob, 1).await);
    let excluded = &sessions[30];
    assert_eq!(store.end_all(ann.account_id, Some(excluded.session_id)).await, Ok(59));
    let remaining = store.sessions(ann.account_id, 100, None).await.unwrap().0;
    assert_eq!(remaining, std::slice::from_ref(excluded));
    assert_eq!(store.end_all(ann.account_id, Some(excluded.session_id)).await, Ok(0));
    assert_eq!(store.end_all(ann.account_id, None).await, Ok(1));
    assert_eq!(store.sessions(ann.account_id, 100, None).await, Ok((Vec::new(), None)));
    assert_eq!(store.sessions(bob.account_id, 100, None).await.unwrap().0, other);
}

async fn the_oldest_sessions_end_beyond_a_number(store: impl Store) {
    let (ann, bob) =
        (registered(&store, "ann@example.com").await, registered(&store, "bob@example.com").await);
    assert_eq!(store.end_oldest(ann.account_id, 3).await, Ok(0));
    let (mut sessions, other) =
        (start_sessions(&store, &ann, 40).await, start_sessions(&store, &bob, 1).await);
    sessions.reverse();
    assert_eq!(store.end_oldest(ann.account_id, 40).await, Ok(0));
    assert_eq!(store.end_oldest(ann.account_id, 3).await, Ok(37));
    assert_eq!(store.sessions(ann.account_id, 100, None).await.unwrap().0, &sessions[..3]);
    assert_eq!(store.sessions(bob.account_id, 100, None).await.unwrap().0, other);
}

async fn concurrent_logins_leave_the_newest_sessions(store: impl Store) {
    let ann = registered(&store, "ann@example.com").await;
    let logins = (0..20).map(async |at: u8| {
        let id = SessionId::derive_at(now().plus(Duration::from_secs(at.into())), &[&[at]]);
        let session = Session { session_id: id, ..session(ann.account_id) };
        // A transaction may be refused because of another one; the client logs in again.
        while store.start(&session, &ann, &[]).await != Ok(Write::Done) {}
        store.end_oldest(ann.account_id, 5).await.unwrap();
        session
    });
    let mut sessions = join_all(logins).await;
    sessions.sort_unstable_by_key(|session| Reverse(session.session_id));
    assert_eq!(store.sessions(ann.account_id, 100, None).await.unwrap().0, &sessions[..5]);
}

async fn sessions_are_listed_newest_first_in_pages(store: impl Store) {
    let ann = registered(&store, "ann@example.com").await;
    let mut sessions = start_sessions(&store, &ann, 5).await;
    sessions.reverse();
    let mut position: Option<String> = None;
    for page in [&sessions[..2], &sessions[2..4], &sessions[4..]] {
        let (found, next) = store.sessions(ann.account_id, 2, position.as_deref()).await.unwrap();
        assert_eq!(found, page);
        position = next;
    }
    assert_eq!(position, None);
}

/// The table's first response is an error after the write was done.
#[tokio::test]
async fn ending_a_session_is_retried_with_one_token() {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&requests);
    let endpoint = serve(move |request| {
        let mut log = log.lock().unwrap();
        log.push(serde_json::from_str::<serde_json::Value>(&request.body).unwrap());
        Some(if log.len() == 1 {
            StubResponse::new(500, "{}")
        } else {
            StubResponse::new(200, "{}")
        })
    });
    let table = Table::named(&rialto_aws::emulator_config(&endpoint), "lost".to_owned());
    let account = AccountId::User(UserId::generate(now()));
    let ended = DynamoAccounts::on(table).end(account, SessionId::generate(now())).await;
    assert_eq!(ended, Ok(Write::Done));
    let tokens: Vec<_> = requests
        .lock()
        .unwrap()
        .iter()
        .map(|body| body["ClientRequestToken"].as_str().map(str::to_owned))
        .collect();
    assert!(tokens[0].is_some() && tokens == [tokens[0].clone(), tokens[0].clone()], "{tokens:?}");
}

#[tokio::test]
async fn a_session_is_read_in_one_request_and_has_a_ttl() {
    let table = rialto_testkit::new_table(SERVICE).await;
    let store = DynamoAccounts::on(table.clone());
    let credential = registered(&store, "ann@example.com").await;
    let session = session(credential.account_id);
    assert_eq!(store.start(&session, &credential, &[]).await, Ok(Write::Done));
    let (account, id) = (session.account_id, session.session_id);
    let (found, calls) = count_requests(store.session(account, id)).await;
    assert_eq!((found, calls), (Ok(Some(session.clone())), 1));

    let key = Key::new(format!("ACCOUNT#{account}"), format!("SESSION#{id}"));
    let ttl = table.get(&key).await.unwrap().unwrap()["ttl"].as_n().unwrap().clone();
    assert_eq!(ttl, session.expires_at.seconds().to_string());
}

#[tokio::test]
async fn a_login_publishes_an_event_but_a_refresh_does_not() {
    let table = rialto_testkit::new_table(SERVICE).await;
    let store = DynamoAccounts::on(table.clone());
    let credential = registered(&store, "ann@example.com").await;
    let session = session(credential.account_id);
    let events = [session.logged_in_event(&EventContext::default())];
    assert_eq!(store.start(&session, &credential, &events).await, Ok(Write::Done));
    let key = Key::new(
        format!("ACCOUNT#{}", session.account_id),
        format!("SESSION#{}", session.session_id),
    );
    let written = table.get(&key).await.unwrap().unwrap();
    let published: Vec<Event> = serde_json::from_str(written[OUTBOX].as_s().unwrap()).unwrap();
    assert_eq!(published, events);

    let refreshed = Session { generation: 2, version: 2, ..session };
    assert_eq!(
        rialto_accounts::ports::SessionWriter::save(&store, &refreshed).await,
        Ok(Write::Done)
    );
    let written = table.get(&key).await.unwrap().unwrap();
    assert!(!written.contains_key(OUTBOX) && written.contains_key("ttl"));
}
