//! Files that are committed although code generates them: `openapi.json`; the events' schemas, their
//! AsyncAPI document and its page; `template.yaml`; the router of `cargo lambda watch`; the route
//! tables of the services' READMEs.
//!
//! Tests compare them with what the code generates. [`COMMAND`] writes them.

use std::{ffi::OsStr, fs, path::Path};

/// Writes every generated file.
pub const COMMAND: &str =
    "RIALTO_BLESS=1 cargo test -p rialto-documents -p rialto-layout --test it generated";

/// Whether `path` holds `expected`. Under `RIALTO_BLESS=1` it is written first, if it differs.
///
/// # Panics
/// When the file can't be written.
#[must_use]
pub fn is_current(path: &Path, expected: &str) -> bool {
    if fs::read_to_string(path).is_ok_and(|committed| committed == expected) {
        return true;
    }
    if !should_write(std::env::var_os("RIALTO_BLESS").as_deref()) {
        return false;
    }
    // Renamed into place, because other tests read the file at the same time.
    let draft = path.with_extension("draft");
    fs::write(&draft, expected).expect("the folder is writable");
    fs::rename(&draft, path).expect("the file is replaced");
    true
}

/// Fails unless `path` holds `expected`, or is to be written.
///
/// # Panics
/// When the file differs, or can't be written.
pub fn assert_current(path: &Path, expected: &str) {
    assert!(
        is_current(path, expected),
        "{} isn't what the code generates\n\nWhat to do: run `{COMMAND}`, review the diff, and commit it.\n",
        path.display()
    );
}

fn should_write(bless: Option<&OsStr>) -> bool {
    bless.is_some_and(|value| value == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_only_when_the_variable_is_1() {
        assert!(should_write(Some(OsStr::new("1"))));
        for value in ["0", "", "true", "11"] {
            assert!(!should_write(Some(OsStr::new(value))), "{value}");
        }
        assert!(!should_write(None));
    }
}
