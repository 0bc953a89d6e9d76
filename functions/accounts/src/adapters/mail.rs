//! Codes on their way: the function that mails them, and the mail.

use crate::{
    domain::contact::Email,
    ports::{Post, ResetRequester},
};
use rialto_aws::{Functions, Mail, Mailer};
use rialto_kernel::{StoreError, settings::MAIL_SENDER};
use rialto_lambda::App;
use std::{sync::Arc, time::Duration};

/// What one hand-over may take.
const LIMIT: Duration = Duration::from_millis(2_000);

/// Hands emails to `accounts-mail-code`.
#[derive(Debug, Clone)]
pub struct CodeMailer(Functions);

impl CodeMailer {
    #[must_use]
    pub fn new(app: &App) -> Self {
        Self(Functions::new(&app.aws, &app.stage, LIMIT))
    }
}

impl ResetRequester for CodeMailer {
    async fn request(&self, email: &Email) -> Result<(), StoreError> {
        let payload = serde_json::json!({ "email": email }).to_string();
        let handed_over = self.0.hand_over("accounts-mail-code", &payload).await;
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
    pub fn new(app: &App) -> Self {
        app.settings.want(&[MAIL_SENDER.name]);
        Self { mailer: Mailer::new(&app.aws), settings: Arc::clone(&app.settings) }
    }
}

impl Post for Ses {
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
