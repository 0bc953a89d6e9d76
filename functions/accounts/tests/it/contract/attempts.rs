use super::{Store, contract, now};
use futures_util::future::join_all;
use rialto_accounts::domain::{
    attempts::{Admission, Attempt, Counter, WINDOW},
    contact::Email,
};

contract! {
    as_many_as_come_at_once_cant_get_past_the_limit,
    a_new_window_begins_when_the_old_one_is_over,
    what_is_taken_back_or_forgotten_does_not_count,
    each_kind_and_each_subject_is_counted_by_itself,
}

fn email(text: &str) -> Counter {
    Counter::email(Attempt::Password, &Email::parse(text).unwrap())
}

async fn as_many_as_come_at_once_cant_get_past_the_limit(store: impl Store) {
    let (counter, now) = (email("ann@example.com"), now());
    let counted = join_all((0..30).map(|_| store.count(&counter, now))).await;
    let admitted =
        counted.iter().filter(|admission| **admission == Ok(Admission::Admitted)).count();
    assert_eq!(admitted, 10, "{counted:?}");
    let refused = Admission::Refused { until: now.plus(WINDOW) };
    assert_eq!(store.count(&counter, now).await, Ok(refused));
}

async fn a_new_window_begins_when_the_old_one_is_over(store: impl Store) {
    let (counter, now) = (email("ann@example.com"), now());
    let until = now.plus(WINDOW);
    for _ in 0..10 {
        assert_eq!(store.count(&counter, now).await, Ok(Admission::Admitted));
    }
    let just = rialto_kernel::Timestamp::from_millis(until.millis() - 1);
    assert_eq!(store.count(&counter, just).await, Ok(Admission::Refused { until }));
    for _ in 0..10 {
        assert_eq!(store.count(&counter, until).await, Ok(Admission::Admitted));
    }
    let refused = Admission::Refused { until: until.plus(WINDOW) };
    assert_eq!(store.count(&counter, until).await, Ok(refused));
}

async fn what_is_taken_back_or_forgotten_does_not_count(store: impl Store) {
    let (counter, now) = (email("ann@example.com"), now());
    store.take_back(&counter).await.unwrap();
    store.forget(&counter).await.unwrap();
    for _ in 0..10 {
        assert_eq!(store.count(&counter, now).await, Ok(Admission::Admitted));
    }
    store.take_back(&counter).await.unwrap();
    assert_eq!(store.count(&counter, now).await, Ok(Admission::Admitted));
    assert!(matches!(store.count(&counter, now).await, Ok(Admission::Refused { .. })));
    store.forget(&counter).await.unwrap();
    for _ in 0..10 {
        assert_eq!(store.count(&counter, now).await, Ok(Admission::Admitted));
    }
    for _ in 0..12 {
        store.take_back(&counter).await.unwrap();
    }
    for _ in 0..10 {
        assert_eq!(store.count(&counter, now).await, Ok(Admission::Admitted));
    }
    assert!(matches!(store.count(&counter, now).await, Ok(Admission::Refused { .. })));
}

async fn each_kind_and_each_subject_is_counted_by_itself(store: impl Store) {
    let now = now();
    let ann = Email::parse("ann@example.com").unwrap();
    let address = |text: &str| Counter::address(Attempt::Password, text.parse().unwrap());
    let counters = [
        email("ann@example.com"),
        email("bob@example.com"),
        Counter::email(Attempt::Code, &ann),
        Counter::email(Attempt::MailCode, &ann),
        address("192.0.2.1"),
        address("192.0.2.2"),
    ];
    for counter in &counters {
        for at in 0..counter.limit() {
            assert_eq!(
                store.count(counter, now).await,
                Ok(Admission::Admitted),
                "{counter:?} {at}"
            );
        }
        let one_more = store.count(counter, now).await;
        assert!(matches!(one_more, Ok(Admission::Refused { .. })), "{counter:?}");
    }
}
