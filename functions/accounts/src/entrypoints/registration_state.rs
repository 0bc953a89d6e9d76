//! The state of the functions that register accounts.

use super::{problems::registration_problem, views::RegisterRequest};
use crate::{
    adapters::{dynamodb::DynamoAccounts, passwords::Argon2Hasher},
    application::register_account::{RegistrationAttempt, attempt_registration},
    domain::{account::Account, rate_limit::LimitedAction},
};
use rialto_kernel::{AccountId, settings::REGISTRATIONS_PER_ADDRESS};
use rialto_lambda::{
    FunctionContext,
    http::{Problem, Request},
    settings::Settings,
};
use std::sync::Arc;

/// The dependencies of `register_user` and `register_seller`.
#[derive(Clone)]
pub(crate) struct RegistrationState {
    store: DynamoAccounts,
    settings: Arc<Settings>,
}

impl RegistrationState {
    pub(crate) fn open(app: &FunctionContext) -> Self {
        app.settings.prefetch(&[REGISTRATIONS_PER_ADDRESS.name]);
        Self { store: DynamoAccounts::open(app), settings: Arc::clone(&app.settings) }
    }

    /// Registers the account of a request, if its address may register another one.
    pub(super) async fn register(
        &self,
        action: LimitedAction,
        id: AccountId,
        request: &Request,
    ) -> Result<Account, Problem> {
        let (details, password) = request.json::<RegisterRequest>()?.parse()?;
        let (now, context) = (request.now(), request.event_context());
        let limit = self.settings.get(&REGISTRATIONS_PER_ADDRESS).await;
        let limit = limit.map_err(Problem::unavailable)?;
        let ip_address = request.source;
        let attempt = RegistrationAttempt { action, ip_address, limit, details, password };
        attempt_registration(&self.store, &Argon2Hasher, id, attempt, &context, now)
            .await
            .map_err(|error| registration_problem(error, now))
    }
}
