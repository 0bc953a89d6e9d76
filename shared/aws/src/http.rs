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
};
use aws_smithy_types::{body::SdkBody, retry::ErrorKind};
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
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
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
    client: Client<TimedConnector, SdkBody>,
    read_timeout: Option<Duration>,
}

impl Connector {
    /// `read_timeout` is the limit from the request to the response's head, connecting included.
    #[must_use]
    pub fn new(roots: TrustedRoots, read_timeout: Option<Duration>) -> Self {
        let mut tcp = TcpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = TimedConnector(HttpsConnector::from((tcp, tls_config(roots))));
        let client = Client::builder(TokioExecutor::new())
            // Idle connections time out only with a timer.
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self { client, read_timeout }
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
        let response = self.client.request(request);
        let read_timeout = self.read_timeout;
        HttpConnectorFuture::new(async move {
            let response = match read_timeout {
                None => response.await,
                Some(limit) => timeout(limit, response).await.map_err(|_| {
                    ConnectorError::timeout(timed_out("the response", limit).into())
                })?,
            };
            let response = response.map_err(connector_error)?;
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
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
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    store
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
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        net::TcpListener,
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
