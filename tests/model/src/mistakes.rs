//! What finds a wrong transition.

use crate::{
    check::explore,
    model::{Bounds, Mistake, SagaModel},
    walks::{WALKED, check_walk},
};

/// What found a mistake.
#[derive(Debug)]
pub struct Finding {
    pub mistake: Mistake,
    /// The first property that doesn't hold within the quick bounds.
    pub property: Option<&'static str>,
    /// The first walk that the services don't repeat.
    pub walk: Option<u64>,
}

/// Explores the quick bounds with the mistake, and repeats walks up to this many.
#[must_use]
pub fn find(mistake: Mistake, walks: u64) -> Finding {
    let model = |bounds| SagaModel { bounds, mistake: Some(mistake) };
    let broken = Bounds::QUICK.into_iter().find_map(|bounds| {
        let exploration = explore(&model(bounds), 1);
        // A broken invariant ends the exploration, so that ends and races may be missing after it.
        let failures = exploration.failures();
        failures.iter().max_by_key(|found| found.always).map(|found| found.name)
    });
    let walk = (0..walks).find(|seed| check_walk(&model(WALKED), *seed).is_err());
    Finding { mistake, property: broken, walk }
}
