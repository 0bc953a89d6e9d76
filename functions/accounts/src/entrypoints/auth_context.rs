//! The state of the functions that issue tokens.

use crate::adapters::{dynamodb::DynamoAccounts, secrets::SecretsManagerKeys};
use rialto_aws::Stage;
use rialto_kernel::settings::SESSION_MAX_AGE;
use rialto_lambda::{FunctionContext, http::Problem, settings::Settings};
use std::{sync::Arc, time::Duration};

/// The dependencies of `log_in` and `refresh`.
#[derive(Clone)]
pub(crate) struct AuthContext {
    pub(super) store: DynamoAccounts,
    pub(super) keys: SecretsManagerKeys,
    pub(super) stage: Stage,
    settings: Arc<Settings>,
}

impl AuthContext {
    pub(crate) fn open(app: &FunctionContext) -> Self {
        app.settings.prefetch(&[SESSION_MAX_AGE.name]);
        Self {
            store: DynamoAccounts::open(app),
            keys: SecretsManagerKeys::open(&app.aws, &app.stage, Arc::clone(&app.clock)),
            stage: app.stage.clone(),
            settings: Arc::clone(&app.settings),
        }
    }

    /// The age at which a session ends, however often it is refreshed.
    pub(super) async fn session_max_age(&self) -> Result<Duration, Problem> {
        self.settings.get(&SESSION_MAX_AGE).await.map_err(Problem::unavailable)
    }
}
