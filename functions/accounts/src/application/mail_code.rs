use crate::{
    domain::{
        contact::Email,
        refresh_token::RandomnessError,
        reset::{PasswordReset, ResetCode},
    },
    ports::{CredentialReader, EmailSender, ResetReader, ResetWriter},
};
use rialto_kernel::{AccountId, StoreError, Timestamp, Write};

/// Why no code was mailed; a second try makes another one.
#[derive(Debug, thiserror::Error)]
pub enum MailCodeError {
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

const SUBJECT: &str = "Your new password";

/// Makes a code and mails it, if the email belongs to an account; tells to which account it was mailed.
///
/// # Errors
/// [`MailCodeError`].
pub async fn send_reset_code(
    store: &(impl CredentialReader + ResetReader + ResetWriter),
    post: &impl EmailSender,
    email: &Email,
    now: Timestamp,
) -> Result<Option<AccountId>, MailCodeError> {
    let Some(credential) = store.credential(email).await? else { return Ok(None) };
    let code = ResetCode::generate()?;
    let reset = PasswordReset::new(credential.account_id, credential.version, &code, now);
    match store.save_reset(email, &reset).await? {
        Write::Done => {}
        // A write whose answer was lost is sent again, and then collides with itself.
        Write::Conflict(()) if store.reset(email).await?.as_ref() == Some(&reset) => {}
        // A newer one is under way.
        Write::Conflict(()) => return Ok(None),
    }
    // To where the account says, whatever the case of what was asked for.
    post.send(&credential.email, SUBJECT, &text(&code)).await?;
    Ok(Some(credential.account_id))
}

fn text(code: &ResetCode) -> String {
    format!(
        "Somebody, probably you, wants to choose a new password.\n\n    {}\n\nThis code is good once, for half an hour. \
         If it wasn't you, do nothing: your password stays as it is.\n",
        code.formatted()
    )
}
