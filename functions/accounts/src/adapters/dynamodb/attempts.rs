use super::DynamoAccounts;
use crate::{
    domain::attempts::{LimitedAction, RateLimitDecision, RateLimitKey, RateLimitSubject, WINDOW},
    ports::RateLimiter,
};
use rialto_dynamo::{CountOutcome, Key};
use rialto_kernel::{StoreError, Timestamp, Write};

fn key(counter: &RateLimitKey) -> Key {
    let whose = match &counter.subject {
        RateLimitSubject::Email(email) => format!("EMAIL#{email}"),
        RateLimitSubject::Address(address) => format!("ADDRESS#{address}"),
    };
    let what = match counter.attempt {
        LimitedAction::Password => "PASSWORD",
        LimitedAction::MailCode => "MAIL-CODE",
        LimitedAction::Code => "CODE",
    };
    Key::new(whose, format!("ATTEMPTS#{what}"))
}

impl RateLimiter for DynamoAccounts {
    async fn acquire(
        &self,
        counter: &RateLimitKey,
        now: Timestamp,
    ) -> Result<RateLimitDecision, StoreError> {
        Ok(match self.table.count(&key(counter), counter.limit(), WINDOW, now).await? {
            CountOutcome::Done => RateLimitDecision::Admitted,
            CountOutcome::LimitReached { until } => RateLimitDecision::Refused { until },
        })
    }

    async fn refund(&self, counter: &RateLimitKey) -> Result<(), StoreError> {
        self.table.decrement(&key(counter)).await
    }

    async fn clear(&self, counter: &RateLimitKey) -> Result<(), StoreError> {
        match self.table.delete(&key(counter), None).await? {
            Write::Done | Write::Conflict(()) => Ok(()),
        }
    }
}
