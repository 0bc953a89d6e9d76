//! The proxy: receives requests, injects faults, and forwards to the emulator.

use crate::{
    answers::{self, InjectedError},
    call::{self, Call},
    control,
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

pub(crate) type Answer = Response<Full<Bytes>>;

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
    let Ok(here) = stream.local_addr() else { return };
    // Avoids delayed responses (Nagle). Without it the proxy is only slower.
    stream.set_nodelay(true).ok();
    let peer: Arc<OnceCell<Peer>> = Arc::default();
    let service = service_fn(move |request| {
        let (proxy, peer) = (Arc::clone(&proxy), Arc::clone(&peer));
        async move {
            if request.uri().path().starts_with(control::PREFIX) {
                return control::answer(&proxy.state, request).await;
            }
            let peer = peer.get_or_init(|| identify_caller(address, here)).await;
            proxy.pass(peer, request).await
        }
    });
    // Connections that end by a fault or by the caller aren't errors of the proxy.
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
}

async fn identify_caller(address: SocketAddr, here: SocketAddr) -> Peer {
    tokio::task::spawn_blocking(move || Peer::at(address, here)).await.unwrap_or_default()
}

impl Proxy {
    /// Handles a request; an error closes the connection.
    async fn pass(&self, peer: &Peer, request: Request<Incoming>) -> io::Result<Answer> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let request = Request::from_parts(head, body);
        let mut call = record(peer, &request);
        let firing = self.state.add_rule(&mut call);
        let result = match firing {
            None => self.forward(&call, request).await,
            Some(standing) => self.inject(&standing, peer, &call, request).await,
        };
        if let Ok(answer) = &result {
            self.state.answered(call.number, answer.status().as_u16());
        }
        result
    }

    async fn inject(
        &self,
        standing: &ActiveRule,
        peer: &Peer,
        call: &Call,
        request: Request<Bytes>,
    ) -> io::Result<Answer> {
        match standing.rule.fault {
            Fault::Delay { from_ms, to_ms } => {
                let more = standing.dice().below(to_ms.saturating_sub(from_ms) + 1);
                tokio::time::sleep(Duration::from_millis(from_ms + more)).await;
                self.forward(call, request).await
            }
            Fault::Error => refused(answers::error(call)),
            Fault::Throttle => {
                refused(answers::throttle(call, request.body(), &mut standing.dice()))
            }
            Fault::Conflict => {
                refused(answers::conflict(call, request.body(), &mut standing.dice()))
            }
            Fault::Break { done } => {
                if done {
                    self.forward(call, request).await?;
                }
                Err(io::Error::other("the connection breaks"))
            }
            Fault::Kill { done } => {
                if done {
                    self.forward(call, request).await?;
                }
                if let Some(pid) = peer.pid {
                    tokio::task::spawn_blocking(move || kill(pid)).await??;
                }
                Err(io::Error::other("its process was killed"))
            }
            Fault::Hold { done: false, limit_ms } => {
                held(standing, limit_ms).await;
                self.forward(call, request).await
            }
            Fault::Hold { done: true, limit_ms } => {
                let answer = self.forward(call, request).await;
                held(standing, limit_ms).await;
                answer
            }
        }
    }

    async fn forward(&self, call: &Call, request: Request<Bytes>) -> io::Result<Answer> {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = Uri::try_from(format!("http://{}{path}", self.to)).map_err(io::Error::other)?;
        head.headers.insert(HOST, HeaderValue::try_from(&self.to).map_err(io::Error::other)?);
        let answer = self.client.request(Request::from_parts(head, Full::new(body))).await;
        let answer = answer.map_err(io::Error::other)?;
        let (mut head, body) = answer.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        if call.service == "provider" && head.status.is_success() {
            let told = call::ids(&String::from_utf8_lossy(&body));
            self.state.made(told.difference(&call.ids).cloned(), &call.ids);
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
        call::asked_for(request.method().as_str(), request.uri().path(), target);
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

fn refused((status, body): InjectedError) -> io::Result<Answer> {
    let answer =
        Response::builder().status(status).header(CONTENT_TYPE, "application/x-amz-json-1.0");
    answer.body(Full::from(body.to_string())).map_err(io::Error::other)
}

async fn held(standing: &ActiveRule, limit_ms: u64) {
    let mut released = standing.released.subscribe();
    let released = released.wait_for(|released| *released);
    // Continue in both cases.
    tokio::time::timeout(Duration::from_millis(limit_ms), released).await.ok();
}

fn kill(pid: u32) -> io::Result<()> {
    let kill =
        Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status()?;
    if kill.success() { Ok(()) } else { Err(io::Error::other("the process couldn't be killed")) }
}
