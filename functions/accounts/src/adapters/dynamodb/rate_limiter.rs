use super::DynamoAccounts;
use crate::{
    domain::rate_limit::{
        LimitedAction, RATE_LIMIT_WINDOW, RateLimitDecision, RateLimitKey, RateLimitSubject,
    },
    ports::RateLimiter,
};
use rialto_dynamo::{CountOutcome, Key};
use rialto_kernel::{StoreError, Timestamp, Write};

fn counter_key(key: &RateLimitKey) -> Key {
    let partition = match &key.subject {
        RateLimitSubject::Email(email) => format!("EMAIL#{email}"),
        RateLimitSubject::IpAddress(address) => format!("ADDRESS#{address}"),
    };
    let action = match key.action {
        LimitedAction::VerifyPassword => "PASSWORD",
        LimitedAction::RequestResetCode => "MAIL-CODE",
        LimitedAction::VerifyResetCode => "CODE",
        LimitedAction::RegisterUser => "REGISTER-USER",
        LimitedAction::RegisterSeller => "REGISTER-SELLER",
    };
    Key::new(partition, format!("ATTEMPTS#{action}"))
}

impl RateLimiter for DynamoAccounts {
    async fn acquire(
        &self,
        key: &RateLimitKey,
        limit: u32,
        now: Timestamp,
    ) -> Result<RateLimitDecision, StoreError> {
        let counter = counter_key(key);
        let outcome = self.table.count(&counter, limit, RATE_LIMIT_WINDOW, now).await?;
        Ok(match outcome {
            CountOutcome::Done => RateLimitDecision::Allowed,
            CountOutcome::LimitReached { until } => RateLimitDecision::Denied { until },
        })
    }

    async fn refund(&self, key: &RateLimitKey) -> Result<(), StoreError> {
        self.table.decrement(&counter_key(key)).await
    }

    async fn clear(&self, key: &RateLimitKey) -> Result<(), StoreError> {
        match self.table.delete(&counter_key(key), None).await? {
            Write::Done | Write::Conflict(()) => Ok(()),
        }
    }
}
