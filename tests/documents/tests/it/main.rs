//! The committed documents are what the code says, and say all of it.

#![expect(
    clippy::unwrap_used,
    reason = "a check that can't read the repository should fail loudly"
)]

mod api;
mod events;
mod samples;

/// Fails with everything that was found, and what to do about it.
fn refuse(found: impl IntoIterator<Item = String>, remedy: &str) {
    let found: Vec<_> = found.into_iter().collect();
    assert!(found.is_empty(), "{}\n\nWhat to do: {remedy}\n", found.join("\n"));
}
