//! Creation and sending of a password reset code.

use crate::{
    domain::{
        contact::Email,
        refresh_token::RandomnessError,
        reset::{PasswordReset, ResetCode},
    },
    ports::{CredentialReader, EmailSender, ResetReader, ResetWriter},
};
use rialto_kernel::{AccountId, StoreError, Timestamp, Write};

/// Errors of sending a code. A retry sends another code.
#[derive(Debug, thiserror::Error)]
pub enum MailCodeError {
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

const SUBJECT: &str = "Your password reset code";

/// Sends a reset code, if the email belongs to an account, and returns that account's id.
///
/// # Errors
/// [`MailCodeError`].
pub async fn send_reset_code(
    store: &(impl CredentialReader + ResetReader + ResetWriter),
    emails: &impl EmailSender,
    email: &Email,
    now: Timestamp,
) -> Result<Option<AccountId>, MailCodeError> {
    let Some(credential) = store.credential(email).await? else { return Ok(None) };
    let code = ResetCode::generate()?;
    let reset = PasswordReset::new(credential.account_id, credential.version, &code, now);
    match store.save_reset(email, &reset).await? {
        Write::Done => {}
        // A write whose response was lost is sent again and then conflicts with itself.
        Write::Conflict(()) if store.reset(email).await?.as_ref() == Some(&reset) => {}
        // A newer code was created concurrently.
        Write::Conflict(()) => return Ok(None),
    }
    // The account's spelling of the email, not the request's.
    emails.send(&credential.email, SUBJECT, &email_text(&code)).await?;
    Ok(Some(credential.account_id))
}

fn email_text(code: &ResetCode) -> String {
    format!(
        "A new password was requested for your account. Reset it with this code:\n\n    {}\n\n\
         The code is valid once, for 30 minutes. \
         If you didn't request it, ignore this email: your password stays unchanged.\n",
        code.formatted()
    )
}
