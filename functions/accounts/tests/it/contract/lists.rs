use super::{Store, contract, details, hash, registered, seller, user};
use futures_util::future::join_all;
use rialto_accounts::{
    SERVICE,
    adapters::dynamodb::DynamoAccounts,
    application::addresses::{
        AddressError, add_address, list_addresses, remove_address, set_address,
    },
    domain::{
        account::{Account, AccountPatch},
        address_book::AddressBook,
        contact::Name,
        profile::{Grade, Nickname, Profile},
        registration::Registration,
    },
    ports::{AccountLister, AccountRegistrar},
};
use rialto_aws::calls::count_requests;
use rialto_contracts::EventContext;
use rialto_kernel::{AccountId, AddressId, IfMatch, Role, StoreError, Timestamp, UserId, Write};
use rialto_testkit::fixtures::{address, forged_positions};

contract! {
    accounts_are_listed_newest_first_across_days,
    one_call_lists_the_accounts_of_31_days,
    each_role_has_its_own_list,
    an_account_replaces_only_its_previous_version,
    a_profile_replaces_only_its_previous_version,
    concurrent_adds_cannot_exceed_the_address_limit,
    addresses_conflict_with_changes_since_the_read,
    addresses_are_replaced_and_removed,
    forged_positions_fail_as_invalid,
}

const DAY: i64 = 24 * 3600 * 1000;

/// Registers a buyer who signed up at `at`.
async fn register_at(store: &impl Store, at: i64) -> Account {
    let now = Timestamp::from_millis(at);
    let id = UserId::generate(now);
    let registration = Registration::new(
        AccountId::User(id),
        details(&format!("{id}@example.com")),
        hash("h"),
        &EventContext::default(),
        now,
    );
    assert_eq!(store.register(&registration).await, Ok(Write::Done));
    registration.account
}

async fn forged_positions_fail_as_invalid(store: impl Store) {
    let account = register_at(&store, DAY).await.account_id;
    for position in forged_positions() {
        let listed = store.accounts(Role::User, 10, Some(&position)).await;
        assert!(matches!(listed, Ok(_) | Err(StoreError::InvalidPosition)), "{listed:?}");
        let listed = store.sessions(account, 10, Some(&position)).await;
        assert!(matches!(listed, Ok(_) | Err(StoreError::InvalidPosition)), "{listed:?}");
    }
}

async fn accounts_are_listed_newest_first_across_days(store: impl Store) {
    assert_eq!(store.accounts(Role::User, 5, None).await, Ok((Vec::new(), None)));
    let mut registered = Vec::new();
    // Several on one day, and days without any.
    for at in [0, 1, 2, 3, DAY - 1, DAY, 9 * DAY, 9 * DAY, 400 * DAY] {
        registered.push(register_at(&store, at).await);
    }
    registered.sort_unstable_by_key(|account| std::cmp::Reverse(account.list_sort_key()));
    assert_eq!(store.accounts(Role::User, 100, None).await, Ok((registered.clone(), None)));
    for size in [1_u32, 2, 4] {
        let (mut listed, mut position) = (Vec::new(), None);
        loop {
            let (page, next) = store.accounts(Role::User, size, position.as_deref()).await.unwrap();
            assert!(page.len() <= size as usize);
            listed.extend(page);
            position = next;
            if position.is_none() {
                break;
            }
        }
        assert_eq!(listed, registered, "{size} at a time");
    }
}

async fn one_call_lists_the_accounts_of_31_days(store: impl Store) {
    let mut registered = Vec::new();
    for day in 0..40 {
        registered.push(register_at(&store, day * DAY + 7).await);
    }
    registered.reverse();
    let (first, next) = store.accounts(Role::User, 100, None).await.unwrap();
    assert_eq!(first, &registered[..31]);
    let (second, next) = store.accounts(Role::User, 100, next.as_deref()).await.unwrap();
    assert_eq!((second.as_slice(), next), (&registered[31..], None));
}

async fn each_role_has_its_own_list(store: impl Store) {
    let (ann, sue) = (user("ann@example.com"), seller("sue@example.com"));
    for registration in [&ann, &sue] {
        assert_eq!(store.register(registration).await, Ok(Write::Done));
    }
    assert_eq!(store.accounts(Role::User, 5, None).await, Ok((vec![ann.account], None)));
    assert_eq!(store.accounts(Role::Seller, 5, None).await, Ok((vec![sue.account], None)));
    assert_eq!(store.accounts(Role::Supervisor, 5, None).await, Ok((Vec::new(), None)));
}

async fn an_account_replaces_only_its_previous_version(store: impl Store) {
    let id = registered(&store, "ann@example.com").await.account_id;
    let account = store.account(id).await.unwrap().unwrap();
    let login = Timestamp::from_millis(5);
    let edit = |name: &str| AccountPatch {
        name: Some(Name::parse(name).unwrap()),
        ..AccountPatch::default()
    };
    let edited = account.with_patch(edit("Ann Roe"));
    // A login recorded in between stays.
    assert_eq!(store.record_login(id, login).await, Ok(Write::Done));
    assert_eq!(store.save_account(&edited).await, Ok(Write::Done));
    assert_eq!(store.save_account(&edited).await, Ok(Write::Conflict(())));
    assert_eq!(
        store.save_account(&account.with_patch(edit("Late"))).await,
        Ok(Write::Conflict(()))
    );
    let stored = Account { last_login_at: Some(login), ..edited };
    assert_eq!(store.account(id).await, Ok(Some(stored.clone())));
    assert_eq!(store.accounts(Role::User, 5, None).await, Ok((vec![stored], None)));
    let stranger = user("bob@example.com").account.with_patch(edit("Bob"));
    assert_eq!(store.save_account(&stranger).await, Ok(Write::Conflict(())));
    assert_eq!(store.account(stranger.account_id).await, Ok(None));
}

fn buyer(id: AccountId) -> UserId {
    match id {
        AccountId::User(user) => user,
        other => panic!("{other} isn't a buyer"),
    }
}

async fn a_profile_replaces_only_its_previous_version(store: impl Store) {
    let user = buyer(registered(&store, "ann@example.com").await.account_id);
    let first = store.profile(user).await.unwrap().unwrap();
    assert_eq!(first, Profile::initial(user));
    let second = Profile {
        nickname: Nickname::parse("annie").unwrap(),
        grade: Grade::Gold,
        version: 2,
        ..first
    };
    assert_eq!(store.save_profile(&second).await, Ok(Write::Done));
    assert_eq!(store.save_profile(&second).await, Ok(Write::Conflict(())));
    assert_eq!(store.profile(user).await, Ok(Some(second)));
    let unknown = Profile { version: 2, ..Profile::initial(UserId::derive(&[b"unknown"])) };
    assert_eq!(store.save_profile(&unknown).await, Ok(Write::Conflict(())));
}

async fn concurrent_adds_cannot_exceed_the_address_limit(store: impl Store) {
    let user = buyer(registered(&store, "ann@example.com").await.account_id);
    let added = join_all(["a", "b", "c", "d"].map(|name| {
        let (store, id) = (store.clone(), AddressId::derive(&[name.as_bytes()]));
        async move { add_address(&store, user, id, &address(name), false).await }
    }));
    let added = added.await;
    let saved = added.iter().filter(|result| result.is_ok()).count();
    let refused =
        added.iter().filter(|result| matches!(result, Err(AddressError::LimitReached))).count();
    assert_eq!((saved, refused), (3, 1), "{added:?}");
    let saved = list_addresses(&store, user).await.unwrap();
    assert_eq!(saved.len(), 3);
    assert_eq!(saved.iter().filter(|saved| saved.default).count(), 1);
}

async fn addresses_conflict_with_changes_since_the_read(store: impl Store) {
    let user = buyer(registered(&store, "ann@example.com").await.account_id);
    let (account, empty) = store.addresses(user).await.unwrap().unwrap();
    assert_eq!(empty, AddressBook::empty(user));
    let one = empty.with(AddressId::derive(&[b"a"]), address("a"), false).unwrap();
    let other = empty.with(AddressId::derive(&[b"b"]), address("b"), false).unwrap();
    assert_eq!(store.save_addresses(&one, &account).await, Ok(Write::Done));
    assert_eq!(store.save_addresses(&other, &account).await, Ok(Write::Conflict(())));
    let edited = account
        .with_patch(AccountPatch { mail_notifications: Some(true), ..AccountPatch::default() });
    assert_eq!(store.save_account(&edited).await, Ok(Write::Done));
    let two = one.with(AddressId::derive(&[b"b"]), address("b"), false).unwrap();
    assert_eq!(
        store.save_addresses(&two, &account).await,
        Ok(Write::Conflict(())),
        "the account has changed"
    );
    assert_eq!(store.save_addresses(&two, &edited).await, Ok(Write::Done));
    assert_eq!(store.addresses(user).await, Ok(Some((edited, two))));
    assert_eq!(store.addresses(UserId::derive(&[b"unknown"])).await, Ok(None));
}

async fn addresses_are_replaced_and_removed(store: impl Store) {
    let user = buyer(registered(&store, "ann@example.com").await.account_id);
    let (a, b) = (AddressId::derive(&[b"a"]), AddressId::derive(&[b"b"]));
    let any = IfMatch::Any;
    for (id, name) in [(a, "a"), (b, "b")] {
        add_address(&store, user, id, &address(name), false).await.unwrap();
    }
    let replaced = set_address(&store, user, b, &address("new"), true, &any).await.unwrap();
    assert_eq!((replaced.address, replaced.default), (address("new"), true));
    remove_address(&store, user, b, &any).await.unwrap();
    let saved = list_addresses(&store, user).await.unwrap();
    assert_eq!(
        saved.iter().map(|saved| (saved.address_id, saved.default)).collect::<Vec<_>>(),
        [(a, true)]
    );
    for refused in [
        remove_address(&store, user, b, &any).await,
        set_address(&store, user, b, &address("x"), false, &any).await.map(drop),
        remove_address(&store, UserId::derive(&[b"unknown"]), a, &any).await,
    ] {
        assert!(matches!(refused, Err(AddressError::NotFound)), "{refused:?}");
    }
}

#[tokio::test]
async fn a_page_of_one_days_accounts_takes_six_requests() {
    let store = DynamoAccounts::on(rialto_testkit::new_table(SERVICE).await);
    for at in 0..5 {
        register_at(&store, at).await;
    }
    // The list of days, the four partitions of one day, and the accounts.
    let (page, calls) = count_requests(store.accounts(Role::User, 3, None)).await;
    assert_eq!((page.unwrap().0.len(), calls), (3, 6));
    // Recording the day takes one more request, once.
    let (_, calls) = count_requests(store.register(&user("ann@example.com"))).await;
    assert_eq!(calls, 2);
    let (_, calls) = count_requests(store.register(&user("bob@example.com"))).await;
    assert_eq!(calls, 1);
}
