use super::{Store, contract, hash, now, registered};
use rialto_accounts::domain::{
    credential::Credential,
    reset::{PasswordReset, ResetCode},
};
use rialto_kernel::Write;
use std::time::Duration;

contract! {
    only_an_emails_newest_reset_is_stored,
    a_reset_is_used_once_for_the_credential_read,
}

async fn only_an_emails_newest_reset_is_stored(store: impl Store) {
    let credential = registered(&store, "ann@example.com").await;
    let (early, late) = (now(), now().plus(Duration::from_millis(5)));
    let reset = |at| {
        PasswordReset::new(
            credential.account_id,
            credential.version,
            &ResetCode::generate().unwrap(),
            at,
        )
    };
    let (first, second) = (reset(early), reset(late));
    assert_eq!(store.reset(&credential.email).await, Ok(None));
    assert_eq!(store.save_reset(&credential.email, &first).await, Ok(Write::Done));
    assert_eq!(store.save_reset(&credential.email, &second).await, Ok(Write::Done));
    assert_eq!(store.save_reset(&credential.email, &first).await, Ok(Write::Conflict(())));
    assert_eq!(store.reset(&credential.email).await, Ok(Some(second)));
}

async fn a_reset_is_used_once_for_the_credential_read(store: impl Store) {
    let first = registered(&store, "ann@example.com").await;
    let reset =
        PasswordReset::new(first.account_id, first.version, &ResetCode::generate().unwrap(), now());
    assert_eq!(store.save_reset(&first.email, &reset).await, Ok(Write::Done));
    let changed = |later, text| {
        let version = first.version + later;
        Credential { password_hash: hash(text), version, ..first.clone() }
    };
    assert_eq!(store.use_reset(&changed(2, "no"), &reset).await, Ok(Write::Conflict(())));
    let other = PasswordReset { version: reset.version + 1, ..reset.clone() };
    assert_eq!(store.use_reset(&changed(1, "no"), &other).await, Ok(Write::Conflict(())));
    assert_eq!(store.credential(&first.email).await, Ok(Some(first.clone())));

    assert_eq!(store.use_reset(&changed(1, "new"), &reset).await, Ok(Write::Done));
    assert_eq!(store.use_reset(&changed(2, "again"), &reset).await, Ok(Write::Conflict(())));
    assert_eq!(store.credential(&first.email).await, Ok(Some(changed(1, "new"))));
    assert_eq!(store.reset(&first.email).await, Ok(None));
}
