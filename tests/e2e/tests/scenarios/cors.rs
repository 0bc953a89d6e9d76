//! CORS: preflight responses, allowed origins, exposed headers.

use rialto_e2e::{
    http::HttpResponse,
    shop::{NewProduct, OrderDraft, Shop},
};
use rialto_lambda::access::ROUTES;

const OUR_ORIGIN: &str = "http://localhost:3001";
const OTHER_ORIGIN: &str = "https://evil.example";

fn words(response: &HttpResponse, header: &str) -> Vec<String> {
    let value = response.header(header).unwrap_or_default();
    value
        .split(',')
        .map(|word| word.trim().to_ascii_lowercase())
        .filter(|word| !word.is_empty())
        .collect()
}

#[track_caller]
fn assert_readable(response: &HttpResponse) {
    assert_eq!(response.header("access-control-allow-origin"), Some(OUR_ORIGIN), "{response}");
    assert_eq!(response.header("access-control-allow-credentials"), Some("true"), "{response}");
    assert!(words(response, "vary").contains(&"origin".to_owned()), "{response}");
}

#[tokio::test(flavor = "multi_thread")]
async fn preflights_are_allowed_from_our_origin_only() {
    let shop = Shop::open();
    let mut paths: Vec<_> = ROUTES.iter().map(|route| route.path).collect();
    paths.dedup();
    for path in paths {
        let preflight = |origin: &str| {
            let call = shop.http.request("OPTIONS", path.replace(['{', '}'], ""));
            let call =
                call.header("origin", origin).header("access-control-request-method", "POST");
            call.header(
                "access-control-request-headers",
                "authorization,content-type,idempotency-key",
            )
        };
        let ours = preflight(OUR_ORIGIN).send().await.expect(204);
        assert_readable(&ours);
        for method in ROUTES.iter().filter(|route| route.path == path).map(|route| route.method) {
            let allowed = words(&ours, "access-control-allow-methods");
            assert!(allowed.contains(&method.to_ascii_lowercase()), "{path}: {allowed:?}");
        }
        let headers = words(&ours, "access-control-allow-headers");
        for expected in ["authorization", "content-type", "idempotency-key"] {
            assert!(headers.contains(&expected.to_owned()), "{path}: {headers:?}");
        }
        let theirs = preflight(OTHER_ORIGIN).send().await;
        assert_eq!(theirs.header("access-control-allow-origin"), None, "{theirs}");
        assert_eq!(theirs.header("access-control-allow-methods"), None, "{theirs}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_origin_may_read_responses_and_exposed_headers() {
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Bought in a browser", 100, 1)).await;
    let draft = OrderDraft::of(&[(&product, 1)]);
    let responses = [
        shop.place_request(&buyer, &draft).header("origin", OUR_ORIGIN).send().await.expect(201),
        shop.place_request(&buyer, &draft).header("origin", OUR_ORIGIN).send().await.expect(201),
        shop.get(format!("/products/{product}"))
            .header("origin", OUR_ORIGIN)
            .send()
            .await
            .expect(200),
        shop.get("/products/nothing").header("origin", OUR_ORIGIN).send().await.expect(404),
        shop.get("/products?limit=0").header("origin", OUR_ORIGIN).send().await.expect(400),
    ];
    for response in &responses {
        assert_readable(response);
        let exposed = words(response, "access-control-expose-headers");
        for expected in ["idempotent-replayed", "location", "retry-after"] {
            assert!(exposed.contains(&expected.to_owned()), "{exposed:?}");
        }
    }
    assert_eq!(responses[1].header("idempotent-replayed"), Some("true"));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_origins_may_not_read_responses() {
    let shop = Shop::open();
    for path in ["/products", "/products/nothing"] {
        let response = shop.get(path).header("origin", OTHER_ORIGIN).send().await;
        assert_eq!(response.header("access-control-allow-origin"), None, "{response}");
        assert_eq!(response.header("access-control-allow-credentials"), None, "{response}");
        assert!(
            words(&response, "vary").contains(&"origin".to_owned()),
            "responses must vary by origin: {response}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_origin_may_read_the_gateways_own_responses() {
    let shop = Shop::open();
    let orders = "/users/usr_01kaka00000000000000000001/orders";
    let without = shop.get(orders).header("origin", OUR_ORIGIN).send().await.expect(401);
    let garbage =
        shop.get(orders).token("garbage").header("origin", OUR_ORIGIN).send().await.expect(401);
    let unknown = shop.get("/nothing").header("origin", OUR_ORIGIN).send().await.expect(404);
    for response in [without, garbage, unknown] {
        assert_readable(&response);
    }
}
