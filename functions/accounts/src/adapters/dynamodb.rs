//! Items: `ACCOUNT#<id>` holds `ACCOUNT`, a buyer's `PROFILE` and each `SESSION#<id>`; `EMAIL#<in lower case>` holds the
//! `CREDENTIAL` of the one account that the email belongs to.
//!
//! Sessions lie beside their account so that all of an account's can be read at once, and as they are.

use crate::{
    domain::{contact::Email, credential::Credential, registration::Registration, session::Session},
    ports::{CredentialReader, Registrar, SessionReader, SessionStarter},
};
use rialto_dynamo::{Expect, Key, Table, TransactWriteItem, Transacted, number, read_item, write_item};
use rialto_kernel::{AccountId, SessionId, StoreError, Write};
use rialto_lambda::App;

/// The ports on the service's table.
#[derive(Debug, Clone)]
pub struct DynamoAccounts {
    table: Table,
}

fn account_key(account: AccountId) -> Key {
    Key::new(format!("ACCOUNT#{account}"), "ACCOUNT")
}

fn profile_key(account: AccountId) -> Key {
    Key::new(format!("ACCOUNT#{account}"), "PROFILE")
}

fn session_key(account: AccountId, session: SessionId) -> Key {
    Key::new(format!("ACCOUNT#{account}"), format!("SESSION#{session}"))
}

fn credential_key(email: &Email) -> Key {
    Key::new(format!("EMAIL#{}", email.key()), "CREDENTIAL")
}

impl DynamoAccounts {
    #[must_use]
    pub fn open(app: &App) -> Self {
        Self::on(Table::open(&app.aws, &app.stage, crate::SERVICE))
    }

    #[must_use]
    pub const fn on(table: Table) -> Self {
        Self { table }
    }

    async fn transact(&self, writes: Vec<TransactWriteItem>) -> Result<Write, StoreError> {
        match self.table.transact(writes).await? {
            Transacted::Done => Ok(Write::Done),
            Transacted::Refused(_) => Ok(Write::Conflict),
        }
    }
}

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

impl SessionStarter for DynamoAccounts {
    async fn start(&self, session: &Session, credential: &Credential) -> Result<Write, StoreError> {
        let key = session_key(session.account_id, session.session_id);
        let mut item = write_item(&key, session, &[])?;
        // The table forgets it some time after its end.
        item.insert("ttl".to_owned(), number(session.expires_at.seconds()));
        let writes = vec![
            self.table.check_part(&credential_key(&credential.email), Expect::Version(credential.version))?,
            self.table.put_part(item, Expect::Absent)?,
        ];
        self.transact(writes).await
    }
}

impl SessionReader for DynamoAccounts {
    async fn session(&self, account: AccountId, session: SessionId) -> Result<Option<Session>, StoreError> {
        self.table.get(&session_key(account, session)).await?.map(read_item).transpose()
    }
}
