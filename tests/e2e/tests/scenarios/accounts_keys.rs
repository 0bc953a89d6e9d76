//! Rotation of a signing key while the system is in use.

use rialto_accounts::{
    adapters::secrets::SecretsManagerKeys,
    application::rotate_keys::{PROPAGATION_DELAY, activate, publish_next_key},
};
use rialto_e2e::{
    shop::{DemoAccount, Shop},
    wait::eventually,
};
use rialto_kernel::{Clock, Role, SystemClock};
use rialto_lambda::token::Jwks;
use std::sync::Arc;

async fn published(shop: &Shop) -> Jwks {
    let response = shop.get("/.well-known/jwks.json").send().await.expect(200);
    serde_json::from_value(response.json()).unwrap()
}

/// The id of the published key that verifies an account's token.
async fn kid(shop: &Shop, account: &DemoAccount) -> String {
    let published = published(shop).await;
    let only = |key: &rialto_lambda::token::Jwk| Jwks { keys: vec![key.clone()] };
    let signed = |key: &&rialto_lambda::token::Jwk| {
        only(key).verify(&shop.aws.stage, &account.token, SystemClock.now()).is_ok()
    };
    published.keys.iter().find(signed).unwrap().kid.clone()
}

/// Asserts that several services accept the seller's token.
async fn assert_accepted(shop: &Shop, seller: &DemoAccount) {
    for path in [
        format!("/sellers/{}", seller.id),
        format!("/sellers/{}/products", seller.id),
        "/products/prd_01kaka00000000000000000001/stock".to_owned(),
    ] {
        let response = shop.get(path).token(&seller.token).send().await;
        assert!(matches!(response.status, 200 | 404), "{response}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_stay_valid_during_a_key_rotation() {
    let shop = Shop::open();
    let old = shop.new_seller().await;
    assert_accepted(&shop, &old).await;
    let old_kid = kid(&shop, &old).await;
    let keys = SecretsManagerKeys::open(&shop.aws.config, &shop.aws.stage, Arc::new(SystemClock));
    let next = publish_next_key(&keys, Role::Seller, SystemClock.now()).await.unwrap();
    eventually("the new key to be published", async || {
        let keys = published(&shop).await.keys;
        if keys.iter().filter(|key| key.role == Role::Seller).count() >= 2 {
            Ok(())
        } else {
            Err("one key")
        }
    })
    .await;
    // As long as the command waits, for every function to read its settings again.
    tokio::time::sleep(PROPAGATION_DELAY).await;
    let rotated = activate(&keys, next, SystemClock.now()).await.unwrap();
    assert!(rotated.retiring.contains(&old_kid));
    let new = eventually("a token signed with the new key", async || {
        assert_accepted(&shop, &old).await;
        let again = shop.log_in(&old.email, &old.password).await;
        assert_accepted(&shop, &again).await;
        let signed_by = kid(&shop, &again).await;
        if signed_by == rotated.kid {
            return Ok(again);
        }
        // An account has a hundred sessions at most, and `old` is to stay one of them.
        shop.http.request("POST", "/auth/logout").token(&again.token).send().await.expect(204);
        Err(signed_by)
    })
    .await;
    assert_accepted(&shop, &new).await;
    assert_accepted(&shop, &old).await;
    assert_eq!(kid(&shop, &old).await, old_kid, "the old key is still published");
}
