use crate::{
    domain::profile::{Grade, Nickname, Profile},
    ports::ProfileStore,
};
use rialto_kernel::{ImageUrl, StoreError, UserId, Write};

/// What a profile is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileUpdate {
    pub nickname: Nickname,
    pub image: Option<ImageUrl>,
    /// None leaves it as it is.
    pub grade: Option<Grade>,
    /// Only a supervisor may change a grade.
    pub by_supervisor: bool,
}

/// Why a profile is as it was.
#[derive(Debug, thiserror::Error)]
pub enum SetProfileError {
    #[error("there is no such profile")]
    NotFound,
    #[error("only supervisors change a grade")]
    Forbidden,
    #[error("others change the profile at the same moment")]
    Contended,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How often a profile is set anew because somebody else came first.
const MAX_ATTEMPTS: u32 = 5;

/// Sets nickname and image; a supervisor the grade, too.
///
/// # Errors
/// [`SetProfileError`]; nothing has changed then, unless the store can't tell.
pub async fn set_profile(
    store: &impl ProfileStore,
    user: UserId,
    wanted: &ProfileUpdate,
) -> Result<Profile, SetProfileError> {
    for _ in 0..MAX_ATTEMPTS {
        let profile = store.profile(user).await?.ok_or(SetProfileError::NotFound)?;
        let grade = wanted.grade.unwrap_or(profile.grade);
        if grade != profile.grade && !wanted.by_supervisor {
            return Err(SetProfileError::Forbidden);
        }
        let ProfileUpdate { nickname, image, .. } = wanted.clone();
        let next = Profile { nickname, image, grade, version: profile.version + 1, ..profile };
        match store.save_profile(&next).await? {
            Write::Done => return Ok(next),
            Write::Conflict(()) => {}
        }
    }
    Err(SetProfileError::Contended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{adapters::memory::MemoryAccounts, testing::registered_buyer};
    use rialto_kernel::AccountId;

    #[tokio::test]
    async fn a_buyer_may_set_everything_but_the_grade() {
        let store = MemoryAccounts::default();
        let AccountId::User(user) = registered_buyer(&store, "ann@example.com").await.account_id
        else {
            panic!("a buyer")
        };
        let wanted = |grade, by_supervisor| ProfileUpdate {
            nickname: Nickname::parse("annie").unwrap(),
            image: None,
            grade,
            by_supervisor,
        };
        let set = set_profile(&store, user, &wanted(None, false)).await.unwrap();
        assert_eq!((set.nickname.as_str(), set.grade, set.version), ("annie", Grade::Bronze, 2));
        // What was read may be sent back.
        assert!(set_profile(&store, user, &wanted(Some(Grade::Bronze), false)).await.is_ok());
        let refused = set_profile(&store, user, &wanted(Some(Grade::Gold), false)).await;
        assert!(matches!(refused, Err(SetProfileError::Forbidden)));
        assert_eq!(store.profile(user).await.unwrap().unwrap().grade, Grade::Bronze);
        let set = set_profile(&store, user, &wanted(Some(Grade::Gold), true)).await.unwrap();
        assert_eq!(set.grade, Grade::Gold);
        let kept = set_profile(&store, user, &wanted(None, true)).await.unwrap();
        assert_eq!(kept.grade, Grade::Gold);
    }
}
