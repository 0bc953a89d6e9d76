use crate::{
    domain::health::{Check, DEPENDENCIES, Dependency, Health},
    ports::Probe,
};
use futures_util::future::join_all;
use rialto_kernel::Clock;

/// Asks every dependency at the same time.
pub async fn get_health(probe: &impl Probe, clock: &dyn Clock) -> Health {
    Health {
        checks: join_all(DEPENDENCIES.map(|dependency| check(probe, dependency, clock))).await,
    }
}

async fn check(probe: &impl Probe, dependency: Dependency, clock: &dyn Clock) -> Check {
    let started = clock.now();
    let answer = probe.probe(dependency).await;
    let latency = clock.now().since(started);
    Check { dependency, latency, trouble: answer.err().map(|error| error.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::memory::MemoryProbe;
    use rialto_kernel::SystemClock;

    #[tokio::test]
    async fn everything_is_asked_and_what_is_down_is_named() {
        let up = get_health(&MemoryProbe { down: vec![] }, &SystemClock).await;
        assert!(up.is_ok());
        assert_eq!(up.checks.len(), DEPENDENCIES.len());

        let down = vec![Dependency::Table("orders"), Dependency::EventBus];
        let health = get_health(&MemoryProbe { down: down.clone() }, &SystemClock).await;
        assert!(!health.is_ok());
        let troubled: Vec<_> = health
            .checks
            .iter()
            .filter(|check| check.trouble.is_some())
            .map(|check| check.dependency)
            .collect();
        assert_eq!(troubled, down);
    }
}
