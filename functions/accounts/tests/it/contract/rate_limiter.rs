use super::{Store, contract, now};
use futures_util::future::join_all;
use rialto_accounts::domain::{
    contact::Email,
    rate_limit::{LimitedAction, RATE_LIMIT_WINDOW, RateLimitDecision, RateLimitKey},
};

contract! {
    concurrent_attempts_cannot_exceed_the_limit,
    a_new_window_starts_when_the_last_one_ends,
    refunded_and_cleared_attempts_do_not_count,
    each_action_and_subject_has_its_own_limit,
}

fn email_key(text: &str) -> RateLimitKey {
    RateLimitKey::email(LimitedAction::VerifyPassword, &Email::parse(text).unwrap())
}

async fn concurrent_attempts_cannot_exceed_the_limit(store: impl Store) {
    let (key, now) = (email_key("ann@example.com"), now());
    let decisions = join_all((0..30).map(|_| store.acquire(&key, key.limit(), now))).await;
    let admitted =
        decisions.iter().filter(|decision| **decision == Ok(RateLimitDecision::Allowed)).count();
    assert_eq!(admitted, 10, "{decisions:?}");
    let refused = RateLimitDecision::Denied { until: now.plus(RATE_LIMIT_WINDOW) };
    assert_eq!(store.acquire(&key, key.limit(), now).await, Ok(refused));
}

async fn a_new_window_starts_when_the_last_one_ends(store: impl Store) {
    let (key, now) = (email_key("ann@example.com"), now());
    let until = now.plus(RATE_LIMIT_WINDOW);
    for _ in 0..10 {
        assert_eq!(store.acquire(&key, key.limit(), now).await, Ok(RateLimitDecision::Allowed));
    }
    let just_before = rialto_kernel::Timestamp::from_millis(until.millis() - 1);
    assert_eq!(
        store.acquire(&key, key.limit(), just_before).await,
        Ok(RateLimitDecision::Denied { until })
    );
    for _ in 0..10 {
        assert_eq!(store.acquire(&key, key.limit(), until).await, Ok(RateLimitDecision::Allowed));
    }
    let refused = RateLimitDecision::Denied { until: until.plus(RATE_LIMIT_WINDOW) };
    assert_eq!(store.acquire(&key, key.limit(), until).await, Ok(refused));
}

async fn refunded_and_cleared_attempts_do_not_count(store: impl Store) {
    let (key, now) = (email_key("ann@example.com"), now());
    store.refund(&key).await.unwrap();
    store.clear(&key).await.unwrap();
    for _ in 0..10 {
        assert_eq!(store.acquire(&key, key.limit(), now).await, Ok(RateLimitDecision::Allowed));
    }
    store.refund(&key).await.unwrap();
    assert_eq!(store.acquire(&key, key.limit(), now).await, Ok(RateLimitDecision::Allowed));
    assert!(matches!(
        store.acquire(&key, key.limit(), now).await,
        Ok(RateLimitDecision::Denied { .. })
    ));
    store.clear(&key).await.unwrap();
    for _ in 0..10 {
        assert_eq!(store.acquire(&key, key.limit(), now).await, Ok(RateLimitDecision::Allowed));
    }
    for _ in 0..12 {
        store.refund(&key).await.unwrap();
    }
    for _ in 0..10 {
        assert_eq!(store.acquire(&key, key.limit(), now).await, Ok(RateLimitDecision::Allowed));
    }
    assert!(matches!(
        store.acquire(&key, key.limit(), now).await,
        Ok(RateLimitDecision::Denied { .. })
    ));
}

async fn each_action_and_subject_has_its_own_limit(store: impl Store) {
    let now = now();
    let ann = Email::parse("ann@example.com").unwrap();
    let address_key =
        |text: &str| RateLimitKey::ip_address(LimitedAction::VerifyPassword, text.parse().unwrap());
    let keys = [
        email_key("ann@example.com"),
        email_key("bob@example.com"),
        RateLimitKey::email(LimitedAction::VerifyResetCode, &ann),
        RateLimitKey::email(LimitedAction::RequestResetCode, &ann),
        RateLimitKey::ip_address(LimitedAction::RegisterUser, "192.0.2.1".parse().unwrap()),
        RateLimitKey::ip_address(LimitedAction::RegisterSeller, "192.0.2.1".parse().unwrap()),
        address_key("192.0.2.1"),
        address_key("192.0.2.2"),
    ];
    for key in &keys {
        for at in 0..key.limit() {
            assert_eq!(
                store.acquire(key, key.limit(), now).await,
                Ok(RateLimitDecision::Allowed),
                "{key:?} {at}"
            );
        }
        let one_more = store.acquire(key, key.limit(), now).await;
        assert!(matches!(one_more, Ok(RateLimitDecision::Denied { .. })), "{key:?}");
    }
}
