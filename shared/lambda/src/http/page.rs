//! Pages of a list: `limit` 1 to 100, and a cursor that only this list of this query understands.

use super::Problem;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rialto_kernel::{Invalid, digest};
use serde::Serialize;

/// How many things a page holds at most: 1 to 100, 20 unless asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(u32);

impl Limit {
    /// # Errors
    /// [`Invalid`] outside 1 to 100.
    pub fn parse(text: Option<&str>) -> Result<Self, Invalid> {
        match text.map(str::parse) {
            None => Ok(Self(20)),
            Some(Ok(number @ 1..=100)) => Ok(Self(number)),
            Some(_) => Err(Invalid::field("limit", "must be 1 to 100")),
        }
    }

    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// A page of a list, with where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub pagination: Pagination,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Pagination {
    /// How many things a page holds at most.
    pub limit: u32,
    /// Where the next page begins; none after the last.
    pub next_cursor: Option<String>,
    pub has_more: bool,
}

impl<T> Page<T> {
    /// `position` is where the list goes on, if it does; `query` is all that the list depends on.
    #[must_use]
    pub fn new(items: Vec<T>, limit: Limit, position: Option<&str>, query: &str) -> Self {
        let next_cursor = position.map(|position| seal(position, query));
        let pagination =
            Pagination { limit: limit.get(), has_more: next_cursor.is_some(), next_cursor };
        Self { items, pagination }
    }
}

/// A cursor is its position behind a digest of position and query: one that was altered, or that belongs to another
/// query, is refused. It is no secret and needn't be: the partition to read always comes from the request itself.
fn seal(position: &str, query: &str) -> String {
    let mut bytes = check(position, query).to_vec();
    bytes.extend_from_slice(position.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The position in a cursor of this query.
///
/// # Errors
/// 400 for a cursor that was altered or belongs to another query.
pub(crate) fn open(cursor: &str, query: &str) -> Result<String, Problem> {
    let position = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| {
        let (given, position) = bytes.split_at_checked(CHECK_LEN)?;
        let position = std::str::from_utf8(position).ok()?;
        (given == check(position, query)).then(|| position.to_owned())
    });
    position.ok_or_else(|| Problem::field("cursor", "is not a cursor of this list"))
}

const CHECK_LEN: usize = 12;

fn check(position: &str, query: &str) -> [u8; CHECK_LEN] {
    let digest = digest::sha256(&[b"rialto cursor", query.as_bytes(), position.as_bytes()]);
    let mut check = [0; CHECK_LEN];
    check.copy_from_slice(&digest[..CHECK_LEN]);
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_for_its_own_query_only() {
        let cursor = seal("2026#x", "orders of a");
        assert_eq!(open(&cursor, "orders of a").unwrap(), "2026#x");
        assert!(open(&cursor, "orders of b").is_err());
        assert!(open("", "orders of a").is_err());
        assert!(open("not base64!", "orders of a").is_err());
    }

    #[test]
    fn an_altered_cursor_is_refused() {
        let cursor = seal("2026#x", "q");
        for at in 0..cursor.len() {
            let mut altered = cursor.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            assert!(open(&String::from_utf8(altered).unwrap(), "q").is_err(), "{at}");
        }
    }

    #[test]
    fn a_limit_is_1_to_100() {
        assert_eq!(Limit::parse(None).unwrap().get(), 20);
        assert_eq!(Limit::parse(Some("100")).unwrap().get(), 100);
        for bad in ["0", "101", "-1", "x", "", "1.5"] {
            assert!(Limit::parse(Some(bad)).is_err(), "{bad}");
        }
    }
}
