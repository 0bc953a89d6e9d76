//! The ports on DynamoDB. Items of the table, by partition key:
//!
//! - `ACCOUNT#<id>`: `ACCOUNT`, a buyer's `PROFILE` and `ADDRESSES`, and each `SESSION#<id>`.
//!   Sessions are in their account's partition, so that all of them can be read at once and
//!   consistently.
//! - `EMAIL#<lower case>`: the `CREDENTIAL` of the account that the email belongs to, the latest
//!   `RESET` code, and the email's `ATTEMPTS#<kind>` counters.
//! - `ADDRESS#<ip>`: the IP address's `ATTEMPTS#<kind>` counters.
//! - `DAYS#<role>`: each `<day>` on which an account was registered.
//!
//! Index `by_day` lists the accounts of a role and a day, `by_erasure` the closed accounts that
//! still hold personal data.

mod accounts;
mod erasure;
mod lists;
mod profiles;
mod rate_limiter;
mod resets;
mod sessions;

use crate::domain::contact::Email;
use rialto_dynamo::{Key, Table, TransactWriteItem};
use rialto_kernel::{AccountId, SessionId, StoreError, Write};
use rialto_lambda::FunctionContext;
use std::sync::{Arc, Mutex};

/// The service's table.
#[derive(Debug, Clone)]
pub struct DynamoAccounts {
    table: Table,
    /// The last day that was recorded in `DAYS#<role>`.
    recorded_day: Arc<Mutex<Option<Key>>>,
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
        Self { table, recorded_day: Arc::default() }
    }

    async fn transact(&self, writes: Vec<TransactWriteItem>) -> Result<Write, StoreError> {
        self.table.transact(writes).await.map(Write::unit)
    }
}
