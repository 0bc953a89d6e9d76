//! The page on which a buyer accepts or declines a payment.

use crate::domain::intent::{PaymentIntent, PaymentIntentState};
use rialto_lambda::http::Response;

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The page of an intent: a form while it waits for the buyer, afterwards what became of it.
pub(super) fn of(intent: &PaymentIntent) -> Response {
    let content = match intent.state {
        PaymentIntentState::RequiresAction => form(intent),
        PaymentIntentState::Succeeded => result("The payment was authenticated.", intent),
        PaymentIntentState::Canceled => result("The payment was cancelled.", intent),
        _ => result("The payment wasn't authenticated.", intent),
    };
    html(200, &content)
}

/// A page with a message.
pub(super) fn error(status: u16, message: &str) -> Response {
    html(status, &format!("<p>{}</p>", escape(message)))
}

fn form(intent: &PaymentIntent) -> String {
    // Without an action the form is sent to the page's own address.
    let (amount, currency) = (intent.amount, intent.currency.to_ascii_uppercase());
    let secret = intent.client_secret();
    format!(
        "<p>Pay {amount} {currency} (in minor units)?</p>\n<form method=\"post\">\n\
         <input type=\"hidden\" name=\"client_secret\" value=\"{}\">\n\
         <button name=\"action\" value=\"accept\">Accept</button>\n\
         <button name=\"action\" value=\"decline\">Decline</button>\n</form>",
        escape(&secret)
    )
}

fn result(message: &str, intent: &PaymentIntent) -> String {
    let back = intent.return_url.as_ref().map_or_else(String::new, |url| {
        format!("\n<p><a href=\"{}\">Back to the shop</a></p>", escape(url))
    });
    format!("<p>{}</p>{back}", escape(message))
}

fn html(status: u16, content: &str) -> Response {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Simulated payment</title>\n<h1>Simulated payment</h1>\n{content}\n</html>\n"
    );
    Response::raw(status, "text/html; charset=utf-8", page)
        .header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        .header("Cache-Control", "no-store")
        .header("Referrer-Policy", "no-referrer")
        .header("X-Content-Type-Options", "nosniff")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        assert_eq!(
            escape("<a href='x'>&\"</a>"),
            "&lt;a href=&#39;x&#39;&gt;&amp;&quot;&lt;/a&gt;"
        );
    }
}
