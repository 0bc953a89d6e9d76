//! Health check, OpenAPI document and documentation pages.

use rialto_contracts::SOURCES;
use rialto_e2e::shop::Shop;
use rialto_lambda::access::ROUTES;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn health_reports_each_dependency() {
    let shop = Shop::open();
    let response = shop.get("/health").send().await.data(200).to_string();
    for dependency in ["accounts", "catalog", "inventory", "orders", "payments", "settings"] {
        assert!(response.contains(dependency), "{dependency} is missing: {response}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openapi_document_describes_exactly_the_routes() {
    let shop = Shop::open();
    let document = shop.get("/openapi.json").send().await.expect(200).json();
    let mut described = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            described.push(format!("{} {path}", method.to_uppercase()));
        }
    }
    let mut routes: Vec<_> =
        ROUTES.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    described.sort();
    routes.sort();
    assert_eq!(described, routes);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docs_page_loads_only_the_openapi_document() {
    let shop = Shop::open();
    let page = shop.get("/docs").send().await.expect(200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"), "{page}");
    let text = page.text();
    assert!(text.contains("openapi.json"));
    let foreign = ["src=\"http", "href=\"http", "src='http", "@import"];
    let found: Vec<_> = foreign.iter().filter(|word| text.contains(**word)).collect();
    assert!(found.is_empty(), "the page loads from other hosts: {found:?}");
    assert!(page.header("content-security-policy").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_events_shows_every_event() {
    let shop = Shop::open();
    let page = shop.get("/docs/events").send().await.expect(200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"), "{page}");
    assert!(page.header("content-security-policy").is_some());
    let text = page.text();
    for (event, version) in SOURCES.iter().flat_map(|(_, events)| *events) {
        assert!(text.contains(&format!("id=\"{event}.v{version}\"")), "{event}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_response_has_one_content_type() {
    let shop = Shop::open();
    for path in
        ["/health", "/products", "/openapi.json", "/docs", "/docs/events", "/nothing", "/orders/x"]
    {
        let response = shop.get(path).send().await;
        let types = response.headers.iter().filter(|(name, _)| name == "content-type").count();
        assert_eq!(types, 1, "{response}");
        if response.status >= 400 {
            assert!(matches!(response.json()["code"], Value::String(_)), "{response}");
        }
    }
}
