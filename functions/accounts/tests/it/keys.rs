//! The contract of the keys' ports, and the cache of Secrets Manager's adapter.

use crate::aws_stub::AwsStub;
use rialto_accounts::{
    adapters::{memory::MemoryKeys, secrets::SecretsManagerKeys},
    application::init_keys::init_keys,
    domain::{
        refresh_token::{AcceptedRefreshKey, RefreshKey, RefreshKeys},
        signing_key::SigningSecret,
    },
    ports::{KeyReader, KeyWriter, RefreshKeyWriter},
};
use rialto_aws::{Stage, emulator_config};
use rialto_kernel::{Clock, Role, StoreError, SystemClock, Timestamp, Write};
use rialto_lambda::token::{Jwks, generate_key};
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

trait Keys: KeyReader + KeyWriter + RefreshKeyWriter {}
impl<K: KeyReader + KeyWriter + RefreshKeyWriter> Keys for K {}

fn secrets(stub: &AwsStub) -> SecretsManagerKeys {
    secrets_with_clock(stub, Arc::new(SystemClock))
}

fn secrets_with_clock(stub: &AwsStub, clock: Arc<dyn Clock>) -> SecretsManagerKeys {
    let stage = Stage::parse("test").unwrap();
    SecretsManagerKeys::open(&emulator_config(&stub.start()), &stage, clock)
}

/// A clock at a time in seconds, which the test sets.
#[derive(Default)]
struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_000 * self.0.load(Ordering::Relaxed))
    }
}

rialto_testkit::contract! {
    memory: MemoryKeys::default(),
    secrets: secrets(&AwsStub::default());
    a_roles_signing_key_is_added_once,
    a_replaced_signing_key_is_read_at_once,
    the_refresh_key_is_added_once,
    replaced_refresh_keys_are_read_at_once,
    publishing_replaces_the_published_keys,
}

fn signing_key(kid: &str) -> SigningSecret {
    let (pkcs8, _) = generate_key(kid.to_owned(), Role::User).unwrap();
    SigningSecret { kid: kid.to_owned(), pkcs8 }
}

async fn a_roles_signing_key_is_added_once(keys: impl Keys) {
    assert_eq!(keys.signing_key(Role::User).await, Ok(None));
    let (first, second) = (signing_key("1"), signing_key("2"));
    assert_eq!(keys.add_signing_key(Role::User, &first).await, Ok(Write::Done));
    assert_eq!(keys.add_signing_key(Role::User, &second).await, Ok(Write::Conflict(())));
    assert_eq!(keys.signing_key(Role::User).await, Ok(Some(first)));
    assert_eq!(keys.signing_key(Role::Seller).await, Ok(None));
    assert_eq!(keys.add_signing_key(Role::Seller, &second).await, Ok(Write::Done));
    assert_eq!(keys.signing_key(Role::Seller).await, Ok(Some(second)));
}

async fn a_replaced_signing_key_is_read_at_once(keys: impl Keys) {
    let (first, second) = (signing_key("1"), signing_key("2"));
    for role in [Role::User, Role::Seller] {
        assert_eq!(keys.add_signing_key(role, &first).await, Ok(Write::Done));
    }
    assert_eq!(keys.signing_key(Role::User).await, Ok(Some(first.clone())));
    assert_eq!(keys.replace_signing_key(Role::User, &second).await, Ok(()));
    assert_eq!(keys.signing_key(Role::User).await, Ok(Some(second)));
    assert_eq!(keys.signing_key(Role::Seller).await, Ok(Some(first)));
}

async fn the_refresh_key_is_added_once(keys: impl Keys) {
    assert_eq!(keys.refresh_keys().await, Ok(None));
    assert_eq!(keys.add_refresh_key(&RefreshKey([1; 32])).await, Ok(Write::Done));
    assert_eq!(keys.add_refresh_key(&RefreshKey([2; 32])).await, Ok(Write::Conflict(())));
    assert_eq!(keys.refresh_keys().await, Ok(Some(RefreshKey([1; 32]).into())));
}

async fn replaced_refresh_keys_are_read_at_once(keys: impl Keys) {
    assert_eq!(keys.current_refresh_keys().await, Ok(None));
    assert_eq!(keys.add_refresh_key(&RefreshKey([1; 32])).await, Ok(Write::Done));
    assert_eq!(keys.current_refresh_keys().await, Ok(Some(RefreshKey([1; 32]).into())));
    let until = Timestamp::from_millis(7_000);
    let rotated = RefreshKeys {
        current: RefreshKey([2; 32]),
        accepted: vec![AcceptedRefreshKey { key: RefreshKey([1; 32]), until }],
    };
    assert_eq!(keys.replace_refresh_keys(&rotated).await, Ok(()));
    assert_eq!(keys.refresh_keys().await, Ok(Some(rotated.clone())));
    assert_eq!(keys.current_refresh_keys().await, Ok(Some(rotated)));
}

async fn publishing_replaces_the_published_keys(keys: impl Keys) {
    assert_eq!(keys.published().await, Ok(Jwks::default()));
    for kid in ["1", "2"] {
        let (_, public) = generate_key(kid.to_owned(), Role::User).unwrap();
        let jwks = Jwks { keys: vec![public] };
        keys.publish(&jwks).await.unwrap();
        assert_eq!(keys.published().await, Ok(jwks));
    }
}

#[tokio::test]
async fn keys_have_the_names_that_the_template_allows() {
    let stub = AwsStub::default();
    init_keys(&secrets(&stub)).await.unwrap();
    let mut names: Vec<_> = stub.values().into_keys().collect();
    names.sort();
    assert_eq!(
        names,
        [
            "/rialto/test/auth/jwks",
            "rialto/test/auth/refresh-key",
            "rialto/test/auth/signing-key/seller",
            "rialto/test/auth/signing-key/supervisor",
            "rialto/test/auth/signing-key/user",
        ]
    );
    let published = &stub.values()["/rialto/test/auth/jwks"];
    assert!(!published.contains("\"d\"") && !published.contains("pkcs8"), "{published}");
    assert_eq!(stub.copied("auth/jwks").as_ref(), Some(published));
}

#[tokio::test]
async fn the_current_signing_key_bypasses_the_cache() {
    let stub = AwsStub::default();
    let (reader, writer) = (secrets(&stub), secrets(&stub));
    let (first, second) = (signing_key("1"), signing_key("2"));
    assert_eq!(reader.add_signing_key(Role::User, &first).await, Ok(Write::Done));
    assert_eq!(reader.current_signing_key(Role::User).await, Ok(Some(first)));
    writer.replace_signing_key(Role::User, &second).await.unwrap();
    assert_eq!(reader.current_signing_key(Role::User).await, Ok(Some(second)));
}

#[tokio::test]
async fn a_secret_is_cached() {
    let stub = AwsStub::default();
    let keys = secrets(&stub);
    assert_eq!(keys.add_refresh_key(&RefreshKey([1; 32])).await, Ok(Write::Done));
    for _ in 0..3 {
        assert_eq!(keys.refresh_keys().await, Ok(Some(RefreshKey([1; 32]).into())));
    }
    assert_eq!(stub.operations(), ["CreateSecret", "GetSecretValue"]);
}

#[tokio::test]
async fn a_secret_in_use_is_read_again_after_a_minute() {
    let (stub, clock) = (AwsStub::default(), Arc::new(TestClock::default()));
    let keys = secrets_with_clock(&stub, Arc::<TestClock>::clone(&clock));
    let (old, new) = (RefreshKey([1; 32]), RefreshKey([2; 32]));
    assert_eq!(keys.add_refresh_key(&old).await, Ok(Write::Done));
    assert_eq!(keys.refresh_keys().await, Ok(Some(old.clone().into())));
    secrets(&stub).replace_refresh_keys(&new.clone().into()).await.unwrap();
    for (seconds, expected) in [(30, &old), (59, &old), (60, &new)] {
        clock.0.store(seconds, Ordering::Relaxed);
        assert_eq!(keys.refresh_keys().await, Ok(Some(expected.clone().into())), "{seconds}");
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_again_stays_in_use() {
    let (stub, clock) = (AwsStub::default(), Arc::new(TestClock::default()));
    let keys = secrets_with_clock(&stub, Arc::<TestClock>::clone(&clock));
    assert_eq!(keys.add_refresh_key(&RefreshKey([1; 32])).await, Ok(Write::Done));
    let expected = Ok(Some(RefreshKey([1; 32]).into()));
    assert_eq!(keys.refresh_keys().await, expected);
    stub.deny_all();
    clock.0.store(60, Ordering::Relaxed);
    assert_eq!(keys.refresh_keys().await, expected);
}

#[tokio::test]
async fn an_access_denied_error_is_not_an_absent_key() {
    let stub = AwsStub::default();
    let keys = secrets(&stub);
    stub.deny_all();
    assert!(matches!(keys.refresh_keys().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(
        keys.add_refresh_key(&RefreshKey([1; 32])).await,
        Err(StoreError::Unavailable(_))
    ));
    assert!(matches!(keys.published().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(keys.publish(&Jwks::default()).await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn a_malformed_secret_is_not_shown_in_the_error() {
    let stub = AwsStub::default();
    for bad in ["topsecret", r#"{"kid":"topsecret"}"#, r#"{"kid":"1","pkcs8":"topsecret!"}"#] {
        stub.put("rialto/test/auth/signing-key/user", bad);
        let error = secrets(&stub).signing_key(Role::User).await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
        assert!(!error.to_string().contains("topsecret"), "{error}");
    }
    stub.put("rialto/test/auth/refresh-key", r#"{"key":"c2hvcnQ="}"#);
    assert!(matches!(secrets(&stub).refresh_keys().await, Err(StoreError::Corrupt(_))));
}
