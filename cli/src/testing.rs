//! A stub API with canned responses.

use rialto_testkit::http::{SequenceStub, StubResponse, serve_in_order};

/// The requests that a stub API received.
pub(crate) struct StubRequests(SequenceStub);

impl StubRequests {
    /// Request lines, each followed by its body.
    pub(crate) fn received(&self) -> Vec<String> {
        self.0.requests().into_iter().map(|request| request.line + &request.body).collect()
    }
}

/// Serves the responses in order. Returns the API's URL and its requests.
pub(crate) fn serve(responses: Vec<(u16, &'static str)>) -> (String, StubRequests) {
    let responses = responses.into_iter();
    let stub = serve_in_order(
        responses
            .map(|(status, body)| StubResponse::new(status, body).header("Retry-After", "0"))
            .collect(),
    );
    (stub.url.clone(), StubRequests(stub))
}
