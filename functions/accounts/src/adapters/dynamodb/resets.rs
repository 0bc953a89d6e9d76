use super::{DynamoAccounts, credential_key};
use crate::{
    domain::{contact::Email, credential::Credential, reset::PasswordReset},
    ports::{ResetReader, ResetWriter},
};
use rialto_dynamo::{Key, Precondition, number, read_item, write_item};
use rialto_kernel::{StoreError, Write};

fn reset_key(email: &Email) -> Key {
    Key::new(format!("EMAIL#{}", email.key()), "RESET")
}

impl ResetWriter for DynamoAccounts {
    async fn save_reset(&self, email: &Email, reset: &PasswordReset) -> Result<Write, StoreError> {
        let mut item = write_item(&reset_key(email), reset, &[])?;
        // DynamoDB deletes it some time after it has expired.
        item.insert("ttl".to_owned(), number(reset.expires_at.seconds()));
        self.table.put(item, Precondition::Older(reset.version)).await.map(Write::unit)
    }
}

impl ResetReader for DynamoAccounts {
    async fn reset(&self, email: &Email) -> Result<Option<PasswordReset>, StoreError> {
        self.table.get(&reset_key(email)).await?.map(read_item).transpose()
    }

    async fn use_reset(
        &self,
        credential: &Credential,
        reset: &PasswordReset,
    ) -> Result<Write, StoreError> {
        let email = &credential.email;
        let item = write_item(&credential_key(email), credential, &[])?;
        self.transact(vec![
            self.table.transact_put(item, Precondition::Version(credential.version - 1))?,
            self.table.transact_delete(&reset_key(email), Precondition::Version(reset.version))?,
        ])
        .await
    }
}
