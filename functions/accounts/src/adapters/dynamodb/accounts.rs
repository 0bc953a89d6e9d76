use super::{DynamoAccounts, account_key, credential_key, profile_key, written};
use crate::{
    domain::{account::Account, contact::Email, credential::Credential, registration::Registration},
    ports::{AccountReader, CredentialReader, CredentialWriter, LastLogin, Registrar},
};
use rialto_dynamo::{AttributeValue, Expect, OUTBOX, TransactWriteItem, Update, read_item, write_item};
use rialto_kernel::{AccountId, StoreError, Timestamp, Write};

impl Registrar for DynamoAccounts {
    async fn register(&self, registration: &Registration) -> Result<Write, StoreError> {
        let Registration { account, credential, profile, events } = registration;
        let id = account.account_id;
        let mut items = vec![
            write_item(&credential_key(&credential.email), credential, &[])?,
            write_item(&account_key(id), account, events)?,
        ];
        if let Some(profile) = profile {
            items.push(write_item(&profile_key(id), profile, &[])?);
        }
        let writes = items.into_iter().map(|item| self.table.put_part(item, Expect::Absent));
        self.transact(writes.collect::<Result<_, _>>()?).await
    }
}

impl CredentialReader for DynamoAccounts {
    async fn credential(&self, email: &Email) -> Result<Option<Credential>, StoreError> {
        self.table.get(&credential_key(email)).await?.map(read_item).transpose()
    }
}

impl CredentialWriter for DynamoAccounts {
    async fn save_credential(&self, credential: &Credential) -> Result<Write, StoreError> {
        let item = write_item(&credential_key(&credential.email), credential, &[])?;
        Ok(written(&self.table.put(item, Expect::Version(credential.version - 1)).await?))
    }
}

impl AccountReader for DynamoAccounts {
    async fn account(&self, account: AccountId) -> Result<Option<Account>, StoreError> {
        self.table.get(&account_key(account)).await?.map(read_item).transpose()
    }
}

impl LastLogin for DynamoAccounts {
    async fn note_login(&self, account: AccountId, at: Timestamp) -> Result<Write, StoreError> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let update = Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(account_key(account).item()))
            // Beside the version: whoever changes the account needn't read it anew for this.
            .update_expression(format!("SET last_login_at = :at REMOVE {OUTBOX}"))
            .condition_expression(
                "#status = :registered AND (attribute_not_exists(last_login_at) OR last_login_at < :at)",
            )
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":registered", text("REGISTERED"))
            .expression_attribute_values(":at", text(&at.to_string()));
        let update = update.build().map_err(|error| StoreError::Corrupt(error.to_string()))?;
        self.transact(vec![TransactWriteItem::builder().update(update).build()]).await
    }
}
