//! Waiting for asynchronous results by polling until a deadline, never for a fixed time.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

/// Upper limit of any wait, generous because everything runs on one machine.
pub const DEADLINE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(100);

/// Polls until a result is available.
///
/// # Panics
/// After [`DEADLINE`], with `what` was waited for and the error of the last attempt.
pub async fn eventually<T, E: Display>(
    what: &str,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let started = Instant::now();
    loop {
        match attempt().await {
            Ok(result) => return result,
            Err(error) if started.elapsed() > DEADLINE => {
                panic!("waited {} s for {what}: {error}", DEADLINE.as_secs())
            }
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}
