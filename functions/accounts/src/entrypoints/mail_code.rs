//! Mails a code, out of sight of whoever asked for it. Only `accounts-request-reset` may invoke it; Lambda tries it again twice.

use crate::{
    adapters::{dynamodb::DynamoAccounts, mail::Ses},
    application::mail_code::send_reset_code,
    domain::contact::Email,
};
use rialto_lambda::{FunctionContext, boot};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

pub fn main() {
    boot::run("accounts-mail-code", build);
}

#[derive(Deserialize)]
struct Asked {
    email: Email,
}

fn build(app: &FunctionContext) -> boot::Handler {
    let (app, store, post) = (app.clone(), DynamoAccounts::open(app), Ses::new(app));
    Arc::new(move |payload, _| {
        let (app, store, post) = (app.clone(), store.clone(), post.clone());
        Box::pin(async move {
            // What isn't an email must not stand in the error.
            let asked = Asked::deserialize(payload).map_err(|_| "the payload names no email")?;
            if let Some(account) =
                send_reset_code(&store, &post, &asked.email, app.clock.now()).await?
            {
                tracing::info!(%account, "a code was mailed");
            }
            Ok(Value::Null)
        })
    })
}
