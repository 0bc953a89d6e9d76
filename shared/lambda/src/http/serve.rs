//! Serving requests: from the gateway's event to the handler and back.

use super::{
    Problem, ProblemCode, Request, Response, cors,
    proxy::{ProxyRequest, ProxyResponse, is_header_value},
};
use crate::{
    BoxFuture, FunctionContext,
    access::{self, Access, Route},
    app::StartError,
    boot,
    caller::{self, AuthError, AuthMode, AuthorizerContext, Caller},
    telemetry::{InvocationContext, Trace, millis_between},
};
use lambda_runtime::{Context, LambdaEvent, service_fn};
use rialto_kernel::{
    AccountId, Role, Timestamp,
    settings::{ALLOWED_ORIGINS, JWKS},
};
use std::{net::IpAddr, sync::Arc, time::Duration};

/// Handles one request of one route.
pub type Handler =
    Arc<dyn Fn(Request) -> BoxFuture<'static, Result<Response, Problem>> + Send + Sync>;

/// A handler that calls `handle` with a clone of `state` for each request.
pub fn handler<S, H, F>(state: S, handle: H) -> Handler
where
    S: Clone + Send + Sync + 'static,
    H: Fn(S, Request) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Response, Problem>> + Send + 'static,
{
    Arc::new(move |request| Box::pin(handle(state.clone(), request)))
}

/// The time that a handler leaves for reading the allowed origins and sending the response.
const RESERVE: Duration = Duration::from_millis(300);
/// The part of it for sending the response.
const SENDING: Duration = Duration::from_millis(100);

/// Serves the route that the access table gives `function`.
pub fn serve(function: &'static str, build: fn(&FunctionContext) -> Handler) {
    boot::start(function, |app| {
        let route = access::of(function).ok_or(StartError::NoRoute(function))?;
        let variable = |name| std::env::var(name).ok();
        let auth_mode =
            auth_mode(variable("AUTH_MODE").as_deref(), variable("AWS_ENDPOINT_URL").as_deref())?;
        app.settings.prefetch(&[ALLOWED_ORIGINS.name]);
        if route.who.requires_token() {
            app.settings.prefetch(&[JWKS.name]);
        }
        let server = Arc::new(Server { app: app.clone(), route, auth_mode, handler: build(app) });
        Ok(serve_all(Arc::new(move |request, context| {
            let server = Arc::clone(&server);
            Box::pin(async move { Ok(server.respond_to(request, &context).await) })
        })))
    });
}

/// Handles one request of another API. A failure fails the invocation, as a crash would.
pub type RawHandler =
    Arc<dyn Fn(Request) -> BoxFuture<'static, Result<Response, boot::Failure>> + Send + Sync>;

/// Serves all paths of another API, with its own errors and authentication.
pub fn serve_raw(
    function: &'static str,
    build: fn(&FunctionContext) -> Result<RawHandler, StartError>,
) {
    boot::start(function, |app| {
        let (clock, handler) = (Arc::clone(&app.clock), build(app)?);
        Ok(serve_all(Arc::new(move |request, context| {
            let (clock, handler) = (Arc::clone(&clock), Arc::clone(&handler));
            Box::pin(async move {
                let scope = scope(&request, &context);
                let started = clock.now();
                let request = Request { received_at: Some(started), ..read(request) };
                scope
                    .run(async {
                        let (result, calls) =
                            rialto_aws::calls::count_requests(handler(request)).await;
                        let ms = millis_between(started, clock.now());
                        match &result {
                            Ok(response) => {
                                tracing::info!(
                                    status = u64::from(response.status),
                                    ms,
                                    calls,
                                    "answered"
                                );
                            }
                            Err(error) => tracing::error!(ms, calls, error = %error, "failed"),
                        }
                        result
                    })
                    .await
            })
        })))
    });
}

/// Serves what no route serves on the paths of the access table: preflight requests, and every
/// other method with 405.
pub fn serve_preflight(function: &'static str) {
    boot::start(function, |app| {
        let app = app.clone();
        Ok(serve_all(Arc::new(move |request, context| {
            let app = app.clone();
            Box::pin(async move { Ok(respond_without_route(&app, request, &context).await) })
        })))
    });
}

async fn respond_without_route(
    app: &FunctionContext,
    request: ProxyRequest,
    context: &Context,
) -> Response {
    let scope = scope(&request, context);
    let started = app.clock.now();
    let deadline = boot::deadline(context, started);
    let path = request.context.resource_path.clone().unwrap_or_default();
    let request = read(request);
    scope
        .run(async {
            let origins = allowed_origins(app, deadline);
            let (origins, calls) = rialto_aws::calls::count_requests(origins).await;
            let ms = millis_between(started, app.clock.now());
            let origin = request.header("origin");
            if request.method == "OPTIONS" {
                let response = cors::preflight(origin, &origins);
                tracing::info!(status = u64::from(response.status), ms, calls, "answered");
                response
            } else {
                let response = method_not_allowed(&path);
                let status = u64::from(response.status);
                tracing::info!(status, method = request.method, path, ms, calls, "refused");
                cors::allow(response, origin, &origins)
            }
        })
        .await
}

/// The allowed origins; those that were known before when they can't be read in time to send the
/// response before the deadline.
async fn allowed_origins(app: &FunctionContext, deadline: Timestamp) -> Vec<String> {
    let limit = deadline.since(app.clock.now()).saturating_sub(SENDING);
    let read = tokio::time::timeout(limit, app.settings.get(&ALLOWED_ORIGINS)).await;
    let read = read.map_err(|_| "no response in time".to_owned());
    let read = read.and_then(|read| read.map_err(|error| error.to_string()));
    read.unwrap_or_else(|error| {
        tracing::error!(error, "using the allowed origins that were known last");
        app.settings.last_known(&ALLOWED_ORIGINS).unwrap_or_default()
    })
}

/// 405 with `Allow`. `path` is the route's own, such as `/users/{user_id}`.
fn method_not_allowed(path: &str) -> Response {
    let methods: Vec<_> = access::methods(path).chain(["OPTIONS"]).collect();
    Problem::new(ProblemCode::MethodNotAllowed).into_response().header("Allow", methods.join(", "))
}

type RequestHandler = Arc<
    dyn Fn(ProxyRequest, Context) -> BoxFuture<'static, Result<Response, boot::Failure>>
        + Send
        + Sync,
>;

fn serve_all(handle: RequestHandler) -> boot::Loop {
    Box::pin(lambda_runtime::run(service_fn(move |event: LambdaEvent<ProxyRequest>| {
        #[cfg(feature = "http-api")]
        let to_http_api = event.payload.from_http_api;
        let response = handle(event.payload, event.context);
        async move {
            Ok::<_, boot::Failure>(ProxyResponse {
                reply: finished(response.await?),
                #[cfg(feature = "http-api")]
                to_http_api,
            })
        }
    })))
}

/// Token mode is only allowed with the endpoint of an emulator.
fn auth_mode(mode: Option<&str>, endpoint: Option<&str>) -> Result<AuthMode, StartError> {
    match mode {
        None | Some("" | "gateway") => Ok(AuthMode::Gateway),
        Some("token")
            if endpoint.is_some_and(|url| !url.is_empty() && !url.contains("amazonaws.com")) =>
        {
            Ok(AuthMode::Token)
        }
        Some("token") => Err(StartError::TokenModeOnAws),
        Some(_) => Err(StartError::AuthMode),
    }
}

struct Server {
    app: FunctionContext,
    route: &'static Route,
    auth_mode: AuthMode,
    handler: Handler,
}

impl Server {
    async fn respond_to(&self, request: ProxyRequest, context: &Context) -> Response {
        let scope = scope(&request, context);
        let authorized = authorized(&request);
        let started = self.app.clock.now();
        let deadline = boot::deadline(context, started);
        let left = deadline.since(started);
        let request = Request { received_at: Some(started), ..read(request) };
        scope
            .run(async {
                let origin = request.header("origin").map(str::to_owned);
                let work = self.handle(request, authorized);
                let work = tokio::time::timeout(left.saturating_sub(RESERVE), work);
                let (result, calls) = rialto_aws::calls::count_requests(work).await;
                let result = result.unwrap_or_else(|_| Err(Problem::new(ProblemCode::Timeout)));
                let ms = millis_between(started, self.app.clock.now());
                let response = match result {
                    Ok(response) => {
                        tracing::info!(status = u64::from(response.status), ms, calls, "answered");
                        response
                    }
                    Err(problem) => refused(problem, ms, calls),
                };
                // Only the response to a browser needs the setting.
                let origins = match origin {
                    Some(_) => allowed_origins(&self.app, deadline).await,
                    None => Vec::new(),
                };
                cors::allow(response, origin.as_deref(), &origins)
            })
            .await
    }

    async fn handle(
        &self,
        mut request: Request,
        authorized: Option<AuthorizerContext>,
    ) -> Result<Response, Problem> {
        if self.route.who.requires_token() {
            request.caller = Some(self.authenticate(&request, authorized).await?);
        }
        (self.handler)(request).await
    }

    /// Checks, in addition to the gateway: token, authorizer's context, role, owner.
    async fn authenticate(
        &self,
        request: &Request,
        authorized: Option<AuthorizerContext>,
    ) -> Result<Caller, Problem> {
        let token = request
            .header("authorization")
            .and_then(caller::bearer)
            .ok_or(AuthError::Unauthenticated)?;
        let (claims, account) =
            caller::verify(&self.app.settings, &self.app.stage, token, self.app.clock.now())
                .await?;
        if self.auth_mode == AuthMode::Gateway {
            caller::check_authorizer_context(authorized.as_ref(), &claims)?;
        }
        let owner = match self.route.who {
            Access::Owner(role @ Role::User) => request.path.get("user_id").map(|id| (role, id)),
            Access::Owner(role @ Role::Seller) => {
                request.path.get("seller_id").map(|id| (role, id))
            }
            _ => None,
        };
        caller::authorize(self.route.who, account, owner.map(|(_, id)| id.as_str()))?;
        // A path may contain anything; only account ids are logged.
        let owner = owner.and_then(|(role, id)| AccountId::parse(role, id));
        match owner.filter(|owner| *owner != account) {
            Some(owner) => tracing::info!(account = %account, acts_for = %owner, "called by"),
            None => tracing::info!(account = %account, "called by"),
        }
        Ok(Caller { account, session: claims.sid })
    }
}

/// The context of the gateway's authorizer; `None` unless it is complete.
fn authorized(request: &ProxyRequest) -> Option<AuthorizerContext> {
    serde_json::from_str(request.context.authorizer.as_ref()?.get()).ok()
}

/// The part of the requested path before the route's own path.
fn base(request: &ProxyRequest) -> String {
    fn segments(path: Option<&str>) -> impl Iterator<Item = &str> {
        path.unwrap_or_default().split('/').filter(|segment| !segment.is_empty())
    }
    let called = request.context.path.as_deref();
    let route = segments(request.context.resource_path.as_deref()).count();
    let before = segments(called).count().saturating_sub(route);
    let mut base = String::new();
    for segment in segments(called).take(before) {
        base.push('/');
        base.push_str(segment);
    }
    base
}

fn source(request: &ProxyRequest) -> Option<IpAddr> {
    request.context.identity.as_ref()?.source_ip.as_deref()?.parse().ok()
}

fn scope(request: &ProxyRequest, context: &Context) -> InvocationContext {
    let header = request.headers.get("traceparent");
    let trace = header
        .and_then(|header| Trace::child_of(header))
        .or_else(|| context.xray_trace_id.as_deref().and_then(Trace::child_of_xray))
        .unwrap_or_else(Trace::start);
    InvocationContext {
        request_id: context.request_id.clone(),
        correlation_id: None,
        trace,
        deadline: Some(boot::ends_at(context)),
    }
}

fn read(request: ProxyRequest) -> Request {
    Request {
        base: base(&request),
        source: source(&request),
        method: request.method,
        path: request.path_parameters,
        query: request.query,
        headers: request.headers,
        body: request.body,
        caller: None,
        received_at: None,
    }
}

fn refused(problem: Problem, ms: u64, calls: u32) -> Response {
    let status = u64::from(problem.code.status());
    let code = format!("{:?}", problem.code);
    match &problem.cause {
        Some(cause) => tracing::error!(status, code, ms, calls, cause, "failed"),
        None => tracing::info!(status, code, ms, calls, "refused"),
    }
    problem.into_response()
}

/// The response as it is sent.
fn finished(response: Response) -> Response {
    with_security_headers(well_formed(response))
}

/// Headers of every response that doesn't set them itself: nothing is stored in a cache, browsers
/// come back over HTTPS only, and take the content for what it is said to be.
const SECURITY_HEADERS: [(&str, &str); 3] = [
    ("Cache-Control", "no-store"),
    ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
    ("X-Content-Type-Options", "nosniff"),
];

fn with_security_headers(response: Response) -> Response {
    SECURITY_HEADERS.into_iter().fold(response, |response, (name, value)| {
        let is_set = response.headers.iter().any(|(given, _)| *given == name);
        if is_set { response } else { response.header(name, value) }
    })
}

/// The response, or an empty 500 if one of its headers can't be sent.
fn well_formed(response: Response) -> Response {
    match response.headers.iter().find(|(_, value)| !is_header_value(value)) {
        None => response,
        Some((name, _)) => {
            tracing::error!(header = name, "a response header is malformed");
            Response { status: 500, headers: Vec::new(), body: String::new() }
        }
    }
}

impl From<AuthError> for Problem {
    fn from(refusal: AuthError) -> Self {
        match refusal {
            AuthError::Unauthenticated => Self::new(ProblemCode::Unauthenticated),
            AuthError::Expired => Self::new(ProblemCode::TokenExpired),
            AuthError::Forbidden => Self::forbidden(),
            AuthError::Settings(error) => Self::unavailable(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        settings::Settings,
        token::{Claims, Jwks, SigningKey, generate_key},
    };
    use rialto_aws::{Stage, emulator_config};
    use rialto_kernel::{Clock, SessionId, SupervisorId, SystemClock, UserId};
    use serde_json::{Value, json};
    use std::sync::Mutex;
    use tracing::{Event, Metadata, Subscriber, span};

    #[test]
    fn responses_have_security_headers_unless_they_set_them() {
        let response = with_security_headers(Response::no_content());
        let expected = [
            ("Cache-Control", "no-store"),
            ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
            ("X-Content-Type-Options", "nosniff"),
        ];
        assert_eq!(response.headers, expected.map(|(name, value)| (name, value.to_owned())));
        let public = Response::no_content().header("Cache-Control", "public, max-age=5");
        let caching: Vec<_> = with_security_headers(public)
            .headers
            .into_iter()
            .filter(|(name, _)| *name == "Cache-Control")
            .collect();
        assert_eq!(caching, [("Cache-Control", "public, max-age=5".to_owned())]);
    }

    #[test]
    fn methods_without_a_route_are_405_with_allow() {
        let response = method_not_allowed("/users/{user_id}");
        assert_eq!(response.status, 405);
        assert!(response.body.contains("\"code\":\"method_not_allowed\""), "{}", response.body);
        assert!(
            response.headers.contains(&("Content-Type", "application/problem+json".to_owned()))
        );
        assert!(response.headers.contains(&("Allow", "GET, PATCH, DELETE, OPTIONS".to_owned())));
    }

    #[test]
    fn methods_of_an_unknown_path_are_405_too() {
        let response = method_not_allowed("");
        assert_eq!(response.status, 405);
        assert!(response.headers.contains(&("Allow", "OPTIONS".to_owned())));
    }

    /// A message and the names of its fields.
    type LogEvent = (String, Vec<&'static str>);

    /// Records of each event: the request id of its invocation, and the names of its fields.
    #[derive(Clone, Default)]
    struct LogRecorder(Arc<Mutex<Vec<LogEvent>>>);

    impl Subscriber for LogRecorder {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn event(&self, event: &Event<'_>) {
            let names = event.metadata().fields().iter().map(|field| field.name()).collect();
            let request_id = InvocationContext::current().request_id.clone();
            self.0.lock().unwrap().push((request_id, names));
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    #[tokio::test]
    async fn a_405_is_logged_with_its_request_and_duration() {
        let served = Served::new(ROUTE, Role::User, AuthMode::Gateway);
        let event = json!({
            "httpMethod": "PUT", "headers": {},
            "requestContext": {"resourcePath": "/users/{user_id}"},
        });
        let request = serde_json::from_str(&event.to_string()).unwrap();
        let mut context = Context::default();
        context.request_id = "r-405".to_owned();
        let recorder = LogRecorder::default();
        let guard = tracing::subscriber::set_default(recorder.clone());
        let response = respond_without_route(&served.server.app, request, &context).await;
        drop(guard);
        assert_eq!(response.status, 405);
        let lines = recorder.0.lock().unwrap();
        let (request_id, names) = lines.last().unwrap();
        assert_eq!(request_id, "r-405");
        for name in ["status", "method", "path", "ms", "calls"] {
            assert!(names.contains(&name), "{name} isn't in {names:?}");
        }
    }

    /// A served route whose handler returns 204, and the key that signs its callers' tokens.
    struct Served {
        server: Server,
        key: SigningKey,
    }

    impl Served {
        fn new(function: &'static str, role: Role, auth_mode: AuthMode) -> Self {
            let (pkcs8, jwk) = generate_key("k".to_owned(), role).unwrap();
            let jwks = json!(Jwks { keys: vec![jwk] }).to_string();
            let app = FunctionContext {
                function,
                stage: Stage::parse("test").unwrap(),
                aws: emulator_config("http://127.0.0.1:1"),
                settings: Arc::new(Settings::fixed(&[(JWKS.name, &jwks)])),
                clock: Arc::new(SystemClock),
            };
            let handler: Handler = Arc::new(|_| Box::pin(async { Ok(Response::no_content()) }));
            let server = Server { app, route: access::of(function).unwrap(), auth_mode, handler };
            Self { server, key: SigningKey::from_pkcs8("k".to_owned(), &pkcs8).unwrap() }
        }

        fn token(&self, account: AccountId, now: Timestamp) -> (Claims, String) {
            let session = SessionId::generate(now);
            let stage = &self.server.app.stage;
            let claims = Claims::new(stage, account.to_string(), session, account.role(), now);
            let token = self.key.sign(&claims).unwrap();
            (claims, token)
        }

        /// The status and, for a problem, its code.
        async fn call(&self, token: &str, authorizer: Value, user: &str) -> (u16, String) {
            let event = json!({
                "resource": "/users/{user_id}/orders", "path": format!("/users/{user}/orders"),
                "httpMethod": "GET", "headers": {"Authorization": format!("Bearer {token}")},
                "pathParameters": {"user_id": user}, "isBase64Encoded": false,
                "requestContext": {"httpMethod": "GET", "authorizer": authorizer},
            });
            let mut context = Context::default();
            context.deadline = u64::try_from(SystemClock.now().millis()).unwrap() + 10_000;
            let request = serde_json::from_str(&event.to_string()).unwrap();
            let response = self.server.respond_to(request, &context).await;
            let body: Value = serde_json::from_str(&response.body).unwrap_or_default();
            (response.status, body["code"].as_str().unwrap_or_default().to_owned())
        }
    }

    fn active(claims: &Claims) -> Value {
        json!({"session": "active", "sub": claims.sub, "sid": claims.sid, "role": claims.role})
    }

    const ROUTE: &str = "orders-list-user-orders";

    #[tokio::test(start_paused = true)]
    async fn reading_the_origins_ends_before_the_deadline() {
        // Accepts connections, and never responds.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let aws = emulator_config(&format!("http://{}", silent.local_addr().unwrap()));
        let mut served = Served::new(ROUTE, Role::User, AuthMode::Token);
        let app = &mut served.server.app;
        let settings = Settings::of_stage(&aws, app.stage.clone(), Arc::clone(&app.clock));
        app.settings = Arc::new(settings);
        let event = json!({
            "httpMethod": "GET", "headers": {"Origin": "http://localhost:3001"},
            "requestContext": {"resourcePath": "/users/{user_id}/orders"},
        });
        let mut context = Context::default();
        context.deadline = 1_000;
        let started = tokio::time::Instant::now();
        for _ in 0..2 {
            let request = serde_json::from_str(&event.to_string()).unwrap();
            let response = served.server.respond_to(request, &context).await;
            assert_eq!(response.status, 401);
        }
        let request = serde_json::from_str(&event.to_string()).unwrap();
        respond_without_route(&served.server.app, request, &context).await;
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn requests_need_the_authorizers_context_of_their_token() {
        let served = Served::new(ROUTE, Role::User, AuthMode::Gateway);
        let now = SystemClock.now();
        let user = UserId::generate(now);
        let (id, account) = (user.to_string(), AccountId::User(user));
        let (claims, token) = served.token(account, now);
        let (other, _) = served.token(account, now);
        let refused = |code: &str| (401, code.to_owned());
        assert_eq!(served.call(&token, active(&claims), &id).await, (204, String::new()));
        assert_eq!(served.call(&token, json!({}), &id).await, refused("unauthenticated"));
        assert_eq!(served.call(&token, active(&other), &id).await, refused("unauthenticated"));
        assert_eq!(
            served.call(&token, json!({"session": "ended"}), &id).await,
            refused("token_expired")
        );
        assert_eq!(served.call("no-token", active(&claims), &id).await, refused("unauthenticated"));
    }

    #[tokio::test]
    async fn expired_tokens_are_refused_in_every_mode() {
        for mode in [AuthMode::Gateway, AuthMode::Token] {
            let served = Served::new(ROUTE, Role::User, mode);
            let user = UserId::generate(SystemClock.now());
            let (claims, token) = served.token(AccountId::User(user), Timestamp::from_millis(0));
            let answer = served.call(&token, active(&claims), &user.to_string()).await;
            assert_eq!(answer, (401, "token_expired".to_owned()), "{mode:?}");
        }
    }

    #[tokio::test]
    async fn token_mode_checks_all_but_the_session() {
        let served = Served::new(ROUTE, Role::User, AuthMode::Token);
        let now = SystemClock.now();
        let (mine, theirs) = (UserId::generate(now), UserId::generate(now));
        let (_, token) = served.token(AccountId::User(mine), now);
        assert_eq!(served.call(&token, json!(null), &mine.to_string()).await, (204, String::new()));
        let forbidden = (403, "forbidden".to_owned());
        assert_eq!(served.call(&token, json!(null), &theirs.to_string()).await, forbidden);
    }

    #[tokio::test]
    async fn supervisors_may_act_for_any_owner() {
        let served = Served::new(ROUTE, Role::Supervisor, AuthMode::Gateway);
        let now = SystemClock.now();
        let (claims, token) = served.token(AccountId::Supervisor(SupervisorId::generate(now)), now);
        let answer = served.call(&token, active(&claims), &UserId::generate(now).to_string()).await;
        assert_eq!(answer, (204, String::new()));
    }

    #[test]
    fn token_mode_is_refused_on_aws() {
        let mode = |mode, endpoint| match auth_mode(mode, endpoint) {
            Ok(mode) => format!("{mode:?}"),
            Err(error) => error.to_string(),
        };
        let emulator = Some("http://127.0.0.1:4566");
        let aws = [None, Some(""), Some("https://dynamodb.eu-central-1.amazonaws.com")];
        for endpoint in aws {
            assert!(mode(Some("token"), endpoint).contains("only for emulators"), "{endpoint:?}");
        }
        assert_eq!(mode(Some("token"), emulator), "Token");
        for endpoint in aws.into_iter().chain([emulator]) {
            assert_eq!(mode(None, endpoint), "Gateway");
            assert_eq!(mode(Some(""), endpoint), "Gateway");
            assert_eq!(mode(Some("gateway"), endpoint), "Gateway");
            assert!(mode(Some("Token"), endpoint).contains("must be"), "{endpoint:?}");
        }
    }

    #[test]
    fn a_malformed_header_makes_an_empty_500() {
        let response = |value: &str| finished(Response::no_content().header("Location", value));
        assert_eq!(response("/a").status, 204);
        let failed = response("/a\nb");
        assert_eq!((failed.status, failed.body.as_str()), (500, ""));
        let names: Vec<_> = failed.headers.iter().map(|(name, _)| *name).collect();
        let expected = ["Cache-Control", "Strict-Transport-Security", "X-Content-Type-Options"];
        assert_eq!(names, expected);
    }

    #[test]
    fn the_base_is_the_part_before_the_route() {
        let of = |called: &str| {
            let event = json!({
                "resource": "/users/{user_id}/orders", "path": "/users/u/orders", "httpMethod": "GET",
                "headers": {}, "isBase64Encoded": false,
                "requestContext": {
                    "httpMethod": "GET", "path": called, "resourcePath": "/users/{user_id}/orders",
                },
            });
            base(&serde_json::from_str(&event.to_string()).unwrap())
        };
        assert_eq!(of("/prod/users/u/orders"), "/prod");
        assert_eq!(of("/shop/v1/users/u/orders/"), "/shop/v1");
        assert_eq!(of("/users/u/orders"), "");
        assert_eq!(of("/"), "");
    }
}
