//! The proxy: receives requests, injects faults, and forwards to the emulator.

use crate::{
    call::{self, Call},
    control,
    injected_errors::{self, InjectedError},
    peer::Peer,
    rule::Fault,
    state::{ActiveRule, State},
};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, Uri,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HOST, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use std::{
    io,
    net::SocketAddr,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::OnceCell,
};

pub(crate) type ProxyResponse = Response<Full<Bytes>>;

/// Serves forever, forwarding to `to`, a host and port such as `127.0.0.1:4566`.
///
/// # Errors
/// If the listener fails.
pub async fn serve(listener: TcpListener, to: String) -> io::Result<()> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let proxy = Arc::new(Proxy { to, client, state: State::default() });
    loop {
        let (stream, address) = listener.accept().await?;
        tokio::spawn(connection(Arc::clone(&proxy), stream, address));
    }
}

struct Proxy {
    to: String,
    client: Client<HttpConnector, Full<Bytes>>,
    state: State,
}

async fn connection(proxy: Arc<Proxy>, stream: TcpStream, address: SocketAddr) {
    let Ok(local_address) = stream.local_addr() else { return };
    // Avoids delayed responses (Nagle). Without it the proxy is only slower.
    stream.set_nodelay(true).ok();
    let peer: Arc<OnceCell<Peer>> = Arc::default();
    let service = service_fn(move |request| {
        let (proxy, peer) = (Arc::clone(&proxy), Arc::clone(&peer));
        async move {
            if request.uri().path().starts_with(control::PREFIX) {
                return control::respond(&proxy.state, request).await;
            }
            let peer = peer.get_or_init(|| identify_caller(address, local_address)).await;
            proxy.handle(peer, request).await
        }
    });
    // Connections that end by a fault or by the caller aren't errors of the proxy.
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
}

async fn identify_caller(address: SocketAddr, local_address: SocketAddr) -> Peer {
    tokio::task::spawn_blocking(move || Peer::at(address, local_address)).await.unwrap_or_default()
}

impl Proxy {
    /// Handles a request; an error closes the connection.
    async fn handle(&self, peer: &Peer, request: Request<Incoming>) -> io::Result<ProxyResponse> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let request = Request::from_parts(head, body);
        let mut call = record(peer, &request);
        let firing = self.state.add_rule(&mut call);
        let result = match firing {
            None => self.forward(&call, request).await,
            Some(active) => self.inject(&active, peer, &call, request).await,
        };
        if let Ok(response) = &result {
            self.state.record_status(call.number, response.status().as_u16());
        }
        result
    }

    async fn inject(
        &self,
        active: &ActiveRule,
        peer: &Peer,
        call: &Call,
        request: Request<Bytes>,
    ) -> io::Result<ProxyResponse> {
        match active.rule.fault {
            Fault::Delay { from_ms, to_ms } => {
                let more = active.rng().below(to_ms.saturating_sub(from_ms) + 1);
                tokio::time::sleep(Duration::from_millis(from_ms + more)).await;
                self.forward(call, request).await
            }
            Fault::Error => error_response(injected_errors::internal_error(call)),
            Fault::Throttle => {
                error_response(injected_errors::throttle(call, request.body(), &mut active.rng()))
            }
            Fault::Conflict => {
                error_response(injected_errors::conflict(call, request.body(), &mut active.rng()))
            }
            Fault::Break { done } => {
                if done {
                    self.forward(call, request).await?;
                }
                Err(io::Error::other("injected connection failure"))
            }
            Fault::Kill { done } => {
                if done {
                    self.forward(call, request).await?;
                }
                if let Some(pid) = peer.pid {
                    tokio::task::spawn_blocking(move || kill(pid)).await??;
                }
                Err(io::Error::other("the calling process was killed"))
            }
            Fault::Hold { done: false, limit_ms } => {
                wait_until_released(active, limit_ms).await;
                self.forward(call, request).await
            }
            Fault::Hold { done: true, limit_ms } => {
                let response = self.forward(call, request).await;
                wait_until_released(active, limit_ms).await;
                response
            }
        }
    }

    async fn forward(&self, call: &Call, request: Request<Bytes>) -> io::Result<ProxyResponse> {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = Uri::try_from(format!("http://{}{path}", self.to)).map_err(io::Error::other)?;
        head.headers.insert(HOST, HeaderValue::try_from(&self.to).map_err(io::Error::other)?);
        let response = self.client.request(Request::from_parts(head, Full::new(body))).await;
        let response = response.map_err(io::Error::other)?;
        let (mut head, body) = response.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        if call.service == "provider" && head.status.is_success() {
            let created = call::ids(&String::from_utf8_lossy(&body));
            self.state.record_created(created.difference(&call.ids).cloned(), &call.ids);
        }
        // The body is sent in one piece.
        head.headers.remove("transfer-encoding");
        head.headers.remove("connection");
        Ok(Response::from_parts(head, Full::new(body)))
    }
}

fn record(peer: &Peer, request: &Request<Bytes>) -> Call {
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
    let (service, operation) =
        call::service_and_operation(request.method().as_str(), request.uri().path(), target);
    let mut ids = call::ids(&request.uri().to_string());
    ids.extend(call::ids(&String::from_utf8_lossy(request.body())));
    Call {
        number: 0,
        function: peer.function.clone(),
        pid: peer.pid,
        service,
        operation,
        ids,
        rule: None,
        status: None,
    }
}

fn error_response((status, body): InjectedError) -> io::Result<ProxyResponse> {
    let response =
        Response::builder().status(status).header(CONTENT_TYPE, "application/x-amz-json-1.0");
    response.body(Full::from(body.to_string())).map_err(io::Error::other)
}

async fn wait_until_released(active: &ActiveRule, limit_ms: u64) {
    let mut released = active.released.subscribe();
    let released = released.wait_for(|released| *released);
    // Continue in both cases.
    tokio::time::timeout(Duration::from_millis(limit_ms), released).await.ok();
}

fn kill(pid: u32) -> io::Result<()> {
    let kill =
        Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status()?;
    if kill.success() { Ok(()) } else { Err(io::Error::other("kill failed")) }
}
