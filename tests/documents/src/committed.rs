use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The root of the checkout.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A committed document; `None` if it is missing or isn't JSON.
#[must_use]
pub fn committed_json(path: &str) -> Option<Value> {
    serde_json::from_slice(&fs::read(root().join(path)).ok()?).ok()
}
