//! A stub HTTP server on a free loopback port.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// A request that the stub received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRequest {
    /// Such as `POST /path`.
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl RecordedRequest {
    #[must_use]
    pub fn header(&self, lower_case_name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(name, _)| name == lower_case_name).map(|(_, value)| value.as_str())
    }
}

/// A response of the stub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StubResponse {
    pub status: u16,
    pub headers: Vec<(&'static str, &'static str)>,
    pub body: String,
}

impl StubResponse {
    #[must_use]
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// Starts a server that runs until the test's process ends, and returns its URL. A request for
/// which `respond` returns `None` runs into the client's timeout.
pub fn serve(
    respond: impl Fn(&RecordedRequest) -> Option<StubResponse> + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let respond = Arc::new(respond);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let respond = Arc::clone(&respond);
            thread::spawn(move || serve_one(stream.unwrap(), &*respond));
        }
    });
    url
}

/// A stub server with a fixed sequence of responses.
#[derive(Debug)]
pub struct SequenceStub {
    pub url: String,
    requests: Arc<Mutex<Vec<RecordedRequest>>>,
}

impl SequenceStub {
    /// The requests so far.
    ///
    /// # Panics
    /// If there were more requests than responses.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.requests.lock().unwrap().clone()
    }
}

/// Starts a server that returns these responses, one per request. A further request fails the test.
#[must_use]
pub fn serve_in_order(responses: Vec<StubResponse>) -> SequenceStub {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let received = Arc::clone(&requests);
    let url = serve(move |request| {
        let mut received = received.lock().unwrap();
        let response = responses.get(received.len()).cloned();
        received.push(request.clone());
        // Poisons the lock, so that the test notices.
        Some(response.expect("a response for each request"))
    });
    SequenceStub { url, requests }
}

fn serve_one(mut stream: TcpStream, respond: &impl Fn(&RecordedRequest) -> Option<StubResponse>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let mut request = RecordedRequest { line, headers: Vec::new(), body: String::new() };
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let Some((name, value)) = header.split_once(':') else { break };
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    request.body = String::from_utf8(body).unwrap();
    let Some(StubResponse { status, headers, body }) = respond(&request) else {
        reader.read_to_end(&mut Vec::new()).ok();
        return;
    };
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} Stub\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    // The client may have given up.
    stream.write_all(format!("{head}{body}").as_bytes()).ok();
}
