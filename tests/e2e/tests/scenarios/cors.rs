//! CORS: preflight responses, allowed origins, exposed headers.

use rialto_e2e::{
    http::Answer,
    shop::{NewProduct, OrderDraft, Shop},
};
use rialto_lambda::access::ROUTES;

const OURS: &str = "http://localhost:3001";
const THEIRS: &str = "https://evil.example";

fn words(answer: &Answer, header: &str) -> Vec<String> {
    let value = answer.header(header).unwrap_or_default();
    value
        .split(',')
        .map(|word| word.trim().to_ascii_lowercase())
        .filter(|word| !word.is_empty())
        .collect()
}

#[track_caller]
fn assert_readable(answer: &Answer) {
    assert_eq!(answer.header("access-control-allow-origin"), Some(OURS), "{answer}");
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"), "{answer}");
    assert!(words(answer, "vary").contains(&"origin".to_owned()), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn preflights_are_allowed_from_our_origin_only() {
    let shop = Shop::open();
    let mut paths: Vec<_> = ROUTES.iter().map(|route| route.path).collect();
    paths.dedup();
    for path in paths {
        let preflight = |origin: &str| {
            let call = shop.http.call("OPTIONS", path.replace(['{', '}'], ""));
            let call =
                call.header("origin", origin).header("access-control-request-method", "POST");
            call.header(
                "access-control-request-headers",
                "authorization,content-type,idempotency-key",
            )
        };
        let ours = preflight(OURS).send().await.expect(204);
        assert_readable(&ours);
        for method in ROUTES.iter().filter(|route| route.path == path).map(|route| route.method) {
            let allowed = words(&ours, "access-control-allow-methods");
            assert!(allowed.contains(&method.to_ascii_lowercase()), "{path}: {allowed:?}");
        }
        let headers = words(&ours, "access-control-allow-headers");
        for wanted in ["authorization", "content-type", "idempotency-key"] {
            assert!(headers.contains(&wanted.to_owned()), "{path}: {headers:?}");
        }
        let theirs = preflight(THEIRS).send().await;
        assert_eq!(theirs.header("access-control-allow-origin"), None, "{theirs}");
        assert_eq!(theirs.header("access-control-allow-methods"), None, "{theirs}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_origin_may_read_responses_and_exposed_headers() {
    let shop = Shop::open();
    let (seller, buyer) = (shop.new_seller().await, shop.new_buyer().await);
    let product = shop.product(&seller, &NewProduct::new("Bought in a browser", 100, 1)).await;
    let basket = OrderDraft::of(&[(&product, 1)]);
    let answers = [
        shop.placing(&buyer, &basket).header("origin", OURS).send().await.expect(201),
        shop.placing(&buyer, &basket).header("origin", OURS).send().await.expect(201),
        shop.get(format!("/products/{product}")).header("origin", OURS).send().await.expect(200),
        shop.get("/products/nothing").header("origin", OURS).send().await.expect(404),
        shop.get("/products?limit=0").header("origin", OURS).send().await.expect(400),
    ];
    for answer in &answers {
        assert_readable(answer);
        let exposed = words(answer, "access-control-expose-headers");
        for wanted in ["idempotent-replayed", "location", "retry-after"] {
            assert!(exposed.contains(&wanted.to_owned()), "{exposed:?}");
        }
    }
    assert_eq!(answers[1].header("idempotent-replayed"), Some("true"));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_origins_may_not_read_responses() {
    let shop = Shop::open();
    for path in ["/products", "/products/nothing"] {
        let answer = shop.get(path).header("origin", THEIRS).send().await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{answer}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{answer}");
        assert!(
            words(&answer, "vary").contains(&"origin".to_owned()),
            "a cache must tell origins apart: {answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_origin_may_read_the_gateways_own_responses() {
    let shop = Shop::open();
    let orders = "/users/usr_01kaka00000000000000000001/orders";
    let without = shop.get(orders).header("origin", OURS).send().await.expect(401);
    let garbage = shop.get(orders).token("garbage").header("origin", OURS).send().await.expect(401);
    let unknown = shop.get("/nothing").header("origin", OURS).send().await.expect(404);
    for answer in [without, garbage, unknown] {
        assert_readable(&answer);
    }
}
