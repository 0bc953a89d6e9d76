//! Replacement of a password, as changing and resetting it have it in common.

use crate::{
    domain::credential::Credential,
    ports::{CredentialReader, SessionEnder},
};
use rialto_kernel::{SessionId, StoreError, Write};

/// Ends the account's sessions but `kept_session`, writes the new credential by `save`, and ends
/// the sessions again.
///
/// Sessions end before the write, so that none outlives it if the function is interrupted in
/// between. They end again after it, whatever its outcome, because a login with the old password
/// may have started one in between.
///
/// # Errors
/// [`StoreError`] when it isn't known whether the credential was replaced.
pub(super) async fn replace_credential<F>(
    store: &(impl CredentialReader + SessionEnder),
    credential: &Credential,
    kept_session: Option<SessionId>,
    save: impl FnOnce() -> F,
) -> Result<Write, StoreError>
where
    F: Future<Output = Result<Write, StoreError>>,
{
    store.end_all(credential.account_id, kept_session).await?;
    let written = save().await;
    store.end_all(credential.account_id, kept_session).await?;
    Ok(match written? {
        Write::Conflict(()) if was_persisted(store, credential).await? => Write::Done,
        written => written,
    })
}

/// Whether the stored credential is this one. A write whose response was lost is sent again and
/// then conflicts with itself.
async fn was_persisted(
    store: &impl CredentialReader,
    credential: &Credential,
) -> Result<bool, StoreError> {
    Ok(store.credential(&credential.email).await?.as_ref() == Some(credential))
}
