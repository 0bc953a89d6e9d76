//! The HTTP client of every AWS client, and of requests to other hosts: HTTP/1.1 by hyper, TLS by
//! rustls on ring.
//!
//! `aws-smithy-http-client` also supports HTTP/2, proxies, several TLS stacks and PEM roots. The
//! services that Rialto calls support HTTP/1.1, and without the rest a function is a tenth smaller
//! and starts with a fifth less work.

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        connection::{CaptureSmithyConnection, ConnectionMetadata},
        connector_metadata::ConnectorMetadata,
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
            SharedHttpClient, SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::Headers,
};
use aws_smithy_types::{body::SdkBody, error::display::DisplayErrorContext, retry::ErrorKind};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{
    client::legacy::{
        Client, Error as ClientError,
        connect::{CaptureConnection, HttpConnector as TcpConnector, HttpInfo, capture_connection},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use std::{
    error::Error,
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    task::{Context, Poll},
    time::{Duration, SystemTime},
};
use tokio::{net::TcpStream, time::timeout};

/// Amazon Root CA 1 to 4 and Starfield Services Root CA G2
/// (<https://www.amazontrust.com/repository/>).
const AMAZON_ROOTS: [&[u8]; 5] = [
    include_bytes!("amazon_roots/AmazonRootCA1.der"),
    include_bytes!("amazon_roots/AmazonRootCA2.der"),
    include_bytes!("amazon_roots/AmazonRootCA3.der"),
    include_bytes!("amazon_roots/AmazonRootCA4.der"),
    include_bytes!("amazon_roots/SFSRootCAG2.der"),
];

/// The time limit of connecting, including the TLS handshake.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The time after which pooled connections aren't used any more. While an environment is frozen,
/// the other side may close its connections (AWS's services and Stripe do after about a minute),
/// and the next request would be lost on one of them.
pub const MAX_IDLE: Duration = Duration::from_secs(20);

/// The root certificates that a connection trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustedRoots {
    /// The roots of AWS's endpoint certificates.
    Amazon,
    /// The system's roots. Reading them (about 140) costs more than the rest of a function's start.
    System,
}

/// Sends requests over pooled connections, which clones share.
#[derive(Clone)]
pub struct Connector {
    pool: Arc<Pool>,
    read_timeout: Option<Duration>,
}

impl Connector {
    /// `read_timeout` is the limit from the request to the response's head, connecting included.
    #[must_use]
    pub fn new(roots: TrustedRoots, read_timeout: Option<Duration>) -> Self {
        Self::with_tls(tls_config(roots), read_timeout, MAX_IDLE)
    }

    fn with_tls(
        tls: Arc<ClientConfig>,
        read_timeout: Option<Duration>,
        max_idle: Duration,
    ) -> Self {
        let mut tcp = TcpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = TimedConnector(HttpsConnector::from((tcp, tls)));
        let connections = Mutex::new(Connections::new(&connector, max_idle));
        Self { pool: Arc::new(Pool { connector, max_idle, connections }), read_timeout }
    }
}

/// The connections, all of which are replaced when they may have been closed.
struct Pool {
    connector: TimedConnector,
    max_idle: Duration,
    connections: Mutex<Connections>,
}

struct Connections {
    client: Client<TimedConnector, SdkBody>,
    /// Incremented each time the connections are replaced.
    generation: u64,
    /// By the time of day: a timer may stand still while the environment is frozen.
    used_at: SystemTime,
}

impl Connections {
    fn new(connector: &TimedConnector, max_idle: Duration) -> Self {
        let client = Client::builder(TokioExecutor::new())
            // Idle connections time out only with a timer.
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(max_idle)
            .build(connector.clone());
        Self { client, generation: 0, used_at: SystemTime::now() }
    }

    fn replace(&mut self, connector: &TimedConnector, max_idle: Duration) {
        *self = Self { generation: self.generation + 1, ..Self::new(connector, max_idle) };
    }
}

impl Pool {
    /// The client for a request, and the generation of its connections.
    fn client(&self) -> (Client<TimedConnector, SdkBody>, u64) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let now = SystemTime::now();
        // A clock that was set back says nothing about the time since.
        let idle = now.duration_since(connections.used_at).unwrap_or(Duration::MAX);
        if idle >= self.max_idle {
            connections.replace(&self.connector, self.max_idle);
        }
        connections.used_at = now;
        (connections.client.clone(), connections.generation)
    }

    /// Drops the idle connections of a generation, so that the next request opens a new one: where
    /// one was broken, others of its age may be, too.
    fn discard(&self, generation: u64) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if connections.generation == generation {
            connections.replace(&self.connector, self.max_idle);
        }
    }
}

/// The pool that a request of [`fetch`] used, and the generation of its connections.
#[derive(Clone, Default)]
struct UsedPool(Arc<OnceLock<(Arc<Pool>, u64)>>);

impl UsedPool {
    fn discard(&self) {
        if let Some((pool, generation)) = self.0.get() {
            pool.discard(*generation);
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("read_timeout", &self.read_timeout).finish()
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        };
        let connection = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || connection_metadata(&connection));
        }
        let (client, generation) = self.pool.client();
        if let Some(used) = request.extensions().get::<UsedPool>() {
            used.0.set((Arc::clone(&self.pool), generation)).ok();
        }
        let response = client.request(request);
        let (pool, read_timeout) = (Arc::clone(&self.pool), self.read_timeout);
        HttpConnectorFuture::new(async move {
            let response = match read_timeout {
                None => response.await.map_err(connector_error),
                Some(limit) => match timeout(limit, response).await {
                    Ok(response) => response.map_err(connector_error),
                    Err(_) => Err(ConnectorError::timeout(timed_out("the response", limit).into())),
                },
            };
            let response = response.inspect_err(|_| pool.discard(generation))?;
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// The limits of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseLimits {
    /// The time from the request to the end of the response's body, connecting included.
    pub time: Duration,
    /// The size of the body, in bytes.
    pub bytes: usize,
}

/// A response of any status, with its whole body.
#[derive(Debug)]
pub struct WholeResponse {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
}

/// A request has no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoResponse {
    /// The request can be repeated: there was no connection to send it on.
    #[error("not sent: {0}")]
    NotSent(String),
    /// The request may have been processed.
    #[error("{0}")]
    Lost(String),
}

/// Sends a request and reads the whole response. Without one, the connector's idle connections
/// aren't used any more.
///
/// # Errors
/// [`NoResponse`], also when the response exceeds a limit.
pub async fn fetch(
    connector: &impl HttpConnector,
    mut request: HttpRequest,
    limits: ResponseLimits,
) -> Result<WholeResponse, NoResponse> {
    let used = UsedPool::default();
    request.add_extension(used.clone());
    let exchange = async {
        let response = connector.call(request).await.map_err(no_response)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = Limited::new(response.into_body(), limits.bytes).collect().await;
        let body = body.map_err(|error| {
            NoResponse::Lost(match error.downcast_ref::<LengthLimitError>() {
                Some(_) => format!("the response body has more than {} bytes", limits.bytes),
                None => DisplayErrorContext(&*error).to_string(),
            })
        })?;
        Ok(WholeResponse { status, headers, body: body.to_bytes().to_vec() })
    };
    let response = match timeout(limits.time, exchange).await {
        Ok(response) => response,
        Err(_) => Err(NoResponse::Lost(format!("no whole response in {:?}", limits.time))),
    };
    response.inspect_err(|_| used.discard())
}

fn no_response(error: ConnectorError) -> NoResponse {
    let not_sent = find_source::<ClientError>(&error).is_some_and(ClientError::is_connect);
    let text = DisplayErrorContext(&error).to_string();
    if not_sent { NoResponse::NotSent(text) } else { NoResponse::Lost(text) }
}

/// The connection of a request, which the SDK closes after a transient error.
fn connection_metadata(connection: &CaptureConnection) -> Option<ConnectionMetadata> {
    let connected = connection.connection_metadata();
    let mut extensions = http::Extensions::new();
    connected.as_ref()?.get_extras(&mut extensions);
    let addresses = extensions.get::<HttpInfo>();
    let captured = connection.clone();
    let mut metadata = ConnectionMetadata::builder().proxied(false).poison_fn(move || {
        if let Some(connected) = captured.connection_metadata().as_ref() {
            connected.poison();
        }
    });
    metadata
        .set_local_addr(addresses.map(HttpInfo::local_addr))
        .set_remote_addr(addresses.map(HttpInfo::remote_addr));
    Some(metadata.build())
}

/// The kind of an error decides whether the SDK sends the request again.
fn connector_error(error: ClientError) -> ConnectorError {
    let io = find_source::<io::Error>(&error);
    if io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut) {
        return ConnectorError::timeout(error.into());
    }
    let Some(hyper) = find_source::<hyper::Error>(&error) else {
        return if error.is_connect() || io.is_some() {
            ConnectorError::io(error.into())
        } else {
            ConnectorError::other(error.into(), None)
        };
    };
    if hyper.is_timeout() {
        ConnectorError::timeout(error.into())
    } else if hyper.is_user() {
        ConnectorError::user(error.into())
    } else if hyper.is_closed() || hyper.is_canceled() || io.is_some() {
        ConnectorError::io(error.into())
    } else if hyper.is_incomplete_message() {
        ConnectorError::other(error.into(), Some(ErrorKind::TransientError))
    } else {
        ConnectorError::other(error.into(), None)
    }
}

fn find_source<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), |&error| error.source())
        .find_map(|error| error.downcast_ref::<E>())
}

/// Connects within [`CONNECT_TIMEOUT`].
#[derive(Clone)]
struct TimedConnector(HttpsConnector<TcpConnector>);

impl tower_service::Service<http::Uri> for TimedConnector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        let connection = self.0.call(uri);
        Box::pin(async move {
            match timeout(CONNECT_TIMEOUT, connection).await {
                Ok(connected) => connected,
                Err(_) => Err(timed_out("connecting", CONNECT_TIMEOUT).into()),
            }
        })
    }
}

fn timed_out(what: &str, limit: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("{what} took longer than {limit:?}"))
}

fn tls_config(roots: TrustedRoots) -> Arc<ClientConfig> {
    static AMAZON: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    match roots {
        TrustedRoots::Amazon => Arc::clone(AMAZON.get_or_init(|| trusting(amazon_roots()))),
        TrustedRoots::System => trusting(system_roots()),
    }
}

#[expect(clippy::expect_used, reason = "ring's provider supports rustls's default versions")]
fn trusting(roots: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

fn amazon_roots() -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(AMAZON_ROOTS.map(CertificateDer::from));
    store
}

fn system_roots() -> RootCertStore {
    let loaded = rustls_native_certs::load_native_certs();
    let (store, mut problems) = parsable_roots(loaded.certs);
    problems.extend(loaded.errors.iter().map(ToString::to_string));
    if store.is_empty() {
        problems.push("no certificate is trusted: every connection will fail".to_owned());
    }
    for problem in problems {
        tracing::error!(problem, "loading the system's root certificates");
    }
    store
}

/// The roots that can be parsed, and what is wrong with the others.
fn parsable_roots(certificates: Vec<CertificateDer<'_>>) -> (RootCertStore, Vec<String>) {
    let mut store = RootCertStore::empty();
    let problems = certificates
        .into_iter()
        .filter_map(|certificate| store.add(certificate).err())
        .map(|error| error.to_string())
        .collect();
    (store, problems)
}

/// The client of an [`SdkConfig`](crate::SdkConfig). TLS is configured at once, before the first
/// request.
#[must_use]
pub fn sdk_client(roots: TrustedRoots) -> SharedHttpClient {
    let connector = Connector::new(roots, None);
    SharedHttpClient::new(AwsHttpClient(SharedHttpConnector::new(connector)))
}

#[derive(Debug)]
struct AwsHttpClient(SharedHttpConnector);

impl HttpClient for AwsHttpClient {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.0.clone()
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("hyper", Some("1.x".into())))
    }
}

#[cfg(test)]
mod certificate_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        net::TcpListener,
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    /// Serves connections one after the other, each by the next of these functions.
    fn serve(connections: Vec<fn(std::net::TcpStream)>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        thread::spawn(move || {
            for serve in connections {
                let (mut stream, _) = listener.accept().unwrap();
                assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
                serve(stream);
            }
        });
        url
    }

    fn request(url: &str) -> HttpRequest {
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_uri(url).unwrap();
        request
    }

    fn connector(read_timeout: Option<Duration>) -> Connector {
        Connector::new(TrustedRoots::Amazon, read_timeout)
    }

    #[test]
    fn amazons_roots_are_five() {
        assert_eq!(amazon_roots().len(), 5);
    }

    #[test]
    fn roots_that_cannot_be_parsed_are_reported() {
        let certificates = [AMAZON_ROOTS[0], &b"no certificate"[..]].map(CertificateDer::from);
        let (store, problems) = parsable_roots(certificates.to_vec());
        assert_eq!((store.len(), problems.len()), (1, 1), "{problems:?}");
    }

    #[tokio::test]
    async fn responses_are_passed_on() {
        let url = serve(vec![|mut stream| {
            stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno").unwrap();
        }]);
        let response = connector(None).call(request(&url)).await.unwrap();
        assert_eq!(response.status().as_u16(), 404);
        let body = aws_smithy_types::byte_stream::ByteStream::new(response.into_body());
        assert_eq!(body.collect().await.unwrap().to_vec(), b"no");
    }

    #[tokio::test]
    async fn a_closed_connection_is_a_transient_error() {
        let url = serve(vec![drop]);
        let error = connector(None).call(request(&url)).await.unwrap_err();
        assert!(error.is_io() || error.as_other() == Some(ErrorKind::TransientError), "{error:?}");
    }

    /// Serves one request on each connection, and the next by `end`. Also returns the number of
    /// connections so far.
    fn serve_once_per_connection(end: fn(std::net::TcpStream)) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let opened = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in listener.incoming() {
                opened.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    assert!(stream.read(&mut [0; 4096]).unwrap_or_default() > 0);
                    let response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                    stream.write_all(response).unwrap();
                    if stream.read(&mut [0; 4096]).unwrap_or_default() > 0 {
                        end(stream);
                    }
                });
            }
        });
        (url, connections)
    }

    const LIMITS: ResponseLimits = ResponseLimits { time: Duration::from_secs(5), bytes: 100 };

    #[tokio::test]
    async fn connections_idle_for_too_long_are_not_used() {
        let (url, connections) = serve_once_per_connection(drop);
        let connector = Connector::with_tls(tls_config(TrustedRoots::Amazon), None, Duration::ZERO);
        for _ in 0..3 {
            let response = fetch(&connector, request(&url), LIMITS).await.unwrap();
            assert_eq!((response.status, response.body), (200, b"ok".to_vec()));
        }
        assert_eq!(connections.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_connection_idle_beside_others_is_not_used() {
        let (url, connections) = serve_once_per_connection(drop);
        let connector = connector(None);
        for number in 1..=3 {
            assert!(fetch(&connector, request(&url), LIMITS).await.is_ok());
            assert_eq!(connections.load(Ordering::SeqCst), number);
            // Not the time of day, as if another connection had been used meanwhile.
            tokio::time::pause();
            tokio::time::advance(MAX_IDLE + Duration::from_secs(1)).await;
            tokio::time::resume();
        }
    }

    /// Checks that a request opens a connection after one that `end` left without a response.
    async fn assert_reconnects(end: fn(std::net::TcpStream)) {
        let (url, connections) = serve_once_per_connection(end);
        let connector = connector(None);
        let fetch = |limits| fetch(&connector, request(&url), limits);
        // Two connections are idle then, neither of which is served any more.
        let (one, other) = tokio::join!(fetch(LIMITS), fetch(LIMITS));
        assert!(one.is_ok() && other.is_ok());
        let limits = ResponseLimits { time: Duration::from_millis(200), ..LIMITS };
        assert!(matches!(fetch(limits).await, Err(NoResponse::Lost(_))));
        assert!(fetch(LIMITS).await.is_ok());
        assert_eq!(connections.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_request_after_a_lost_one_opens_a_connection() {
        assert_reconnects(drop).await;
    }

    #[tokio::test]
    async fn a_request_after_a_time_out_opens_a_connection() {
        assert_reconnects(|mut stream| {
            stream.read_to_end(&mut Vec::new()).ok();
        })
        .await;
    }

    #[tokio::test]
    async fn a_request_after_a_broken_body_opens_a_connection() {
        assert_reconnects(|mut stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no").ok();
        })
        .await;
    }

    #[tokio::test]
    async fn a_request_without_a_connection_was_not_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        let refused = fetch(&connector(None), request(&url), LIMITS).await.unwrap_err();
        assert!(matches!(refused, NoResponse::NotSent(_)), "{refused}");
        let url = serve(vec![drop]);
        let lost = fetch(&connector(None), request(&url), LIMITS).await.unwrap_err();
        assert!(matches!(lost, NoResponse::Lost(_)), "{lost}");
    }

    #[tokio::test]
    async fn a_response_is_limited_in_time_and_size() {
        // The head arrives at once, the body never.
        let url = serve(vec![|mut stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").unwrap();
            stream.read_to_end(&mut Vec::new()).ok();
        }]);
        let limits = ResponseLimits { time: Duration::from_millis(200), ..LIMITS };
        let slow = fetch(&connector(None), request(&url), limits).await.unwrap_err();
        assert_eq!(slow, NoResponse::Lost("no whole response in 200ms".to_owned()));

        let url = serve(vec![|mut stream| {
            let body = "x".repeat(101);
            let response = format!("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n{body}");
            stream.write_all(response.as_bytes()).ok();
        }]);
        let large = fetch(&connector(None), request(&url), LIMITS).await.unwrap_err();
        let text = "the response body has more than 100 bytes";
        assert_eq!(large, NoResponse::Lost(text.to_owned()));
    }

    #[tokio::test]
    async fn a_refused_connection_is_an_io_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        assert!(connector(None).call(request(&url)).await.unwrap_err().is_io());
    }

    #[tokio::test]
    async fn a_late_response_is_a_timeout() {
        let url = serve(vec![|stream| {
            thread::sleep(Duration::from_secs(2));
            drop(stream);
        }]);
        let limit = Some(Duration::from_millis(50));
        assert!(connector(limit).call(request(&url)).await.unwrap_err().is_timeout());
    }

    #[tokio::test]
    async fn an_unfinished_tls_handshake_is_a_timeout() {
        let url = serve(vec![|stream| {
            thread::sleep(Duration::from_secs(2));
            drop(stream);
        }]);
        let url = url.replace("http:", "https:");
        let error = connector(None).call(request(&url)).await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
    }
}
