use super::*;
use crate::token::generate_key;
use futures_util::{StreamExt, stream};
use rialto_aws::emulator_config;
use rialto_kernel::Role;
use rialto_kernel::settings::{MAIL_SENDER, PROVIDER_KEY, SHIPPING_FEE};
use rialto_testkit::http::{RecordedRequest, StubResponse, serve};
use serde_json::{Value, json};
use std::time::Instant;

#[tokio::test]
async fn a_setting_has_its_value_or_its_default() {
    let set = Settings::fixed(&[("orders/shipping-fee", "250")]);
    assert_eq!(set.get(&SHIPPING_FEE).await.unwrap().minor_units(), 250);
    assert_eq!(Settings::fixed(&[]).get(&SHIPPING_FEE).await.unwrap().minor_units(), 300);
}

#[tokio::test]
async fn invalid_values_are_not_used() {
    let set = Settings::fixed(&[("orders/shipping-fee", "lots")]);
    assert_eq!(set.get(&SHIPPING_FEE).await.unwrap().minor_units(), 300);
}

#[tokio::test]
async fn the_last_valid_value_stays_in_use() {
    let mut set = Settings::fixed(&[("orders/shipping-fee", "250")]);
    assert_eq!(set.get(&SHIPPING_FEE).await.unwrap().minor_units(), 250);
    set.source = Settings::fixed(&[("orders/shipping-fee", "lots")]).source;
    let now = set.get_with_max_age(&SHIPPING_FEE, Duration::ZERO).await.unwrap();
    assert_eq!(now.minor_units(), 250);
    set.source = Settings::fixed(&[]).source;
    let now = set.get_with_max_age(&SHIPPING_FEE, Duration::ZERO).await.unwrap();
    assert_eq!(now.minor_units(), 300);
}

#[tokio::test]
async fn refreshing_reads_the_store_once_a_minute() {
    let mut set = Settings::fixed(&[("orders/shipping-fee", "1")]);
    assert_eq!(set.get(&SHIPPING_FEE).await.unwrap().minor_units(), 1);
    set.source = Settings::fixed(&[("orders/shipping-fee", "2")]).source;
    assert_eq!(set.get(&SHIPPING_FEE).await.unwrap().minor_units(), 1);
    assert_eq!(
        set.get_with_max_age(&SHIPPING_FEE, set.refresh_age(SHIPPING_FEE.name))
            .await
            .unwrap()
            .minor_units(),
        2
    );
    set.source = Settings::fixed(&[("orders/shipping-fee", "3")]).source;
    assert_eq!(
        set.get_with_max_age(&SHIPPING_FEE, set.refresh_age(SHIPPING_FEE.name))
            .await
            .unwrap()
            .minor_units(),
        2
    );
}

/// A clock that the test moves.
#[derive(Default)]
struct TestClock(Mutex<Duration>);

impl TestClock {
    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0).plus(*self.0.lock().unwrap())
    }
}

/// AWS as far as settings need it.
#[derive(Default)]
struct State {
    /// The attribute `settings` of the copy in DynamoDB.
    copy: Option<Value>,
    parameters: HashMap<String, String>,
    secrets: HashMap<String, String>,
    /// Nothing is answered.
    refused: bool,
    /// The second, and the requests in it, of Parameter Store.
    second: Option<(Instant, u32)>,
    /// The number of requests to Parameter Store that are throttled whatever the rate is.
    throttled: u32,
    parameter_requests: u32,
    /// The names of the parameters in the responses of Parameter Store, set or not.
    requested: Vec<String>,
}

/// The default quota of Parameter Store's GetParameters.
const REQUESTS_A_SECOND: u32 = 40;

impl State {
    fn respond(&mut self, request: &RecordedRequest) -> StubResponse {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        if self.refused {
            return error("AccessDeniedException");
        }
        let response = match request.header("x-amz-target").unwrap() {
            "DynamoDB_20120810.GetItem" => {
                assert_eq!(body["TableName"], "rialto-test-settings");
                self.copy.as_ref().map_or(
                    json!({}),
                    |copy| json!({"Item": {"version": {"N": "1"}, "settings": {"M": copy}}}),
                )
            }
            "AmazonSSM.GetParameters" => {
                self.parameter_requests += 1;
                if self.is_throttled() {
                    return error("ThrottlingException");
                }
                let names = body["Names"].as_array().unwrap().iter();
                self.requested.extend(names.clone().map(|name| name.as_str().unwrap().to_owned()));
                let parameter = |name: &Value| {
                    let value = self.parameters.get(name.as_str()?)?;
                    Some(json!({"Name": name, "Value": value}))
                };
                json!({"Parameters": names.filter_map(parameter).collect::<Vec<_>>()})
            }
            "secretsmanager.GetSecretValue" => {
                match self.secrets.get(body["SecretId"].as_str().unwrap()) {
                    Some(secret) => json!({"SecretString": secret}),
                    None => return error("ResourceNotFoundException"),
                }
            }
            other => panic!("{other}"),
        };
        StubResponse::new(200, response.to_string())
    }

    fn is_throttled(&mut self) -> bool {
        if self.throttled > 0 {
            self.throttled -= 1;
            return true;
        }
        let second = self.second.filter(|(begin, _)| begin.elapsed() < Duration::from_secs(1));
        let (begin, requests) = second.unwrap_or_else(|| (Instant::now(), 0));
        self.second = Some((begin, requests + 1));
        requests >= REQUESTS_A_SECOND
    }
}

fn error(kind: &str) -> StubResponse {
    StubResponse::new(400, json!({"__type": kind}).to_string())
}

#[derive(Clone)]
struct Stub {
    url: String,
    state: Arc<Mutex<State>>,
}

impl Stub {
    fn with(state: State) -> Self {
        let state = Arc::new(Mutex::new(state));
        let served = Arc::clone(&state);
        let url = serve(move |request| {
            // A client that gives up closes the connection before its request is complete.
            (!request.body.is_empty()).then(|| served.lock().unwrap().respond(request))
        });
        Self { url, state }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    /// The settings of a new environment.
    fn settings(&self, clock: &Arc<TestClock>) -> Settings {
        let stage = Stage::parse("test").unwrap();
        let clock: Arc<dyn Clock> = Arc::<TestClock>::clone(clock);
        Settings::of_stage(&emulator_config(&self.url), stage, clock)
    }
}

fn parameters(fee: &str) -> HashMap<String, String> {
    [("/rialto/test/orders/shipping-fee".to_owned(), fee.to_owned())].into()
}

fn copy(fee: &str) -> Option<Value> {
    Some(json!({"orders/shipping-fee": {"S": fee}, "mail/sender": {"NULL": true}}))
}

#[tokio::test]
async fn a_thousand_environments_start_at_once() {
    let secrets = [("rialto/test/payments/provider-key".to_owned(), "sk_test_1".to_owned())];
    let stub = Stub::with(State {
        copy: copy("250"),
        parameters: parameters("250"),
        secrets: secrets.into(),
        ..State::default()
    });
    let clock = Arc::default();
    let started = stream::iter(0..1_000).map(async |_| {
        let settings = stub.settings(&clock);
        settings.prefetch(&[PROVIDER_KEY.name]);
        let fee = settings.get(&SHIPPING_FEE).await.map(|fee| fee.minor_units());
        (fee.map_err(|error| error.to_string()), settings.get(&PROVIDER_KEY).await.unwrap())
    });
    // As many as the stub has threads for.
    let values: Vec<_> = started.buffer_unordered(50).collect().await;
    assert_eq!(values.len(), 1_000);
    for (fee, key) in values {
        assert_eq!((fee, key.as_str()), (Ok(250), "sk_test_1"));
    }
    stub.change(|state| assert_eq!(state.parameter_requests, 0));
}

#[tokio::test]
async fn a_change_is_seen_within_a_minute() {
    let stub = Stub::with(State { copy: copy("250"), ..State::default() });
    let clock = Arc::default();
    let settings = stub.settings(&clock);
    assert_eq!(settings.get(&SHIPPING_FEE).await.unwrap().minor_units(), 250);
    assert_eq!(settings.get(&MAIL_SENDER).await.unwrap(), MAIL_SENDER.default);
    stub.change(|state| state.copy = copy("280"));
    clock.advance(MIN_CACHE_TTL - Duration::from_secs(1));
    assert_eq!(settings.get(&SHIPPING_FEE).await.unwrap().minor_units(), 250);
    clock.advance(MAX_CACHE_TTL - MIN_CACHE_TTL + Duration::from_secs(1));
    assert_eq!(settings.get(&SHIPPING_FEE).await.unwrap().minor_units(), 280);
}

#[tokio::test]
async fn environments_that_start_together_refresh_apart() {
    let mut by_second: HashMap<u64, u32> = HashMap::new();
    for _ in 0..1_000 {
        let settings = Settings::fixed(&[]);
        settings.get(&SHIPPING_FEE).await.unwrap();
        let ttl = settings.known(SHIPPING_FEE.name).unwrap().ttl;
        assert!((MIN_CACHE_TTL..=MAX_CACHE_TTL).contains(&ttl), "{ttl:?}");
        *by_second.entry(ttl.as_secs()).or_default() += 1;
    }
    // 40 a second on average.
    let most = by_second.values().max().unwrap();
    assert!(*most < 100, "{by_second:?}");
}

#[tokio::test]
async fn the_last_value_survives_an_outage() {
    let stub = Stub::with(State { copy: copy("250"), ..State::default() });
    let clock = Arc::default();
    let settings = stub.settings(&clock);
    assert_eq!(settings.get(&SHIPPING_FEE).await.unwrap().minor_units(), 250);
    stub.change(|state| state.refused = true);
    for _ in 0..3 {
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(settings.get(&SHIPPING_FEE).await.unwrap().minor_units(), 250);
    }
    assert!(stub.settings(&clock).get(&SHIPPING_FEE).await.is_err());
}

#[tokio::test]
async fn without_a_copy_throttled_reads_are_retried() {
    let stub =
        Stub::with(State { parameters: parameters("250"), throttled: 4, ..State::default() });
    let settings = stub.settings(&Arc::default());
    assert_eq!(settings.get(&SHIPPING_FEE).await.unwrap().minor_units(), 250);
    stub.change(|state| assert_eq!(state.parameter_requests, 5));
}

#[tokio::test]
async fn settings_that_the_copy_lacks_are_parameters() {
    let stub = Stub::with(State {
        copy: Some(json!({"mail/sender": {"NULL": true}})),
        parameters: parameters("250"),
        ..State::default()
    });
    let settings = stub.settings(&Arc::default());
    assert_eq!(settings.get(&SHIPPING_FEE).await.unwrap().minor_units(), 250);
}

/// A stage after a release that added `mail/sender`, whose copy was last written by the older one.
fn outdated_copy() -> State {
    let copy = json!({"orders/shipping-fee": {"S": "250"}});
    State { copy: Some(copy), parameters: parameters("250"), ..State::default() }
}

#[tokio::test]
async fn a_thousand_environments_start_with_an_outdated_copy() {
    let stub = Stub::with(outdated_copy());
    let clock = Arc::default();
    let started = stream::iter(0..1_000).map(async |_| {
        let settings = stub.settings(&clock);
        settings.prefetch(&[SHIPPING_FEE.name, MAIL_SENDER.name]);
        let fee = settings.get(&SHIPPING_FEE).await.map_err(|error| error.to_string())?;
        let sender = settings.get(&MAIL_SENDER).await.map_err(|error| error.to_string())?;
        Ok((fee.minor_units(), sender))
    });
    // More than Parameter Store answers while requests are retried.
    let values: Vec<Result<_, String>> = started.buffer_unordered(250).collect().await;
    let expected = Ok((250, MAIL_SENDER.default.to_owned()));
    let failed: Vec<_> = values.iter().filter(|value| **value != expected).collect();
    assert!(failed.is_empty(), "{} of {}, such as {:?}", failed.len(), values.len(), failed[0]);
}

#[tokio::test]
async fn only_settings_that_the_copy_lacks_are_requested() {
    let stub = Stub::with(outdated_copy());
    // Parameter Store has another value than the copy, which is the one that is used.
    stub.change(|state| state.parameters = parameters("300"));
    let settings = stub.settings(&Arc::default());
    settings.prefetch(&[SHIPPING_FEE.name]);
    assert_eq!(settings.get(&MAIL_SENDER).await.unwrap(), MAIL_SENDER.default);
    assert_eq!(settings.get(&SHIPPING_FEE).await.unwrap().minor_units(), 250);
    stub.change(|state| assert_eq!(state.requested, ["/rialto/test/mail/sender"]));
}

#[tokio::test]
async fn a_known_value_survives_throttling_without_a_copy_of_it() {
    let stub = Stub::with(outdated_copy());
    let sender = ("/rialto/test/mail/sender".to_owned(), "shop@example.com".to_owned());
    stub.change(|state| state.parameters.extend([sender]));
    let clock = Arc::default();
    let settings = stub.settings(&clock);
    settings.prefetch(&[SHIPPING_FEE.name]);
    assert_eq!(settings.get(&MAIL_SENDER).await.unwrap(), "shop@example.com");
    stub.change(|state| {
        state.throttled = u32::MAX;
        state.copy = Some(json!({"orders/shipping-fee": {"S": "280"}}));
    });
    clock.advance(MAX_CACHE_TTL);
    assert_eq!(settings.get(&MAIL_SENDER).await.unwrap(), "shop@example.com");
    assert_eq!(settings.get(&SHIPPING_FEE).await.unwrap().minor_units(), 280);
}

#[tokio::test]
async fn keys_that_the_copy_lacks_are_never_the_default() {
    let stub = Stub::with(State { throttled: u32::MAX, ..outdated_copy() });
    let settings = stub.settings(&Arc::default());
    assert!(settings.public_keys(MAX_CACHE_TTL).await.is_err());
}

#[tokio::test]
async fn keys_that_cannot_be_parsed_are_an_error() {
    for invalid in ["{}", "{\"keys\":[{}]}", "not JSON"] {
        let settings = Settings::fixed(&[(JWKS.name, invalid)]);
        assert!(settings.public_keys(MAX_CACHE_TTL).await.is_err(), "{invalid}");
    }
    let unset = Settings::fixed(&[]).public_keys(MAX_CACHE_TTL).await.unwrap();
    assert_eq!(unset, Jwks::default());
}

#[tokio::test]
async fn the_last_keys_that_could_be_parsed_stay_in_use() {
    let (_, key) = generate_key("k".to_owned(), Role::User).unwrap();
    let keys = Jwks { keys: vec![key] };
    let mut settings = Settings::fixed(&[(JWKS.name, &serde_json::to_string(&keys).unwrap())]);
    assert_eq!(settings.public_keys(MAX_CACHE_TTL).await.unwrap(), keys);
    settings.source = Settings::fixed(&[(JWKS.name, "{\"keys\":[{}]}")]).source;
    assert_eq!(settings.public_keys(Duration::ZERO).await.unwrap(), keys);
}
