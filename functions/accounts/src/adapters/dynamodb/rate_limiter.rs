use super::DynamoAccounts;
use crate::{
    domain::rate_limit::{
        LimitedAction, RATE_LIMIT_WINDOW, RateLimitDecision, RateLimitKey, RateLimitSubject,
    },
    ports::RateLimiter,
};
use rialto_dynamo::{CountOutcome, Key};
use rialto_kernel::{StoreError, Timestamp, Write};

fn counter_key(limit_key: &RateLimitKey) -> Key {
    let partition = match &limit_key.subject {
        RateLimitSubject::Email(email) => format!("EMAIL#{email}"),
        RateLimitSubject::IpAddress(address) => format!("ADDRESS#{address}"),
    };
    let action = match limit_key.action {
        LimitedAction::VerifyPassword => "PASSWORD",
        LimitedAction::RequestResetCode => "MAIL-CODE",
        LimitedAction::VerifyResetCode => "CODE",
    };
    Key::new(partition, format!("ATTEMPTS#{action}"))
}

impl RateLimiter for DynamoAccounts {
    async fn acquire(
        &self,
        limit_key: &RateLimitKey,
        now: Timestamp,
    ) -> Result<RateLimitDecision, StoreError> {
        Ok(
            match self
                .table
                .count(&counter_key(limit_key), limit_key.limit(), RATE_LIMIT_WINDOW, now)
                .await?
            {
                CountOutcome::Done => RateLimitDecision::Allowed,
                CountOutcome::LimitReached { until } => RateLimitDecision::Denied { until },
            },
        )
    }

    async fn refund(&self, limit_key: &RateLimitKey) -> Result<(), StoreError> {
        self.table.decrement(&counter_key(limit_key)).await
    }

    async fn clear(&self, limit_key: &RateLimitKey) -> Result<(), StoreError> {
        match self.table.delete(&counter_key(limit_key), None).await? {
            Write::Done | Write::Conflict(()) => Ok(()),
        }
    }
}
