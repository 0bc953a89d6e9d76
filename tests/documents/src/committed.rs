use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The checkout that this crate stands in.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Whether committed documents are to be written anew.
#[must_use]
pub fn blessing() -> bool {
    std::env::var_os("RIALTO_BLESS").is_some_and(|value| value == "1")
}

/// A document as it is committed; none if it isn't there or isn't JSON.
#[must_use]
pub fn committed(path: &str) -> Option<Value> {
    serde_json::from_slice(&fs::read(root().join(path)).ok()?).ok()
}
