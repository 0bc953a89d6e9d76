//! Codes on their way: the function that mails them, and the mail.

use crate::{
    domain::contact::Email,
    ports::{EmailSender, ResetRequester},
};
use rialto_aws::{LambdaClient, Mail, Mailer};
use rialto_kernel::{StoreError, settings::MAIL_SENDER};
use rialto_lambda::FunctionContext;
use std::{sync::Arc, time::Duration};

/// What one hand-over may take.
const LIMIT: Duration = Duration::from_millis(2_000);

/// Hands emails to `accounts-mail-code`.
#[derive(Debug, Clone)]
pub struct CodeMailer(LambdaClient);

impl CodeMailer {
    #[must_use]
    pub fn new(app: &FunctionContext) -> Self {
        Self(LambdaClient::new(&app.aws, &app.stage, LIMIT))
    }
}

impl ResetRequester for CodeMailer {
    async fn request(&self, email: &Email) -> Result<(), StoreError> {
        let payload = serde_json::json!({ "email": email }).to_string();
        let handed_over = self.0.invoke_async("accounts-mail-code", &payload).await;
        handed_over.map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}

/// SES, with the stage's sender.
#[derive(Clone)]
pub struct Ses {
    mailer: Mailer,
    settings: Arc<rialto_lambda::settings::Settings>,
}

impl Ses {
    #[must_use]
    pub fn new(app: &FunctionContext) -> Self {
        app.settings.prefetch(&[MAIL_SENDER.name]);
        Self { mailer: Mailer::new(&app.aws), settings: Arc::clone(&app.settings) }
    }
}

impl EmailSender for Ses {
    async fn send(&self, to: &Email, subject: &str, text: &str) -> Result<(), StoreError> {
        let unavailable = |error: String| StoreError::Unavailable(error);
        let from = self
            .settings
            .get(&MAIL_SENDER)
            .await
            .map_err(|error| unavailable(error.to_string()))?;
        let mail = Mail { from: &from, to: to.as_str(), subject, text };
        self.mailer.send(&mail).await.map_err(|error| unavailable(error.to_string()))
    }
}
