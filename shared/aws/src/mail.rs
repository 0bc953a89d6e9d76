//! Sending mail through SES.

use crate::{
    SdkConfig,
    http::NoResponse,
    signed::{SignedClient, SignedResponse},
};
use serde_json::json;
use std::{fmt, time::Duration};

/// SES in an account and region. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Mailer {
    client: SignedClient,
}

/// A plain-text mail. Personal data: never printed.
#[derive(Clone, Copy)]
pub struct Mail<'a> {
    /// A sender that SES has verified.
    pub from: &'a str,
    pub to: &'a str,
    pub subject: &'a str,
    pub text: &'a str,
}

impl fmt::Debug for Mail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mail(..)")
    }
}

/// SES rejected the mail, or it isn't known whether it was sent. Contains nothing of the mail.
#[derive(Debug, Clone, thiserror::Error)]
#[error("mail: {0}")]
pub struct MailError(String);

impl Mailer {
    #[must_use]
    pub fn new(aws: &SdkConfig) -> Self {
        Self { client: SignedClient::new(aws, "email", "ses", Duration::from_secs(3)) }
    }

    /// Sends a mail. Only what certainly wasn't sent is retried, because a mail can't be asked for.
    ///
    /// # Errors
    /// [`MailError`] unless SES accepted it.
    pub async fn send(&self, mail: &Mail<'_>) -> Result<(), MailError> {
        let utf8 = |text: &str| json!({ "Data": text, "Charset": "UTF-8" });
        let request = json!({
            "FromEmailAddress": mail.from,
            "Destination": { "ToAddresses": [mail.to] },
            "Content": { "Simple": { "Subject": utf8(mail.subject), "Body": { "Text": utf8(mail.text) } } },
        });
        let headers = [("content-type", "application/json")];
        let body = request.to_string();
        let path = "/v2/email/outbound-emails";
        let sent = self.client.post_with_retries(path, &headers, &body, was_not_sent).await;
        match sent.map_err(|error| MailError(error.to_string()))?.status {
            200..=299 => Ok(()),
            status => Err(MailError(format!("status {status}"))),
        }
    }
}

/// Whether a mail certainly wasn't sent, and may be if the request is repeated.
fn was_not_sent(outcome: &Result<SignedResponse, NoResponse>) -> bool {
    match outcome {
        Ok(response) => response.status == 429,
        Err(NoResponse::NotSent(_)) => true,
        Err(NoResponse::Lost(_)) => false,
    }
}
