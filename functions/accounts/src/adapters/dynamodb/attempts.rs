use super::DynamoAccounts;
use crate::{
    domain::rate_limit::{
        LimitedAction, RATE_LIMIT_WINDOW, RateLimitDecision, RateLimitKey, RateLimitSubject,
    },
    ports::RateLimiter,
};
use rialto_dynamo::{CountOutcome, Key};
use rialto_kernel::{StoreError, Timestamp, Write};

fn key(counter: &RateLimitKey) -> Key {
    let whose = match &counter.subject {
        RateLimitSubject::Email(email) => format!("EMAIL#{email}"),
        RateLimitSubject::IpAddress(address) => format!("ADDRESS#{address}"),
    };
    let what = match counter.action {
        LimitedAction::VerifyPassword => "PASSWORD",
        LimitedAction::RequestResetCode => "MAIL-CODE",
        LimitedAction::VerifyResetCode => "CODE",
    };
    Key::new(whose, format!("ATTEMPTS#{what}"))
}

impl RateLimiter for DynamoAccounts {
    async fn acquire(
        &self,
        counter: &RateLimitKey,
        now: Timestamp,
    ) -> Result<RateLimitDecision, StoreError> {
        Ok(match self.table.count(&key(counter), counter.limit(), RATE_LIMIT_WINDOW, now).await? {
            CountOutcome::Done => RateLimitDecision::Allowed,
            CountOutcome::LimitReached { until } => RateLimitDecision::Denied { until },
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
