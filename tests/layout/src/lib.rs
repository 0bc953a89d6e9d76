//! The checkout as the checks read it (crates, files, template), and the files generated from it.

#![expect(
    clippy::expect_used,
    reason = "a check that can't read the repository should fail loudly"
)]

pub mod assembly;
mod repository;
pub mod roles;
mod template;
pub mod transformed;

pub use repository::{Bin, Repository, Service};
pub use template::{Function, Resource, Statement, Template, reference, statements, text, written};

/// Fails with every violation that was found, and its remedy.
///
/// # Panics
/// Unless nothing was found.
pub fn assert_no_violations(found: impl IntoIterator<Item = String>, remedy: &str) {
    let found: Vec<_> = found.into_iter().collect();
    assert!(found.is_empty(), "{}\n\nWhat to do: {remedy}\n", found.join("\n"));
}

/// `orders-place-order` as the template writes it: `OrdersPlaceOrder`.
#[must_use]
pub fn pascal_case(name: &str) -> String {
    let mut upper = true;
    let letters = name.chars().filter_map(|letter| {
        if letter == '-' {
            upper = true;
            return None;
        }
        Some(if std::mem::take(&mut upper) { letter.to_ascii_uppercase() } else { letter })
    });
    letters.collect()
}
