//! The state of the functions that issue tokens.

use crate::adapters::{dynamodb::DynamoAccounts, secrets::SecretsManagerKeys};
use rialto_aws::Stage;
use rialto_lambda::FunctionContext;

/// The dependencies of `log_in` and `refresh`.
#[derive(Clone)]
pub(crate) struct AuthContext {
    pub(super) store: DynamoAccounts,
    pub(super) keys: SecretsManagerKeys,
    pub(super) stage: Stage,
}

impl AuthContext {
    pub(crate) fn open(app: &FunctionContext) -> Self {
        Self {
            store: DynamoAccounts::open(app),
            keys: SecretsManagerKeys::open(&app.aws, &app.stage),
            stage: app.stage.clone(),
        }
    }
}
