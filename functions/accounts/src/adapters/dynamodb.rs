//! Items: `ACCOUNT#<id>` holds `ACCOUNT`, a buyer's `PROFILE` and each `SESSION#<id>`; `EMAIL#<in lower case>` holds the
//! `CREDENTIAL` of the one account that the email belongs to. `EMAIL#…` and `ADDRESS#<ip>` hold what is counted of each,
//! `ATTEMPTS#<kind>`.
//!
//! Sessions lie beside their account so that all of an account's can be read at once, and as they are.

mod accounts;
mod attempts;
mod sessions;

use crate::domain::contact::Email;
use rialto_dynamo::{Key, PutOutcome, Table, TransactWriteItem, Transacted};
use rialto_kernel::{AccountId, SessionId, StoreError, Write};
use rialto_lambda::App;

/// The ports on the service's table.
#[derive(Debug, Clone)]
pub struct DynamoAccounts {
    table: Table,
}

fn account_key(account: AccountId) -> Key {
    Key::new(partition(account), "ACCOUNT")
}

fn profile_key(account: AccountId) -> Key {
    Key::new(partition(account), "PROFILE")
}

fn session_key(account: AccountId, session: SessionId) -> Key {
    Key::new(partition(account), format!("SESSION#{session}"))
}

fn partition(account: AccountId) -> String {
    format!("ACCOUNT#{account}")
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

fn written(outcome: &PutOutcome) -> Write {
    match outcome {
        PutOutcome::Done => Write::Done,
        PutOutcome::Refused(_) => Write::Conflict,
    }
}
