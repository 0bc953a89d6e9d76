use crate::{
    domain::health::{Check, DEPENDENCIES, Dependency, Health},
    ports::Probe,
};
use futures_util::future::join_all;
use rialto_kernel::Clock;

/// Checks all dependencies concurrently.
pub async fn get_health(probe: &impl Probe, clock: &dyn Clock) -> Health {
    Health {
        checks: join_all(DEPENDENCIES.map(|dependency| check(probe, dependency, clock))).await,
    }
}

async fn check(probe: &impl Probe, dependency: Dependency, clock: &dyn Clock) -> Check {
    let started = clock.now();
    let result = probe.probe(dependency).await;
    let latency = clock.now().since(started);
    Check { dependency, latency, failure: result.err().map(|error| error.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::memory::MemoryProbe;
    use rialto_kernel::SystemClock;

    #[tokio::test]
    async fn every_dependency_is_checked_and_failures_are_named() {
        let up = get_health(&MemoryProbe { down: vec![] }, &SystemClock).await;
        assert!(up.is_ok());
        assert_eq!(up.checks.len(), DEPENDENCIES.len());

        let down = vec![Dependency::Table("orders"), Dependency::EventBus];
        let health = get_health(&MemoryProbe { down: down.clone() }, &SystemClock).await;
        assert!(!health.is_ok());
        let failed: Vec<_> = health
            .checks
            .iter()
            .filter(|check| check.failure.is_some())
            .map(|check| check.dependency)
            .collect();
        assert_eq!(failed, down);
    }
}
