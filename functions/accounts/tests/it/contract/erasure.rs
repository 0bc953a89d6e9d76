use super::{Store, contract, hash, now, registered, session, user_since};
use futures_util::{TryStreamExt, future::join_all};
use rialto_accounts::{
    SERVICE,
    adapters::dynamodb::DynamoAccounts,
    application::{addresses::add_address, unregister_user::unregister_user},
    domain::{
        account::{Account, AccountPatch, AccountStatus},
        credential::Credential,
        reset::{PasswordReset, ResetCode},
    },
    ports::{
        AccountCloser, AccountReader, AddressBookStore, CredentialReader, ErasureQueue,
        LastLoginWriter,
    },
};
use rialto_contracts::{Event, EventContext};
use rialto_dynamo::{Key, OUTBOX};
use rialto_kernel::{AccountId, AddressId, DueEntry, DueQueue, Timestamp, Write};
use rialto_lambda::sweep::due_entries;
use rialto_testkit::fixtures::address;
use std::time::Duration;

contract! {
    closing_conflicts_with_changes_since_the_read,
    a_closed_account_is_due_until_it_is_erased,
    a_closed_account_records_no_login,
    accounts_are_due_in_order_of_their_deadlines,
    pending_changes_never_reach_the_emails_next_account,
    no_concurrent_login_survives_closing,
}

/// The ids that are due, in the order of a sweep.
async fn due(store: &(impl DueQueue<Id = AccountId> + Sync), now: Timestamp) -> Vec<AccountId> {
    due_entries(store, now).map_ok(|entry| entry.id).try_collect().await.unwrap()
}

/// A registered account with its credential.
async fn ann(store: &impl Store) -> (Account, Credential) {
    let credential = registered(store, "ann@example.com").await;
    (store.account(credential.account_id).await.unwrap().unwrap(), credential)
}

fn close(account: &Account) -> (Account, Vec<Event>) {
    account.unregistered(&EventContext::default(), now())
}

async fn closing_conflicts_with_changes_since_the_read(store: impl Store) {
    let (account, credential) = ann(&store).await;
    let (closed, events) = close(&account);
    let other = Credential { version: credential.version + 1, ..credential.clone() };
    assert_eq!(store.close(&closed, &other, &events, now()).await, Ok(Write::Conflict(())));
    let edited = account
        .with_patch(AccountPatch { mail_notifications: Some(true), ..AccountPatch::default() });
    assert_eq!(store.save_account(&edited).await, Ok(Write::Done));
    assert_eq!(store.close(&closed, &credential, &events, now()).await, Ok(Write::Conflict(())));
    assert_eq!(store.credential(&credential.email).await, Ok(Some(credential.clone())));
    assert_eq!(store.account(account.account_id).await, Ok(Some(edited.clone())));

    let (closed, events) = close(&edited);
    assert_eq!(store.close(&closed, &credential, &events, now()).await, Ok(Write::Done));
    assert_eq!(store.close(&closed, &credential, &events, now()).await, Ok(Write::Conflict(())));
    assert_eq!(store.credential(&credential.email).await, Ok(None));
    assert_eq!(store.account(account.account_id).await, Ok(Some(closed)));
    let again = registered(&store, "ANN@example.com").await;
    assert_ne!(again.account_id, account.account_id);
}

async fn a_closed_account_is_due_until_it_is_erased(store: impl Store) {
    let (account, credential) = ann(&store).await;
    let AccountId::User(user) = account.account_id else { panic!("a buyer") };
    add_address(&store, user, AddressId::derive(&[b"a"]), &address("Ann"), false).await.unwrap();
    let (start, later) = (now(), now().plus(Duration::from_secs(60)));
    let just_before = Timestamp::from_millis(later.millis() - 1);
    assert_eq!(due(&store, start).await, []);
    let (closed, events) = close(&account);
    assert_eq!(store.close(&closed, &credential, &events, start).await, Ok(Write::Done));
    assert_eq!(due(&store, start).await, [account.account_id]);

    let entry = DueEntry { deadline: start, id: account.account_id };
    assert_eq!(store.postpone(&entry, later).await, Ok(Write::Done));
    assert_eq!(store.postpone(&entry, later).await, Ok(Write::Conflict(())), "listed elsewhere");
    assert_eq!(due(&store, just_before).await, []);
    assert_eq!(due(&store, later).await, [account.account_id]);

    let erased = closed.erased();
    assert_eq!(store.erase(&erased).await, Ok(Write::Done));
    assert_eq!(due(&store, later).await, []);
    let entry = DueEntry { deadline: later, ..entry };
    assert_eq!(store.postpone(&entry, later).await, Ok(Write::Conflict(())), "erased");
    let (stored, book) = store.addresses(user).await.unwrap().unwrap();
    assert_eq!((stored, book.addresses.len()), (erased.clone(), 0));
    assert_eq!(store.profile(user).await, Ok(None));
    assert_eq!(store.erase(&erased).await, Ok(Write::Conflict(())));
}

async fn a_closed_account_records_no_login(store: impl Store) {
    let (account, credential) = ann(&store).await;
    assert_eq!(
        store.record_login(account.account_id, Timestamp::from_millis(1)).await,
        Ok(Write::Done)
    );
    let (closed, events) = close(&account);
    assert_eq!(store.close(&closed, &credential, &events, now()).await, Ok(Write::Done));
    assert_eq!(
        store.record_login(account.account_id, Timestamp::from_millis(2)).await,
        Ok(Write::Conflict(()))
    );
    assert_eq!(store.erase(&closed.erased()).await, Ok(Write::Done));
    assert_eq!(store.account(account.account_id).await.unwrap().unwrap().last_login_at, None);
}

async fn accounts_are_due_in_order_of_their_deadlines(store: impl Store) {
    let start = now();
    let mut waiting = Vec::new();
    for at in 0..6_u64 {
        let credential = registered(&store, &format!("ann{at}@example.com")).await;
        let account = store.account(credential.account_id).await.unwrap().unwrap();
        let (closed, events) = close(&account);
        let since = Timestamp::from_millis(start.millis() - i64::try_from(at).unwrap());
        assert_eq!(store.close(&closed, &credential, &events, since).await, Ok(Write::Done));
        waiting.insert(0, account.account_id);
    }
    let mut listed = Vec::new();
    for shard in 0..4 {
        let of_shard = store.due(shard, start, None, 24).await.unwrap();
        assert!(of_shard.is_sorted(), "{of_shard:?}");
        listed.extend(of_shard);
    }
    listed.sort_unstable();
    let listed: Vec<AccountId> = listed.into_iter().map(|entry| entry.id).collect();
    assert_eq!(listed, waiting);
}

async fn pending_changes_never_reach_the_emails_next_account(store: impl Store) {
    let (account, credential) = ann(&store).await;
    let reset = PasswordReset::new(
        credential.account_id,
        credential.version,
        &ResetCode::generate().unwrap(),
        now(),
    );
    assert_eq!(store.save_reset(&credential.email, &reset).await, Ok(Write::Done));
    let (closed, events) = close(&account);
    assert_eq!(store.close(&closed, &credential, &events, now()).await, Ok(Write::Done));
    let next = user_since("ANN@example.com", now().plus(Duration::from_secs(60)));
    assert_eq!(store.register(&next).await, Ok(Write::Done));

    let changed = Credential {
        password_hash: hash("old"),
        version: credential.version + 1,
        ..credential.clone()
    };
    assert_eq!(store.save_credential(&changed).await, Ok(Write::Conflict(())));
    assert_eq!(store.use_reset(&changed, &reset).await, Ok(Write::Conflict(())));
    let session = session(credential.account_id);
    assert_eq!(store.start(&session, &credential, &[]).await, Ok(Write::Conflict(())));
    assert_eq!(store.session(session.account_id, session.session_id).await, Ok(None));
    assert_eq!(store.credential(&credential.email).await, Ok(Some(next.credential)));
}

async fn no_concurrent_login_survives_closing(store: impl Store) {
    for round in 0..5 {
        let credential = registered(&store, &format!("ann{round}@example.com")).await;
        let (account, context) = (credential.account_id, EventContext::default());
        let AccountId::User(user) = account else { panic!("a buyer") };
        let logins = (0..8).map(|at| {
            let (store, credential, session) = (&store, &credential, session(account));
            async move {
                tokio::time::sleep(Duration::from_millis(at)).await;
                store.start(&session, credential, &[]).await
            }
        });
        let (started, closed) =
            tokio::join!(join_all(logins), unregister_user(&store, user, &context, now()));
        closed.unwrap();
        assert_eq!(store.sessions(account, 100, None).await, Ok((Vec::new(), None)), "{started:?}");
        assert_eq!(store.start(&session(account), &credential, &[]).await, Ok(Write::Conflict(())));
    }
}

#[tokio::test]
async fn erasing_removes_all_personal_data() {
    let table = rialto_testkit::new_table(SERVICE).await;
    let store = DynamoAccounts::on(table.clone());
    let (account, credential) = ann(&store).await;
    assert_eq!(store.record_login(account.account_id, now()).await, Ok(Write::Done));
    let key = Key::new(format!("ACCOUNT#{}", account.account_id), "ACCOUNT");
    let (closed, events) = close(&account);
    assert_eq!(closed.status, AccountStatus::Unregistered);
    assert_eq!(store.close(&closed, &credential, &events, now()).await, Ok(Write::Done));
    let item = table.get(&key).await.unwrap().unwrap();
    let published: Vec<Event> = serde_json::from_str(item[OUTBOX].as_s().unwrap()).unwrap();
    assert_eq!(published, events);

    assert_eq!(store.erase(&closed.erased()).await, Ok(Write::Done));
    let item = table.get(&key).await.unwrap().unwrap();
    let written = format!("{item:?}");
    for word in ["ann@", "Ann Lee", "+49", OUTBOX, "by_erasure", "last_login"] {
        assert!(!written.contains(word), "{word}: {written}");
    }
    assert!(store.credential(&credential.email).await.unwrap().is_none());
    assert!(store.account(account.account_id).await.unwrap().is_some());
    let AccountId::User(user) = account.account_id else { panic!("a buyer") };
    assert!(store.addresses(user).await.unwrap().is_some());
    assert_eq!(due(&store, now()).await, []);
}
