//! Waiting for what happens by itself: asked again and again, until a deadline, never for a fixed time.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

/// How long anything may take on a machine that does everything at once.
pub const DEADLINE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(100);

/// Asks until there is an answer.
///
/// # Panics
/// After [`DEADLINE`], with `what` was waited for and why it wasn't there the last time.
pub async fn eventually<T, E: Display>(
    what: &str,
    mut ask: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let started = Instant::now();
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(why) if started.elapsed() > DEADLINE => {
                panic!("waited {} s for {what}: {why}", DEADLINE.as_secs())
            }
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}
