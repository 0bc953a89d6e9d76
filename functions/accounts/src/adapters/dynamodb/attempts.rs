use super::DynamoAccounts;
use crate::{
    domain::attempts::{Admission, Attempt, Counter, Subject, WINDOW},
    ports::AttemptCounter,
};
use rialto_dynamo::{Counted, Key};
use rialto_kernel::{StoreError, Timestamp, Write};

fn key(counter: &Counter) -> Key {
    let whose = match &counter.subject {
        Subject::Email(email) => format!("EMAIL#{email}"),
        Subject::Address(address) => format!("ADDRESS#{address}"),
    };
    let what = match counter.attempt {
        Attempt::Password => "PASSWORD",
        Attempt::MailCode => "MAIL-CODE",
        Attempt::Code => "CODE",
    };
    Key::new(whose, format!("ATTEMPTS#{what}"))
}

impl AttemptCounter for DynamoAccounts {
    async fn count(&self, counter: &Counter, now: Timestamp) -> Result<Admission, StoreError> {
        Ok(match self.table.count(&key(counter), counter.limit(), WINDOW, now).await? {
            Counted::Done => Admission::Admitted,
            Counted::Full { until } => Admission::Refused { until },
        })
    }

    async fn take_back(&self, counter: &Counter) -> Result<(), StoreError> {
        self.table.uncount(&key(counter)).await
    }

    async fn forget(&self, counter: &Counter) -> Result<(), StoreError> {
        match self.table.delete(&key(counter), None).await? {
            Write::Done | Write::Conflict => Ok(()),
        }
    }
}
