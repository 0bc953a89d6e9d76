//! Entity tags and the precondition `If-Match` (RFC 9110, sections 8.8.3 and 13.1.1).

use crate::digest;
use serde::Serialize;

/// A strong entity tag with its quotes, such as `"4f1d…"`: a digest of what a client can change of
/// a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(String);

impl ETag {
    /// The tag of these fields: those that PATCH and PUT can change, and no others, so that it is
    /// the same for every viewer. They must always serialise to the same JSON: structs, tuples and
    /// ordered lists do.
    #[must_use]
    pub fn of(changeable: &impl Serialize) -> Self {
        // Changeable fields are structs of numbers, strings and lists: always JSON.
        let json = serde_json::to_vec(changeable).unwrap_or_default();
        Self(format!("\"{}\"", digest::hex(&digest::sha256(&[&json])[..16])))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The precondition that a request states in `If-Match`. The default is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum IfMatch {
    /// No precondition.
    #[default]
    Absent,
    /// `*`: the resource exists, which the caller of the check has established.
    Any,
    /// One of these strong tags, quotes included. Weak ones never match and aren't listed.
    OneOf(Vec<String>),
}

/// A malformed `If-Match` header (RFC 9110).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be * or a list of quoted entity tags")]
pub struct IfMatchError;

/// The resource has changed since the client read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the resource has changed")]
pub struct PreconditionFailed;

impl IfMatch {
    /// # Errors
    /// [`IfMatchError`] for anything but `*` or a list of entity tags. A tag of other characters
    /// than visible ASCII is refused: no resource has one, and the gateway may have altered it.
    pub fn parse(header: &str) -> Result<Self, IfMatchError> {
        const WHITE_SPACE: [char; 2] = [' ', '\t'];
        let header = header.trim_matches(WHITE_SPACE);
        if header == "*" {
            return Ok(Self::Any);
        }
        let (mut tags, mut weak) = (Vec::new(), false);
        let mut rest = header;
        while !rest.is_empty() {
            // Empty elements of a list are allowed (RFC 9110, section 5.6.1).
            if let Some(after) = rest.strip_prefix(',') {
                rest = after.trim_start_matches(WHITE_SPACE);
                continue;
            }
            let strong = rest.strip_prefix("W/");
            let opaque = strong.unwrap_or(rest).strip_prefix('"').ok_or(IfMatchError)?;
            let (opaque, after) = opaque.split_once('"').ok_or(IfMatchError)?;
            if !opaque.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(IfMatchError);
            }
            match strong {
                Some(_) => weak = true,
                None => tags.push(format!("\"{opaque}\"")),
            }
            rest = after.trim_start_matches(WHITE_SPACE);
            if !rest.is_empty() && !rest.starts_with(',') {
                return Err(IfMatchError);
            }
        }
        if tags.is_empty() && !weak { Err(IfMatchError) } else { Ok(Self::OneOf(tags)) }
    }

    /// Checks the precondition against a resource as it is stored. A use case does so after it
    /// knows that the resource exists and that the caller may change it, before any rule about its
    /// state, and again whenever it loads the resource again after a conflict.
    ///
    /// # Errors
    /// [`PreconditionFailed`] when the resource isn't the one that the client has seen.
    pub fn check(&self, current: &ETag) -> Result<(), PreconditionFailed> {
        match self {
            Self::Absent | Self::Any => Ok(()),
            Self::OneOf(tags) if tags.contains(&current.0) => Ok(()),
            Self::OneOf(_) => Err(PreconditionFailed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_of(tags: &[&str]) -> Result<IfMatch, IfMatchError> {
        Ok(IfMatch::OneOf(tags.iter().map(|tag| (*tag).to_owned()).collect()))
    }

    #[test]
    fn a_tag_changes_with_any_field() {
        let tag = ETag::of(&("Kettle", Some("steel"), 4_200));
        assert_eq!(tag, ETag::of(&("Kettle", Some("steel"), 4_200)));
        for other in [("Kettles", Some("steel"), 4_200), ("Kettle", None, 4_200)] {
            assert_ne!(tag, ETag::of(&other));
        }
        let opaque = tag.as_str().strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap();
        assert_eq!(opaque.len(), 32);
        assert!(opaque.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    #[test]
    fn if_match_is_an_asterisk_or_a_list_of_tags() {
        assert_eq!(IfMatch::parse("*"), Ok(IfMatch::Any));
        assert_eq!(IfMatch::parse(" * "), Ok(IfMatch::Any));
        assert_eq!(IfMatch::parse(r#""a""#), one_of(&[r#""a""#]));
        assert_eq!(IfMatch::parse(r#" "a" ,"b,c" , "" "#), one_of(&[r#""a""#, r#""b,c""#, "\"\""]));
        assert_eq!(IfMatch::parse(r#", "a",, "b","#), one_of(&[r#""a""#, r#""b""#]));
        assert_eq!(IfMatch::parse("\"a\"\t,\t\"b\""), one_of(&[r#""a""#, r#""b""#]));
    }

    #[test]
    fn another_form_of_if_match_is_refused() {
        for header in [
            "",
            " ",
            ",",
            "a",
            "\"",
            "\"a",
            "a\"",
            r#""a" "b""#,
            r#""a b""#,
            "**",
            r#"*, "a""#,
            r#"w/"a""#,
            "W/a",
            "W/",
            "é",
            r#""é""#,
            "\u{fffd}",
            "\"a\u{7f}\"",
            "\"a\",\u{a0}\"b\"",
        ] {
            assert_eq!(IfMatch::parse(header), Err(IfMatchError), "{header}");
        }
    }

    #[test]
    fn a_weak_tag_never_matches() {
        let current = ETag::of(&1);
        let weak = format!("W/{}", current.as_str());
        assert_eq!(IfMatch::parse(&weak).unwrap().check(&current), Err(PreconditionFailed));
        let both = format!("{weak}, {}", current.as_str());
        assert_eq!(IfMatch::parse(&both).unwrap().check(&current), Ok(()));
    }

    #[test]
    fn a_precondition_holds_for_the_version_that_was_seen() {
        let (current, other) = (ETag::of(&1), ETag::of(&2));
        assert_eq!(IfMatch::Absent.check(&current), Ok(()));
        assert_eq!(IfMatch::Any.check(&current), Ok(()));
        let seen = IfMatch::parse(current.as_str()).unwrap();
        assert_eq!(seen.check(&current), Ok(()));
        assert_eq!(seen.check(&other), Err(PreconditionFailed));
    }
}
