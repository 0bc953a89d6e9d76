//! A stub API with canned responses.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    thread::JoinHandle,
};

/// Serves the responses in order, each on a connection of its own. Returns the requests: request
/// lines, each followed by its body.
pub(crate) fn serve(responses: Vec<(u16, &'static str)>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        responses.iter().map(|response| respond(&listener, response)).collect()
    });
    (url, server)
}

fn respond(listener: &TcpListener, (status, body): &(u16, &str)) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut request_line = String::new();
    reader.read_line(&mut request_line).unwrap();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        match header.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().unwrap();
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut sent = vec![0; length];
    reader.read_exact(&mut sent).unwrap();
    write!(
        stream,
        "HTTP/1.1 {status} Canned\r\nConnection: close\r\nRetry-After: 0\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    format!(
        "{}{}",
        request_line.trim_end().trim_end_matches(" HTTP/1.1"),
        String::from_utf8(sent).unwrap()
    )
}
