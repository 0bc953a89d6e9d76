//! Pages of a list: `limit` 1 to 100, and a cursor that is only valid for its own query.

use super::Problem;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rialto_kernel::{Invalid, digest};
use serde::Serialize;

/// The maximum size of a page: 1 to 100, 20 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(u32);

impl Limit {
    /// # Errors
    /// [`Invalid`] outside 1 to 100.
    pub fn parse(text: Option<&str>) -> Result<Self, Invalid> {
        match text.map(str::parse) {
            None => Ok(Self(20)),
            Some(Ok(number @ 1..=100)) => Ok(Self(number)),
            Some(_) => Err(Invalid::field("limit", "must be a whole number from 1 to 100")),
        }
    }

    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub pagination: Pagination,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Pagination {
    /// The maximum size of a page.
    pub limit: u32,
    /// The cursor of the next page; null on the last.
    pub next_cursor: Option<String>,
    pub has_more: bool,
}

impl<T> Page<T> {
    /// `position` is where the next page starts, if there is one; `query` identifies the query (see
    /// [`Query::identity`](super::Query::identity)).
    #[must_use]
    pub fn new(items: Vec<T>, limit: Limit, position: Option<&str>, query: &str) -> Self {
        let next_cursor = position.map(|position| encode_cursor(position, query));
        let pagination =
            Pagination { limit: limit.get(), has_more: next_cursor.is_some(), next_cursor };
        Self { items, pagination }
    }
}

/// A cursor is a digest of position and query, followed by the position: altered cursors and those
/// of another query are rejected. It needn't be secret, as the partition to read always comes from
/// the request.
fn encode_cursor(position: &str, query: &str) -> String {
    let mut bytes = check(position, query).to_vec();
    bytes.extend_from_slice(position.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes the position of a cursor of this query.
///
/// # Errors
/// 400 for a cursor that was altered or is of another query.
pub(crate) fn decode_cursor(cursor: &str, query: &str) -> Result<String, Problem> {
    let position = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| {
        let (given, position) = bytes.split_at_checked(CHECK_LEN)?;
        let position = std::str::from_utf8(position).ok()?;
        (given == check(position, query)).then(|| position.to_owned())
    });
    position.ok_or_else(|| Problem::field("cursor", "is not a cursor of this query"))
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
    fn a_cursor_is_valid_for_its_own_query_only() {
        let cursor = encode_cursor("2026#x", "orders of a");
        assert_eq!(decode_cursor(&cursor, "orders of a").unwrap(), "2026#x");
        assert!(decode_cursor(&cursor, "orders of b").is_err());
        assert!(decode_cursor("", "orders of a").is_err());
        assert!(decode_cursor("not base64!", "orders of a").is_err());
    }

    #[test]
    fn an_altered_cursor_is_refused() {
        let cursor = encode_cursor("2026#x", "q");
        for at in 0..cursor.len() {
            let mut altered = cursor.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            assert!(decode_cursor(&String::from_utf8(altered).unwrap(), "q").is_err(), "{at}");
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
