pub fn main() {
    rialto_lambda::http::serve_preflight("platform-answer-preflight");
}
