use super::MemoryAccounts;
use crate::{
    domain::{contact::Email, credential::Credential, reset::PasswordReset},
    ports::{ResetReader, ResetWriter},
};
use rialto_kernel::{StoreError, Write};

impl ResetWriter for MemoryAccounts {
    async fn save_reset(&self, email: &Email, reset: &PasswordReset) -> Result<Write, StoreError> {
        let mut state = self.state();
        if state.resets.get(&email.key()).is_some_and(|stored| stored.version >= reset.version) {
            return Ok(Write::Conflict(()));
        }
        state.resets.insert(email.key(), reset.clone());
        Ok(Write::Done)
    }
}

impl ResetReader for MemoryAccounts {
    async fn reset(&self, email: &Email) -> Result<Option<PasswordReset>, StoreError> {
        Ok(self.state().resets.get(&email.key()).cloned())
    }

    async fn use_reset(
        &self,
        credential: &Credential,
        reset: &PasswordReset,
    ) -> Result<Write, StoreError> {
        let mut state = self.state();
        let email = credential.email.key();
        let reset_version = state.resets.get(&email).map(|stored| stored.version);
        let credential_version = state.credentials.get(&email).map(|stored| stored.version);
        if reset_version != Some(reset.version)
            || credential_version != Some(credential.version - 1)
        {
            return Ok(Write::Conflict(()));
        }
        state.resets.remove(&email);
        state.credentials.insert(email, credential.clone());
        Ok(Write::Done)
    }
}
