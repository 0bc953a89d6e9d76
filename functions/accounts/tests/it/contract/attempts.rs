use super::{Store, contract, now};
use futures_util::future::join_all;
use rialto_accounts::domain::{
    contact::Email,
    rate_limit::{LimitedAction, RATE_LIMIT_WINDOW, RateLimitDecision, RateLimitKey},
};

contract! {
    as_many_as_come_at_once_cant_get_past_the_limit,
    a_new_window_begins_when_the_old_one_is_over,
    what_is_taken_back_or_forgotten_does_not_count,
    each_kind_and_each_subject_is_counted_by_itself,
}

fn email(text: &str) -> RateLimitKey {
    RateLimitKey::email(LimitedAction::VerifyPassword, &Email::parse(text).unwrap())
}

async fn as_many_as_come_at_once_cant_get_past_the_limit(store: impl Store) {
    let (counter, now) = (email("ann@example.com"), now());
    let counted = join_all((0..30).map(|_| store.acquire(&counter, now))).await;
    let admitted =
        counted.iter().filter(|admission| **admission == Ok(RateLimitDecision::Allowed)).count();
    assert_eq!(admitted, 10, "{counted:?}");
    let refused = RateLimitDecision::Denied { until: now.plus(RATE_LIMIT_WINDOW) };
    assert_eq!(store.acquire(&counter, now).await, Ok(refused));
}

async fn a_new_window_begins_when_the_old_one_is_over(store: impl Store) {
    let (counter, now) = (email("ann@example.com"), now());
    let until = now.plus(RATE_LIMIT_WINDOW);
    for _ in 0..10 {
        assert_eq!(store.acquire(&counter, now).await, Ok(RateLimitDecision::Allowed));
    }
    let just = rialto_kernel::Timestamp::from_millis(until.millis() - 1);
    assert_eq!(store.acquire(&counter, just).await, Ok(RateLimitDecision::Denied { until }));
    for _ in 0..10 {
        assert_eq!(store.acquire(&counter, until).await, Ok(RateLimitDecision::Allowed));
    }
    let refused = RateLimitDecision::Denied { until: until.plus(RATE_LIMIT_WINDOW) };
    assert_eq!(store.acquire(&counter, until).await, Ok(refused));
}

async fn what_is_taken_back_or_forgotten_does_not_count(store: impl Store) {
    let (counter, now) = (email("ann@example.com"), now());
    store.refund(&counter).await.unwrap();
    store.clear(&counter).await.unwrap();
    for _ in 0..10 {
        assert_eq!(store.acquire(&counter, now).await, Ok(RateLimitDecision::Allowed));
    }
    store.refund(&counter).await.unwrap();
    assert_eq!(store.acquire(&counter, now).await, Ok(RateLimitDecision::Allowed));
    assert!(matches!(store.acquire(&counter, now).await, Ok(RateLimitDecision::Denied { .. })));
    store.clear(&counter).await.unwrap();
    for _ in 0..10 {
        assert_eq!(store.acquire(&counter, now).await, Ok(RateLimitDecision::Allowed));
    }
    for _ in 0..12 {
        store.refund(&counter).await.unwrap();
    }
    for _ in 0..10 {
        assert_eq!(store.acquire(&counter, now).await, Ok(RateLimitDecision::Allowed));
    }
    assert!(matches!(store.acquire(&counter, now).await, Ok(RateLimitDecision::Denied { .. })));
}

async fn each_kind_and_each_subject_is_counted_by_itself(store: impl Store) {
    let now = now();
    let ann = Email::parse("ann@example.com").unwrap();
    let address =
        |text: &str| RateLimitKey::ip_address(LimitedAction::VerifyPassword, text.parse().unwrap());
    let counters = [
        email("ann@example.com"),
        email("bob@example.com"),
        RateLimitKey::email(LimitedAction::VerifyResetCode, &ann),
        RateLimitKey::email(LimitedAction::RequestResetCode, &ann),
        address("192.0.2.1"),
        address("192.0.2.2"),
    ];
    for counter in &counters {
        for at in 0..counter.limit() {
            assert_eq!(
                store.acquire(counter, now).await,
                Ok(RateLimitDecision::Allowed),
                "{counter:?} {at}"
            );
        }
        let one_more = store.acquire(counter, now).await;
        assert!(matches!(one_more, Ok(RateLimitDecision::Denied { .. })), "{counter:?}");
    }
}
