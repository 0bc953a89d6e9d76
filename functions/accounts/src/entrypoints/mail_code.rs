//! Mails a reset code. `accounts-request-reset` invokes it asynchronously, so that its own response
//! doesn't depend on whether the email belongs to an account. Lambda retries it twice.

use crate::{
    adapters::{dynamodb::DynamoAccounts, mail::SesSender},
    application::mail_code::send_reset_code,
    domain::contact::Email,
};
use rialto_kernel::Clock;
use rialto_lambda::boot::{self, Failure};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

pub fn main() {
    boot::run("accounts-mail-code", |app| {
        let state = (Arc::clone(&app.clock), DynamoAccounts::open(app), SesSender::new(app));
        boot::handler(state, |state, payload, _| handle(state, payload))
    });
}

#[derive(Deserialize)]
struct MailCodeRequest {
    email: Email,
}

async fn handle(
    (clock, store, mailer): (Arc<dyn Clock>, DynamoAccounts, SesSender),
    payload: Value,
) -> Result<Value, Failure> {
    // serde's error would contain the email.
    let MailCodeRequest { email } =
        MailCodeRequest::deserialize(payload).map_err(|_| "the payload has no valid email")?;
    if let Some(account) = send_reset_code(&store, &mailer, &email, clock.now()).await? {
        tracing::info!(%account, "reset code mailed");
    }
    Ok(Value::Null)
}
