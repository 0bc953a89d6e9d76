//! The harness's HTTP client.

use rialto_e2e::http::HttpClient;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// Responds to one request with these lines.
async fn serve_once(listener: TcpListener, response: &str) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(response.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn header_names_are_compared_without_case() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = HttpClient::new(&format!("http://{}", listener.local_addr().unwrap()));
    let response = "HTTP/1.1 204 No Content\r\nIdempotent-Replayed: true\r\n\r\n";
    let (received, ()) =
        tokio::join!(client.request("GET", "/").send(), serve_once(listener, response));
    for name in ["Idempotent-Replayed", "idempotent-replayed"] {
        assert_eq!(received.header(name), Some("true"));
    }
    assert_eq!(received.header("Location"), None);
}
