//! Reset codes: the invocation of the function that mails them, and the mail itself.

use crate::{
    domain::contact::Email,
    ports::{EmailSender, ResetRequester},
};
use rialto_aws::{LambdaClient, Mail, Mailer};
use rialto_kernel::{StoreError, settings::MAIL_SENDER};
use rialto_lambda::{FunctionContext, settings::Settings};
use std::{fmt::Display, sync::Arc, time::Duration};

/// Time limit of an asynchronous invocation.
const INVOKE_TIMEOUT: Duration = Duration::from_millis(2_000);

/// Invokes `accounts-mail-code` asynchronously.
#[derive(Debug, Clone)]
pub struct LambdaResetRequester(LambdaClient);

impl LambdaResetRequester {
    #[must_use]
    pub fn new(app: &FunctionContext) -> Self {
        Self(LambdaClient::new(&app.aws, &app.stage, INVOKE_TIMEOUT))
    }
}

impl ResetRequester for LambdaResetRequester {
    async fn request(&self, email: &Email) -> Result<(), StoreError> {
        let payload = serde_json::json!({ "email": email }).to_string();
        let invoked = self.0.invoke_async("accounts-mail-code", &payload).await;
        invoked.map_err(unavailable)
    }
}

/// Sends through Amazon SES, from the stage's sender address.
#[derive(Clone)]
pub struct SesSender {
    mailer: Mailer,
    settings: Arc<Settings>,
}

impl SesSender {
    #[must_use]
    pub fn new(app: &FunctionContext) -> Self {
        app.settings.prefetch(&[MAIL_SENDER.name]);
        Self { mailer: Mailer::new(&app.aws), settings: Arc::clone(&app.settings) }
    }
}

impl EmailSender for SesSender {
    async fn send(&self, to: &Email, subject: &str, text: &str) -> Result<(), StoreError> {
        let from = self.settings.get(&MAIL_SENDER).await.map_err(unavailable)?;
        let mail = Mail { from: &from, to: to.as_str(), subject, text };
        self.mailer.send(&mail).await.map_err(unavailable)
    }
}

fn unavailable(error: impl Display) -> StoreError {
    StoreError::Unavailable(error.to_string())
}
