use super::{DynamoAccounts, account_key, credential_key, lists::day_index_keys, profile_key};
use crate::{
    domain::{
        account::Account, contact::Email, credential::Credential, registration::Registration,
    },
    ports::{
        AccountReader, AccountRegistrar, AccountWriter, CredentialReader, CredentialWriter,
        LastLoginWriter,
    },
};
use rialto_dynamo::{
    AttributeValue, Item, OUTBOX, Precondition, TransactWriteItem, Update, read_item, write_item,
};
use rialto_kernel::{AccountId, StoreError, Timestamp, Write};

/// Written without changing the version.
pub(super) const LAST_LOGIN: &str = "last_login_at";

impl AccountRegistrar for DynamoAccounts {
    async fn register(&self, registration: &Registration) -> Result<Write, StoreError> {
        let Registration { account, credential, profile, events } = registration;
        let id = account.account_id;
        self.record_signup_day(account).await?;
        let mut account_item = write_item(&account_key(id), account, events)?;
        account_item.extend(day_index_keys(account));
        let mut items =
            vec![write_item(&credential_key(&credential.email), credential, &[])?, account_item];
        if let Some(profile) = profile {
            items.push(write_item(&profile_key(id), profile, &[])?);
        }
        let writes =
            items.into_iter().map(|item| self.table.transact_put(item, Precondition::Absent));
        Ok(match self.table.transact(writes.collect::<Result<_, _>>()?).await? {
            Write::Done => Write::Done,
            Write::Conflict(refusals) if is_own_credential(&refusals, credential) => Write::Done,
            Write::Conflict(_) => Write::Conflict(()),
        })
    }
}

/// Whether the credential that a registration conflicts with is its own: a write is sent again when
/// its response is lost, and then conflicts with itself.
fn is_own_credential(refusals: &[Option<Item>], credential: &Credential) -> bool {
    let found = refusals.first().and_then(Option::as_ref);
    found.is_some_and(|found| read_item::<Credential>(found.clone()).as_ref() == Ok(credential))
}

impl CredentialReader for DynamoAccounts {
    async fn credential(&self, email: &Email) -> Result<Option<Credential>, StoreError> {
        self.table.get(&credential_key(email)).await?.map(read_item).transpose()
    }
}

impl CredentialWriter for DynamoAccounts {
    async fn save_credential(&self, credential: &Credential) -> Result<Write, StoreError> {
        let item = write_item(&credential_key(&credential.email), credential, &[])?;
        self.table.put(item, Precondition::Version(credential.version - 1)).await.map(Write::unit)
    }
}

impl AccountReader for DynamoAccounts {
    async fn account(&self, account: AccountId) -> Result<Option<Account>, StoreError> {
        self.table.get(&account_key(account)).await?.map(read_item).transpose()
    }
}

/// The attributes that a change to an account writes: all but the key and the last login.
pub(super) fn changed_attributes(account: &Account) -> Result<Item, StoreError> {
    let mut set = write_item(&account_key(account.account_id), account, &[])?;
    set.retain(|name, _| !["pk", "sk", LAST_LOGIN].contains(&name.as_str()));
    Ok(set)
}

impl AccountWriter for DynamoAccounts {
    async fn save_account(&self, account: &Account) -> Result<Write, StoreError> {
        let (key, expect) =
            (account_key(account.account_id), Precondition::Version(account.version - 1));
        self.table.update(&key, changed_attributes(account)?, &[OUTBOX], expect).await
    }
}

impl LastLoginWriter for DynamoAccounts {
    async fn record_login(&self, account: AccountId, at: Timestamp) -> Result<Write, StoreError> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let update = Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(account_key(account).item()))
            // The version stays, so that a login doesn't conflict with a change to the account.
            .update_expression(format!("SET {LAST_LOGIN} = :at REMOVE {OUTBOX}"))
            .condition_expression(format!(
                "#status = :registered \
                 AND (attribute_not_exists({LAST_LOGIN}) OR {LAST_LOGIN} < :at)"
            ))
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":registered", text("REGISTERED"))
            .expression_attribute_values(":at", text(&at.to_string()));
        let update = update.build().map_err(|error| StoreError::Corrupt(error.to_string()))?;
        self.transact(vec![TransactWriteItem::builder().update(update).build()]).await
    }
}
