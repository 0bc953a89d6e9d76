//! A model of the order saga: orders, inventory and payments, with the provider.
//!
//! - [`state`]: what is stored and under way
//! - [`model`]: the bounds, what can happen next, and the state afterwards
//! - `payments`: the calls of payments' functions
//! - `properties`: the invariants, and the ends and races that must be reachable
//! - [`check`]: the exploration of all states
//! - [`graph`]: all states and transitions, for small bounds
//! - [`replay`]: the services' handlers, driven by the model's actions
//! - [`walks`]: random walks through the model, which the handlers repeat
//! - [`mistakes`]: what finds a wrong transition

pub mod check;
pub mod graph;
pub mod mistakes;
pub mod model;
mod payments;
mod properties;
pub mod replay;
pub mod state;
pub mod walks;

#[cfg(test)]
mod tests {
    use crate::{
        check::explore,
        graph::Graph,
        mistakes::find,
        model::{Bounds, Mistake, SagaModel},
        walks::{WALKED, check_walk, check_ways},
    };
    use clap::ValueEnum;
    use std::collections::BTreeSet;

    /// Walks of the quick tests; `scripts/simulate --model --walks` goes more.
    const WALKS: u64 = 1_000;

    #[test]
    fn properties_hold_within_the_quick_bounds() {
        for bounds in Bounds::QUICK {
            let exploration = explore(&SagaModel::new(bounds), 2);
            assert!(exploration.failures().is_empty(), "{bounds}:\n{exploration}");
        }
    }

    #[test]
    fn progress_ends_in_every_state() {
        let model = SagaModel::new(Bounds::QUICK[0]);
        assert!(Graph::of(&model).endless(&model).is_none());
    }

    #[test]
    fn the_services_agree_with_random_walks() {
        let model = SagaModel::new(WALKED);
        for seed in 0..WALKS {
            check_walk(&model, seed).unwrap_or_else(|departure| panic!("{}", departure.report()));
        }
    }

    /// Walks may miss what is rare.
    #[test]
    fn the_services_agree_with_every_kind_of_transition() {
        for bounds in Bounds::QUICK {
            let checked = check_ways(&SagaModel::new(bounds), &BTreeSet::new());
            assert!(checked.unwrap_or_else(|departure| panic!("{}", departure.report())) > 100);
        }
    }

    #[test]
    fn every_mistake_is_found() {
        for mistake in Mistake::value_variants() {
            let finding = find(*mistake, WALKS);
            // A walk takes no action that the model lacks.
            let walked = finding.walk.is_some() || *mistake == Mistake::SweepsNoCharges;
            // Whatever is charged after a cancellation is given back.
            let harmless = *mistake == Mistake::ConfirmsWithoutReading;
            assert!(walked && finding.property.is_some() != harmless, "{finding:?}");
        }
    }
}
