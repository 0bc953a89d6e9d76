//! The committed documents match the code and are complete.

#![expect(
    clippy::unwrap_used,
    reason = "a check that can't read the repository should fail loudly"
)]

mod api;
mod asyncapi;
mod events;
mod samples;

/// Fails with every violation that was found, and its remedy.
fn assert_no_violations(found: impl IntoIterator<Item = String>, remedy: &str) {
    let found: Vec<_> = found.into_iter().collect();
    assert!(found.is_empty(), "{}\n\nWhat to do: {remedy}\n", found.join("\n"));
}
