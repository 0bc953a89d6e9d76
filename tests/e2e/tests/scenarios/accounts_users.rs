//! Buyers and sellers, their profiles and addresses, and closing accounts.

use futures_util::future::join_all;
use rialto_e2e::{
    aws::Aws,
    bus::BusSubscription,
    http::HttpResponse,
    shop::{DemoAccount, NewProduct, OrderDraft, PERSONAL, Shop, account_body, address, unique},
    tables::TableSnapshot,
    wait::eventually,
};
use rialto_kernel::{Clock, SystemClock, Timestamp};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_registrations_of_an_email_create_one_account() {
    let shop = Shop::open();
    let body = account_body("concurrent");
    let mut upper_case = body.clone();
    upper_case["email"] = json!(body["email"].as_str().unwrap().to_uppercase());
    let calls =
        (0..8).map(|at| shop.post("/users", if at % 2 == 0 { &body } else { &upper_case }).send());
    let responses = join_all(calls).await;
    let (made, refused): (Vec<_>, Vec<_>) =
        responses.into_iter().partition(|response| response.status == 201);
    assert_eq!(made.len(), 1);
    for response in refused {
        response.problem(409, "duplicate");
    }
    let account =
        shop.log_in(body["email"].as_str().unwrap(), body["password"].as_str().unwrap()).await;
    assert_eq!(made.into_iter().next().unwrap().data(201)["user_id"], account.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn buyers_read_and_change_their_account() {
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let path = format!("/users/{}", buyer.id);
    let user = shop.get(&path).token(&buyer.token).send().await.data(200);
    assert_eq!((&user["email"], &user["status"]), (&json!(buyer.email), &json!("REGISTERED")));
    assert_eq!(user["mail_notifications"], false);
    assert!(user.get("orders").is_none() && user.get("degraded").is_none());

    let change = json!({ "name": "Ottilie Renamed", "mail_notifications": true });
    let changed = shop.patch(&path, &change).token(&buyer.token).send().await.data(200);
    assert_eq!(changed["name"], "Ottilie Renamed");
    let read = shop.get(&path).token(&buyer.token).send().await.data(200);
    assert_eq!((&read["mail_notifications"], &read["phone"]), (&json!(true), &user["phone"]));

    let product = shop.product(&seller, &NewProduct::new("Shown with the account", 700, 5)).await;
    let order = shop.place(&buyer, &OrderDraft::of(&[(&product, 1)])).await;
    eventually("the order to be shown with the account", async || {
        let user =
            shop.get(format!("{path}?include=orders")).token(&buyer.token).send().await.data(200);
        assert!(user.get("degraded").is_none(), "{user}");
        let orders = user["orders"].as_array().unwrap().clone();
        match orders.as_slice() {
            [shown] if shown["order_id"] == order => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn supervisors_search_and_list_buyers() {
    let shop = Shop::open();
    let supervisor = shop.supervisor().await;
    let mark = unique("Findable");
    let mut made = Vec::new();
    for at in 0..3 {
        let mut body = account_body("listed");
        body["name"] = json!(format!("{mark} {at}"));
        made.push(shop.post("/users", &body).send().await.data(201));
    }
    made.reverse();
    let ids = |list: &[Value]| list.iter().map(|user| user["user_id"].clone()).collect::<Vec<_>>();
    let by_email =
        format!("/users?email={}&limit=5", made[0]["email"].as_str().unwrap().to_uppercase());
    assert_eq!(ids(&shop.pages(Some(&supervisor), &by_email).await.concat()), ids(&made[..1]));
    let unknown = format!("/users?email=nobody-{}&limit=5", made[0]["email"].as_str().unwrap());
    assert_eq!(shop.pages(Some(&supervisor), &unknown).await.concat(), Vec::<Value>::new());

    let path = format!("/users?name={}&limit=2", mark.to_lowercase());
    eventually("three buyers to be found by name", async || {
        let found = shop.pages(Some(&supervisor), &path).await.concat();
        if ids(&found) == ids(&made) { Ok(()) } else { Err(format!("{} found", found.len())) }
    })
    .await;
    let newest = shop.get("/users?limit=100").token(&supervisor.token).send().await.data(200);
    let times: Vec<_> = newest
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["created_at"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "newest first");
    let cursor =
        shop.get("/users?limit=1").token(&supervisor.token).send().await.expect(200).json();
    let cursor = cursor["pagination"]["next_cursor"].as_str().unwrap();
    let stray =
        shop.get(format!("/users?name=x&cursor={cursor}")).token(&supervisor.token).send().await;
    assert_eq!(stray.is_problem(400, "invalid", &["cursor"]), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_are_public_and_only_supervisors_set_grades() {
    let shop = Shop::open();
    let (buyer, supervisor) = (shop.new_buyer().await, shop.supervisor().await);
    let (path, public) =
        (format!("/users/{}/profile", buyer.id), format!("/users/{}/public", buyer.id));
    let first = shop.get(&public).send().await.data(200);
    assert_eq!((&first["grade"], &first["image"]), (&json!("BRONZE"), &Value::Null));

    let image = "https://img.example/ottilie.png";
    let expected = json!({ "nickname": "otti", "image": image });
    let set = shop.put(&path, &expected).token(&buyer.token).send().await.data(200);
    assert_eq!((&set["nickname"], &set["image"]), (&json!("otti"), &json!(image)));
    let graded = json!({ "nickname": "otti", "grade": "GOLD" });
    shop.put(&path, &graded).token(&buyer.token).send().await.problem(403, "forbidden");
    shop.put(&path, &graded).token(&supervisor.token).send().await.data(200);
    let shown = shop.get(&public).send().await.data(200);
    let expected =
        json!({ "user_id": buyer.id, "nickname": "otti", "image": null, "grade": "GOLD" });
    assert_eq!(shown, expected);
    assert_eq!(shop.get(&path).token(&buyer.token).send().await.data(200), expected);
    let stranger = shop.new_buyer().await;
    shop.get(&path).token(&stranger.token).send().await.problem(403, "forbidden");
    let unknown = rialto_kernel::UserId::derive(&[b"nobody"]);
    shop.get(format!("/users/{unknown}/public")).send().await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_additions_save_at_most_three_addresses() {
    let shop = Shop::open();
    let buyer = shop.new_buyer().await;
    let path = format!("/users/{}/addresses", buyer.id);
    let responses =
        join_all((0..4).map(|_| shop.post(&path, &address()).token(&buyer.token).send())).await;
    let (made, refused): (Vec<_>, Vec<_>) =
        responses.into_iter().partition(|response| response.status == 201);
    assert_eq!((made.len(), refused.len()), (3, 1));
    for response in refused {
        response.problem(409, "limit_reached");
    }
    let list = async || shop.pages(Some(&buyer), &format!("{path}?limit=2")).await.concat();
    let saved = list().await;
    assert_eq!(saved.len(), 3);
    assert_eq!(saved.iter().filter(|address| address["default"] == true).count(), 1);
    for response in &made {
        let location = response.header("location").unwrap().to_owned();
        let id = response.json()["data"]["address_id"].as_str().unwrap().to_owned();
        assert_eq!(location, format!("addresses/{id}"));
    }

    let last = saved[2]["address_id"].as_str().unwrap();
    let mut other = address();
    other["note"] = json!("third floor");
    other["default"] = json!(true);
    let set = shop.put(format!("{path}/{last}"), &other).token(&buyer.token).send().await.data(200);
    assert_eq!((&set["note"], &set["default"]), (&json!("third floor"), &json!(true)));
    let remove =
        || shop.http.request("DELETE", format!("{path}/{last}")).token(&buyer.token).send();
    remove().await.expect(204);
    remove().await.problem(404, "not_found");
    let remaining = list().await;
    assert_eq!((remaining.len(), &remaining[0]["default"]), (2, &json!(true)));
    let stranger = shop.new_buyer().await;
    shop.get(&path).token(&stranger.token).send().await.problem(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_sent_to_a_saved_address_of_their_buyer() {
    let shop = Shop::open();
    let (seller, buyer, other) =
        (shop.new_seller().await, shop.new_buyer().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Sent to a saved address", 100, 5)).await;
    let add_address = async |by: &DemoAccount| {
        let call = shop.post(format!("/users/{}/addresses", by.id), &address()).token(&by.token);
        call.send().await.data(201)["address_id"].clone()
    };
    let (own, strange) = (add_address(&buyer).await, add_address(&other).await);
    let order = async |address_id: &Value| {
        let mut body = OrderDraft::of(&[(&product, 1)]).body();
        body.as_object_mut().unwrap().remove("address");
        body["address_id"] = address_id.clone();
        let call = shop.post(format!("/users/{}/orders", buyer.id), &body).token(&buyer.token);
        call.header("idempotency-key", unique("saved")).send().await
    };
    let placed = order(&own).await.data(201);
    assert_eq!(placed["address"]["line1"], address()["line1"]);
    assert_eq!(order(&strange).await.is_problem(400, "invalid", &["address_id"]), Ok(()));
}

/// Runs the sweep of closed accounts as if it were this much later.
async fn sweep(aws: &Aws, later: Duration) {
    aws.invoke("accounts-sweep", &json!({ "now": SystemClock.now().plus(later) })).await;
}

async fn delete(shop: &Shop, path: String, by: &DemoAccount) -> HttpResponse {
    shop.http.request("DELETE", path).token(&by.token).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn unregistered_buyers_are_erased_by_the_sweep() {
    let shop = Shop::open();
    let subscription = BusSubscription::on_everything(&shop.aws).await;
    let (buyer, supervisor) = (shop.new_buyer().await, shop.supervisor().await);
    let path = format!("/users/{}", buyer.id);
    shop.post(format!("{path}/addresses"), &address()).token(&buyer.token).send().await.data(201);
    delete(&shop, path.clone(), &buyer).await.expect(204);

    shop.get(&path).token(&buyer.token).send().await.problem(401, "token_expired");
    let login = json!({ "email": buyer.email, "password": buyer.password });
    shop.post("/auth/login", &login).send().await.problem(401, "unauthenticated");
    shop.get(format!("{path}/public")).send().await.problem(404, "not_found");
    let mut again = account_body("again");
    again["email"] = json!(buyer.email.to_uppercase());
    let successor = shop.post("/users", &again).send().await.data(201);
    assert_ne!(successor["user_id"], buyer.id, "the email can be used again");
    let change = json!({ "name": "Too late" });
    let refused = shop.patch(&path, &change).token(&supervisor.token).send().await;
    assert_eq!(refused.problem(409, "illegal_transition")["state"], "UNREGISTERED");
    let refused =
        shop.post(format!("{path}/addresses"), &address()).token(&supervisor.token).send().await;
    refused.problem(404, "not_found");

    let erased = eventually("the account to be erased", async || {
        sweep(&shop.aws, Duration::from_secs(3_600)).await;
        let user = shop.get(&path).token(&supervisor.token).send().await.data(200);
        if user["email"].is_null() { Ok(user) } else { Err("the account still has personal data") }
    })
    .await;
    assert_eq!(erased["status"], "UNREGISTERED");
    for field in ["email", "name", "phone", "last_login_at"] {
        assert_eq!(erased[field], Value::Null, "{field}");
    }
    let partition = vec![("accounts", format!("ACCOUNT#{}", buyer.id))];
    let stored = format!("{:?}", TableSnapshot::take(&shop.aws, &partition).await);
    for word in PERSONAL.iter().chain([&buyer.email.as_str()]) {
        assert!(!stored.contains(word), "{word} is still stored");
    }
    // The new account with the same email isn't affected.
    shop.log_in(again["email"].as_str().unwrap(), again["password"].as_str().unwrap()).await;
    // Unregistering is idempotent.
    delete(&shop, path, &supervisor).await.expect(204);
    let mut published = Vec::new();
    eventually("UserUnregistered on the bus", async || {
        published.extend(subscription.take_all().await);
        let of_buyer = |kind: &str| {
            published
                .iter()
                .filter(|received| {
                    received.detail_type == kind && received.event.subject == buyer.id
                })
                .count()
        };
        if of_buyer("UserUnregistered") == 1 {
            Ok(())
        } else {
            Err(format!("{} events", published.len()))
        }
    })
    .await;
    for received in &published {
        let text = received.detail.to_string();
        for word in PERSONAL.iter().copied().chain(["@e2e.example"]) {
            assert!(!text.contains(word), "{word} is on the bus: {text}");
        }
    }
    subscription.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn erasure_waits_for_open_orders() {
    let shop = Shop::open();
    let (seller, buyer, supervisor) =
        (shop.new_seller().await, shop.new_buyer().await, shop.supervisor().await);
    let product = shop.product(&seller, &NewProduct::new("Bought and left", 100, 5)).await;
    let order = shop.place(&buyer, &OrderDraft::of(&[(&product, 1)])).await;
    delete(&shop, format!("/users/{}", buyer.id), &buyer).await.expect(204);
    let settled = shop.wait_until_settled(&supervisor, &order).await;
    assert_eq!(settled["state"], "CONFIRMED");
    // The index lags, and the order must be in it as open before the sweep.
    let path = format!("/users/{}", buyer.id);
    eventually("the order to be indexed as open", async || {
        let call = shop.get(format!("{path}?include=orders")).token(&supervisor.token);
        let user = call.send().await.data(200);
        if user["orders"].as_array().is_some_and(|orders| orders.len() == 1) {
            Ok(())
        } else {
            Err(user)
        }
    })
    .await;
    sweep(&shop.aws, Duration::from_secs(3_600)).await;
    let user = shop.get(&path).token(&supervisor.token).send().await.data(200);
    assert_eq!((&user["status"], &user["email"]), (&json!("UNREGISTERED"), &json!(buyer.email)));
}

#[tokio::test(flavor = "multi_thread")]
async fn sellers_are_unregistered_unless_they_have_open_lines() {
    let shop = Shop::open();
    let (seller, idle) = (shop.new_seller().await, shop.new_seller().await);
    let (buyer, supervisor) = (shop.new_buyer().await, shop.supervisor().await);
    let path = format!("/sellers/{}", seller.id);
    let changed =
        shop.patch(&path, &json!({ "phone": "+4915550199" })).token(&seller.token).send().await;
    assert_eq!(changed.data(200)["phone"], "+4915550199");
    assert_eq!(shop.get(&path).token(&seller.token).send().await.data(200)["email"], seller.email);
    shop.get(&path).token(&idle.token).send().await.problem(403, "forbidden");
    shop.get("/sellers").token(&seller.token).send().await.problem(403, "forbidden");
    eventually("both sellers to be listed", async || {
        let listed = shop.get("/sellers?limit=100").token(&supervisor.token).send().await.data(200);
        let ids: BTreeSet<String> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|seller| seller["seller_id"].as_str().unwrap().to_owned())
            .collect();
        if ids.contains(&seller.id) && ids.contains(&idle.id) {
            Ok(())
        } else {
            Err(format!("{} listed", ids.len()))
        }
    })
    .await;

    let product = shop.product(&seller, &NewProduct::new("Has an open line", 100, 5)).await;
    let order = shop.place(&buyer, &OrderDraft::of(&[(&product, 1)])).await;
    shop.wait_until_settled(&buyer, &order).await;
    delete(&shop, path.clone(), &seller).await.problem(403, "forbidden");
    eventually("the line to be indexed as open", async || {
        let refused = delete(&shop, path.clone(), &supervisor).await;
        refused.is_problem(409, "in_use", &[])
    })
    .await;
    let still = shop.log_in(&seller.email, &seller.password).await;
    assert_eq!(shop.get(&path).token(&still.token).send().await.data(200)["status"], "REGISTERED");

    let unsold = shop.product(&idle, &NewProduct::new("Unpublished with its seller", 100, 5)).await;
    delete(&shop, format!("/sellers/{}", idle.id), &supervisor).await.expect(204);
    eventually("the product to be unpublished", async || {
        shop.get(format!("/products/{unsold}")).send().await.is_problem(404, "not_found", &[])
    })
    .await;
    let login = json!({ "email": idle.email, "password": idle.password });
    shop.post("/auth/login", &login).send().await.problem(401, "unauthenticated");
    let closed =
        shop.get(format!("/sellers/{}", idle.id)).token(&supervisor.token).send().await.data(200);
    assert_eq!(closed["status"], "UNREGISTERED");
    assert!(Timestamp::parse(closed["created_at"].as_str().unwrap()).is_ok());
}
