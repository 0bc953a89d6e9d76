//! A buyer's profile.

use rialto_kernel::{ETag, ImageUrl, Text, UserId, digest};
use serde::{Deserialize, Serialize};

/// A buyer's loyalty grade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Grade {
    Bronze,
    Silver,
    Gold,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be BRONZE, SILVER or GOLD")]
pub struct GradeError;

impl std::str::FromStr for Grade {
    type Err = GradeError;
    fn from_str(text: &str) -> Result<Self, GradeError> {
        match text {
            "BRONZE" => Ok(Self::Bronze),
            "SILVER" => Ok(Self::Silver),
            "GOLD" => Ok(Self::Gold),
            _ => Err(GradeError),
        }
    }
}

pub type Nickname = Text<1, 40>;

/// The public profile of a buyer, without personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    pub user_id: UserId,
    pub nickname: Nickname,
    pub image: Option<ImageUrl>,
    pub grade: Grade,
    /// Incremented by every change.
    pub version: u64,
}

impl Profile {
    /// The profile of a new account. Its nickname is derived from the id, not from personal data.
    #[must_use]
    pub fn initial(user_id: UserId) -> Self {
        let digest = digest::sha256(&[b"nickname", user_id.to_string().as_bytes()]);
        let nickname = format!("buyer-{}", digest::hex(&digest[..4]));
        #[expect(clippy::expect_used, reason = "a test creates one")]
        let nickname = Nickname::parse(&nickname).expect("a nickname");
        Self { user_id, nickname, image: None, grade: Grade::Bronze, version: 1 }
    }

    /// The entity tag of what setting the profile can change.
    #[must_use]
    pub fn etag(&self) -> ETag {
        ETag::of(&(&self.nickname, &self.image, self.grade))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_initial_nickname_is_derived_from_the_id() {
        let (one, other) = (UserId::derive(&[b"1"]), UserId::derive(&[b"2"]));
        let profile = Profile::initial(one);
        assert_eq!(profile, Profile::initial(one));
        assert_ne!(profile.nickname, Profile::initial(other).nickname);
        assert!(
            profile.nickname.as_str().starts_with("buyer-")
                && profile.nickname.as_str().len() == 14
        );
        assert_eq!((profile.image, profile.grade), (None, Grade::Bronze));
    }
}
