//! Sessions, refresh tokens, passwords and rate limits of logging in.

use futures_util::future::join_all;
use rialto_e2e::{
    forged_tokens::claims,
    http::HttpResponse,
    mail,
    shop::{DemoAccount, Shop, unique},
    wait::eventually,
};
use rialto_kernel::{Clock, SystemClock, digest};
use rialto_lambda::token::Jwks;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A new buyer in a second session, with its refresh token.
async fn logged_in(shop: &Shop) -> (DemoAccount, String) {
    let buyer = shop.new_buyer().await;
    log_in(shop, &buyer).await
}

async fn log_in(shop: &Shop, account: &DemoAccount) -> (DemoAccount, String) {
    let body = json!({ "email": account.email, "password": account.password });
    let data = shop.post("/auth/login", &body).send().await.data(200);
    let text = |name: &str| data[name].as_str().unwrap().to_owned();
    (DemoAccount { token: text("access_token"), ..account.clone() }, text("refresh_token"))
}

async fn refresh(shop: &Shop, token: &str) -> HttpResponse {
    shop.post("/auth/refresh", &json!({ "refresh_token": token })).send().await
}

fn token(response: HttpResponse) -> String {
    response.data(200)["refresh_token"].as_str().unwrap().to_owned()
}

/// Whether several services accept an access token.
async fn is_accepted(shop: &Shop, account: &DemoAccount) -> bool {
    let mut accepted = BTreeSet::new();
    for path in [
        format!("/users/{}", account.id),
        format!("/users/{}/orders", account.id),
        "/orders/nonsense/payment".to_owned(),
    ] {
        let response = shop.get(path).token(&account.token).send().await;
        if response.status == 401 {
            response.problem(401, "token_expired");
            accepted.insert(false);
        } else {
            accepted.insert(true);
        }
    }
    assert_eq!(accepted.len(), 1, "all services agree");
    accepted.contains(&true)
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_refreshes_of_a_token_return_the_same_tokens() {
    let shop = Shop::open();
    let (buyer, first) = logged_in(&shop).await;
    let responses = join_all((0..100).map(|_| refresh(&shop, &first))).await;
    let (mut next, mut access) = (BTreeSet::new(), Vec::new());
    for response in responses {
        let data = response.data(200);
        next.insert(data["refresh_token"].as_str().unwrap().to_owned());
        access.push(data["access_token"].as_str().unwrap().to_owned());
    }
    assert_eq!(next.len(), 1, "all responses have the same token");
    let sessions: BTreeSet<_> = access.iter().map(|token| claims(token).sid.to_string()).collect();
    assert_eq!(sessions.len(), 1, "all tokens are of one session");
    assert!(is_accepted(&shop, &DemoAccount { token: access.pop().unwrap(), ..buyer }).await);
    assert_ne!(token(refresh(&shop, next.first().unwrap()).await), *next.first().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn reuse_of_an_older_refresh_token_revokes_the_session() {
    let shop = Shop::open();
    let (buyer, first) = logged_in(&shop).await;
    let second = token(refresh(&shop, &first).await);
    assert_eq!(token(refresh(&shop, &first).await), second, "a retry gets the same token");
    let third = token(refresh(&shop, &second).await);
    assert!(is_accepted(&shop, &buyer).await);

    refresh(&shop, &first).await.problem(401, "token_expired");
    assert!(!is_accepted(&shop, &buyer).await, "the session is revoked at once");
    refresh(&shop, &third).await.problem(401, "token_expired");
    // The buyer's other session continues, and forged tokens don't end it.
    let (buyer, other) = log_in(&shop, &buyer).await;
    let (rest, mac) = other.rsplit_once('.').unwrap();
    for forged in [
        format!("{rest}.{}", "0".repeat(mac.len())),
        other.replace(".1.", ".2."),
        "a.b.1.c".to_owned(),
    ] {
        refresh(&shop, &forged).await.problem(401, "unauthenticated");
    }
    assert!(is_accepted(&shop, &buyer).await);
    refresh(&shop, &buyer.token).await.problem(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_refresh_cookie_is_limited_to_auth_paths() {
    let shop = Shop::open();
    let buyer = shop.new_buyer().await;
    let body = json!({ "email": buyer.email, "password": buyer.password });
    let response = shop.post("/auth/login", &body).send().await.expect(200);
    let cookie = response.header("set-cookie").unwrap().to_owned();
    for attribute in ["HttpOnly", "Secure", "SameSite=Strict", "Max-Age=2592000"] {
        assert!(cookie.split("; ").any(|part| part == attribute), "{cookie}");
    }
    let path = cookie.split("; ").find_map(|part| part.strip_prefix("Path=")).unwrap();
    assert!(path.ends_with("/auth"), "{cookie}");
    assert_eq!(response.header("cache-control"), Some("no-store"));

    let pair = cookie.split("; ").next().unwrap().to_owned();
    let call =
        shop.http.request("POST", "/auth/refresh").header("cookie", format!("theme=dark; {pair}"));
    let refreshed = call.header("origin", "http://localhost:3001").send().await.expect(200);
    assert_eq!(refreshed.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(refreshed.header("access-control-allow-origin"), Some("http://localhost:3001"));
    assert!(refreshed.header("set-cookie").unwrap().starts_with("refresh_token=usr_"));
    let access = refreshed.data(200)["access_token"].as_str().unwrap().to_owned();
    shop.http.request("POST", "/auth/refresh").send().await.problem(401, "unauthenticated");

    let logged_out =
        shop.http.request("POST", "/auth/logout").token(&access).send().await.expect(204);
    assert!(
        logged_out.header("set-cookie").unwrap().starts_with("refresh_token=; Max-Age=0; "),
        "{logged_out}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_revokes_the_session_in_all_services() {
    let shop = Shop::open();
    let (buyer, refresh_token) = logged_in(&shop).await;
    let (other, _) = log_in(&shop, &buyer).await;
    assert!(is_accepted(&shop, &buyer).await);
    shop.http.request("POST", "/auth/logout").token(&buyer.token).send().await.expect(204);
    assert!(!is_accepted(&shop, &buyer).await);
    refresh(&shop, &refresh_token).await.problem(401, "token_expired");
    assert!(is_accepted(&shop, &other).await, "another session continues");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_list_and_revoke_only_their_own_sessions() {
    let shop = Shop::open();
    let (here, _) = logged_in(&shop).await;
    let (lost, _) = log_in(&shop, &here).await;
    let stranger = shop.new_buyer().await;
    let listed = shop.pages(Some(&here), "/auth/sessions?limit=2").await.concat();
    let ids: Vec<_> =
        listed.iter().map(|session| session["session_id"].as_str().unwrap()).collect();
    let sid = |account: &DemoAccount| claims(&account.token).sid.to_string();
    assert_eq!(ids.len(), 3, "signing up creates a session: {listed:?}");
    assert!(ids.is_sorted_by(|a, b| a > b), "newest first");
    for session in &listed {
        assert_eq!(session["current"], session["session_id"] == sid(&here), "{session}");
    }
    let revoke = |by: &DemoAccount, id: String| {
        shop.http.request("DELETE", format!("/auth/sessions/{id}")).token(&by.token).send()
    };
    revoke(&stranger, sid(&lost)).await.problem(404, "not_found");
    assert!(is_accepted(&shop, &lost).await);
    revoke(&here, sid(&lost)).await.expect(204);
    revoke(&here, sid(&lost)).await.problem(404, "not_found");
    assert!(!is_accepted(&shop, &lost).await);
    assert!(is_accepted(&shop, &here).await && is_accepted(&shop, &stranger).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn changing_the_password_revokes_all_other_sessions() {
    let shop = Shop::open();
    let (here, _) = logged_in(&shop).await;
    let (there, _) = log_in(&shop, &here).await;
    let change = |old: &str, new: &str| {
        let body = json!({ "old_password": old, "new_password": new });
        shop.put("/auth/password", &body).token(&here.token).send()
    };
    let refused = change("not the password", "another one 123").await;
    assert_eq!(refused.is_problem(400, "invalid", &["old_password"]), Ok(()));
    assert!(is_accepted(&shop, &there).await, "nothing changed");
    change(&here.password, "another one 123").await.expect(204);
    assert!(is_accepted(&shop, &here).await && !is_accepted(&shop, &there).await);
    let old = json!({ "email": here.email, "password": here.password });
    shop.post("/auth/login", &old).send().await.problem(401, "unauthenticated");
    shop.log_in(&here.email, "another one 123").await;
}

/// Invokes the log-in function directly, with this source IP address.
async fn log_in_from(shop: &Shop, address: &str, email: &str, password: &str) -> Value {
    let sample = include_str!("../../../../events/samples/accounts-log-in.json");
    let mut request: Value = serde_json::from_str(sample).unwrap();
    request["requestContext"]["identity"]["sourceIp"] = json!(address);
    request["body"] = json!(json!({ "email": email, "password": password }).to_string());
    shop.aws.invoke("accounts-log-in", &request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_are_limited_per_email() {
    let shop = Shop::open();
    let buyer = shop.new_buyer().await;
    let unknown_email = format!("{}@e2e.example", unique("nobody"));
    for email in [&buyer.email, &unknown_email] {
        let body = |password: &str| json!({ "email": email, "password": password });
        let responses =
            join_all((0..14).map(|_| shop.post("/auth/login", &body("wrong")).send())).await;
        let statuses =
            |status| responses.iter().filter(|response| response.status == status).count();
        assert_eq!((statuses(401), statuses(429)), (10, 4), "{email}");
        let refused = shop.post("/auth/login", &body(&buyer.password)).send().await;
        let seconds: u32 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=901).contains(&seconds), "{refused}");
        refused.problem(429, "too_many_requests");
    }
    assert!(is_accepted(&shop, &buyer).await, "existing sessions continue");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_are_limited_per_network() {
    let shop = Shop::open();
    let buyer = shop.new_buyer().await;
    let network = digest::hex(&digest::sha256(&[unique("address").as_bytes()])[..2]);
    let address = format!("2001:db8:{network}:1::7");
    let mut statuses = Vec::new();
    for round in 0..13 {
        let guesses = (0..8).map(async |at| {
            let email = format!("{}@e2e.example", unique(&format!("guess-{round}-{at}")));
            log_in_from(&shop, &address, &email, "wrong").await["statusCode"].as_u64().unwrap()
        });
        statuses.extend(join_all(guesses).await);
    }
    let count = |status| statuses.iter().filter(|given| **given == status).count();
    assert_eq!((count(401), count(429)), (100, 4));
    // The limit also applies to the right password and to the whole /64 network, but not to others.
    for (from, status) in [
        (address.clone(), 429),
        (format!("2001:db8:{network}:1::8"), 429),
        (format!("2001:db8:{network}:2::7"), 200),
    ] {
        let response = log_in_from(&shop, &from, &buyer.email, &buyer.password).await;
        assert_eq!(response["statusCode"], status, "{response}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_code_sets_a_new_password_once() {
    let shop = Shop::open();
    let buyer = shop.new_buyer().await;
    let unknown_email = format!("{}@e2e.example", unique("nobody"));
    let request_reset =
        |email: &str| shop.post("/auth/password-reset", &json!({ "email": email })).send();
    let known = request_reset(&buyer.email.to_uppercase()).await.expect(204);
    let unknown = request_reset(&unknown_email).await.expect(204);
    assert_eq!(known.body, unknown.body);
    let names = |response: &HttpResponse| {
        response.headers.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>()
    };
    assert_eq!(names(&known), names(&unknown));

    let code = mail::code(&shop.aws, &buyer.email, 1).await;
    let reset = |email: &str, code: &str| {
        let body = json!({ "email": email, "code": code, "password": "new password 1" });
        shop.put("/auth/password-reset", &body).send()
    };
    for (email, code) in [(&buyer.email, "0000-0000-0000-0000"), (&unknown_email, code.as_str())] {
        let refused = reset(email, code).await;
        assert_eq!(refused.is_problem(400, "invalid", &["code"]), Ok(()));
    }
    assert!(is_accepted(&shop, &buyer).await, "nothing changed");
    let at_once = join_all((0..8).map(|_| reset(&buyer.email, &code))).await;
    let done = at_once.iter().filter(|response| response.status == 204).count();
    assert_eq!(done, 1, "a code is valid once: {at_once:?}");
    assert!(!is_accepted(&shop, &buyer).await);
    shop.log_in(&buyer.email, "new password 1").await;
    assert_eq!(mail::to(&shop.aws, &unknown_email).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn reset_codes_are_limited_per_email() {
    let shop = Shop::open();
    let unknown_email = format!("{}@e2e.example", unique("nobody"));
    let request_reset =
        |_| shop.post("/auth/password-reset", &json!({ "email": unknown_email })).send();
    let responses = join_all((0..8).map(request_reset)).await;
    let refused: Vec<_> = responses.into_iter().filter(|response| response.status != 204).collect();
    assert_eq!(refused.len(), 3);
    for response in refused {
        assert!(response.header("retry-after").is_some(), "{response}");
        response.problem(429, "too_many_requests");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_can_be_verified_with_the_published_keys() {
    let shop = Shop::open();
    let (buyer, seller) = (shop.new_buyer().await, shop.new_seller().await);
    let response = shop.get("/.well-known/jwks.json").send().await.expect(200);
    assert_eq!(response.header("content-type"), Some("application/json"));
    let published: Jwks = serde_json::from_value(response.json()).unwrap();
    let roles: BTreeSet<_> = published.keys.iter().map(|key| key.role).collect();
    assert_eq!(roles.len(), 3, "one key per role");
    for key in response.json()["keys"].as_array().unwrap() {
        assert!(key.get("d").is_none(), "a private key is published");
    }
    for account in [&buyer, &seller] {
        let stage = &shop.aws.stage;
        let verified = published.verify(stage, &account.token, SystemClock.now()).unwrap();
        assert_eq!(verified.sub, account.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_login_is_recorded() {
    let shop = Shop::open();
    let before = SystemClock.now().to_string();
    let buyer = shop.new_buyer().await;
    let last = async || {
        let data =
            shop.get(format!("/users/{}", buyer.id)).token(&buyer.token).send().await.data(200);
        data["last_login_at"].as_str().map(str::to_owned).ok_or("none yet")
    };
    let first = eventually("the last login", last).await;
    assert!(first > before, "{first}");
    shop.log_in(&buyer.email, &buyer.password).await;
    eventually("the next last login", async || {
        let next = last().await?;
        if next > first { Ok(()) } else { Err("the first one") }
    })
    .await;
}
