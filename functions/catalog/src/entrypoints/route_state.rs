//! The state that the handlers of all product routes share.

use crate::adapters::dynamodb::DynamoCatalog;
use rialto_kernel::{Currency, settings::CURRENCY};
use rialto_lambda::{FunctionContext, http::Problem, settings::Settings};
use std::sync::Arc;

/// How long public products may be cached: short enough for prices and stock to be seen in time,
/// long enough to answer a crowd from a cache.
pub(super) const CACHE_CONTROL: &str = "public, max-age=5";

#[derive(Clone)]
pub(crate) struct RouteState {
    pub(super) store: DynamoCatalog,
    settings: Arc<Settings>,
}

impl RouteState {
    pub(super) fn open(app: &FunctionContext) -> Self {
        app.settings.prefetch(&[CURRENCY.name]);
        Self { store: DynamoCatalog::open(app), settings: Arc::clone(&app.settings) }
    }

    /// The shop's currency.
    pub(super) async fn currency(&self) -> Result<Currency, Problem> {
        self.settings.get(&CURRENCY).await.map_err(Problem::unavailable)
    }
}
