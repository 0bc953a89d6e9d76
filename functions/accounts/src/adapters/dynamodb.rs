//! Items: `ACCOUNT#<id>` holds `ACCOUNT`, a buyer's `PROFILE` and `ADDRESSES`, and each `SESSION#<id>`; `EMAIL#<in lower case>`
//! holds the `CREDENTIAL` of the one account that the email belongs to, and the `RESET` that was mailed there last. `EMAIL#…` and `ADDRESS#<ip>` hold what is counted of
//! each, `ATTEMPTS#<kind>`. `DAYS#<role>` holds each `<day>` on which an account was made.
//!
//! Sessions lie beside their account so that all of an account's can be read at once, and as they are. Index `by_day` lists the
//! accounts of a role and a day; `by_erasure` those that are closed and tell of persons still.

mod accounts;
mod attempts;
mod erasure;
mod lists;
mod profiles;
mod resets;
mod sessions;

use crate::domain::contact::Email;
use rialto_dynamo::{Key, Table, TransactWriteItem};
use rialto_kernel::{AccountId, SessionId, StoreError, Write};
use rialto_lambda::FunctionContext;
use std::sync::{Arc, Mutex};

/// The ports on the service's table.
#[derive(Debug, Clone)]
pub struct DynamoAccounts {
    table: Table,
    /// The last day that is known to stand in the list of days.
    known_day: Arc<Mutex<Option<Key>>>,
}

fn account_key(account: AccountId) -> Key {
    Key::new(partition(account), "ACCOUNT")
}

fn profile_key(account: AccountId) -> Key {
    Key::new(partition(account), "PROFILE")
}

fn addresses_key(account: AccountId) -> Key {
    Key::new(partition(account), "ADDRESSES")
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
    pub fn open(app: &FunctionContext) -> Self {
        Self::on(Table::open(&app.aws, &app.stage, crate::SERVICE))
    }

    #[must_use]
    pub fn on(table: Table) -> Self {
        Self { table, known_day: Arc::default() }
    }

    async fn transact(&self, writes: Vec<TransactWriteItem>) -> Result<Write, StoreError> {
        self.table.transact(writes).await.map(Write::unit)
    }
}
