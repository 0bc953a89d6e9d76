use crate::{
    domain::profile::{Grade, Nickname, Profile},
    ports::ProfileStore,
};
use rialto_kernel::{
    IfMatch, ImageUrl, PreconditionFailed, StoreError, UserId, Write,
    store::{self, Attempt},
};

/// The new content of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileUpdate {
    pub nickname: Nickname,
    pub image: Option<ImageUrl>,
    /// `None` leaves the grade unchanged.
    pub grade: Option<Grade>,
    /// Only supervisors may change a grade.
    pub by_supervisor: bool,
}

/// Errors of setting a profile.
#[derive(Debug, thiserror::Error)]
pub enum SetProfileError {
    #[error("profile not found")]
    NotFound,
    #[error("only supervisors may change a grade")]
    Forbidden,
    #[error(transparent)]
    PreconditionFailed(#[from] PreconditionFailed),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sets nickname and image and, for a supervisor, the grade. With `if_match`, it fails once the
/// profile isn't the one that the client has read.
///
/// # Errors
/// [`SetProfileError`]. Nothing was written, unless the store's outcome is unknown.
pub async fn set_profile(
    store: &impl ProfileStore,
    user: UserId,
    update: &ProfileUpdate,
    if_match: &IfMatch,
) -> Result<Profile, SetProfileError> {
    store::update(|| async {
        let profile = store.profile(user).await?.ok_or(SetProfileError::NotFound)?;
        let grade = update.grade.unwrap_or(profile.grade);
        if grade != profile.grade && !update.by_supervisor {
            return Err(SetProfileError::Forbidden);
        }
        if_match.check(&profile.etag())?;
        let ProfileUpdate { nickname, image, .. } = update.clone();
        let next = Profile { nickname, image, grade, version: profile.version + 1, ..profile };
        Ok(match store.save_profile(&next).await? {
            Write::Done => Attempt::Done(next),
            // A write whose response was lost is sent again and then conflicts with itself.
            Write::Conflict(()) if store.profile(user).await?.as_ref() == Some(&next) => {
                Attempt::Done(next)
            }
            Write::Conflict(()) => Attempt::Conflict,
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryAccounts,
        testing::{FaultyStore, registered_user},
    };

    fn update(nickname: &str, grade: Option<Grade>, by_supervisor: bool) -> ProfileUpdate {
        let nickname = Nickname::parse(nickname).unwrap();
        ProfileUpdate { nickname, image: None, grade, by_supervisor }
    }

    async fn if_match(store: &impl ProfileStore, user: UserId) -> IfMatch {
        let etag = store.profile(user).await.unwrap().unwrap().etag();
        IfMatch::parse(etag.as_str()).unwrap()
    }

    #[tokio::test]
    async fn buyers_set_their_profile_but_not_their_grade() {
        let store = MemoryAccounts::default();
        let user = registered_user(&store, "ann@example.com").await;
        let set = async |grade, by_supervisor| {
            let update = update("annie", grade, by_supervisor);
            set_profile(&store, user, &update, &IfMatch::Absent).await
        };
        let profile = set(None, false).await.unwrap();
        let seen = (profile.nickname.as_str(), profile.grade, profile.version);
        assert_eq!(seen, ("annie", Grade::Bronze, 2));
        // A client may send back the grade that it has read.
        assert!(set(Some(Grade::Bronze), false).await.is_ok());
        let refused = set(Some(Grade::Gold), false).await;
        assert!(matches!(refused, Err(SetProfileError::Forbidden)));
        assert_eq!(store.profile(user).await.unwrap().unwrap().grade, Grade::Bronze);
        assert_eq!(set(Some(Grade::Gold), true).await.unwrap().grade, Grade::Gold);
        assert_eq!(set(None, true).await.unwrap().grade, Grade::Gold);
    }

    #[tokio::test]
    async fn a_profile_is_set_only_in_the_version_that_was_read() {
        let store = MemoryAccounts::default();
        let user = registered_user(&store, "ann@example.com").await;
        let read = if_match(&store, user).await;
        set_profile(&store, user, &update("annie", None, false), &read).await.unwrap();
        let refused = set_profile(&store, user, &update("anna", None, false), &read).await;
        assert!(matches!(refused, Err(SetProfileError::PreconditionFailed(_))), "{refused:?}");
        // Not being allowed to comes first.
        let gold = update("anna", Some(Grade::Gold), false);
        let refused = set_profile(&store, user, &gold, &read).await;
        assert!(matches!(refused, Err(SetProfileError::Forbidden)), "{refused:?}");
        assert_eq!(store.profile(user).await.unwrap().unwrap().nickname.as_str(), "annie");
    }

    #[tokio::test]
    async fn setting_fails_when_the_profile_changes_before_the_write() {
        let store = MemoryAccounts::default();
        let user = registered_user(&store, "ann@example.com").await;
        let read = if_match(&store, user).await;
        let racing = FaultyStore::with_concurrent_write(&store, async {
            let other = update("anna", None, false);
            set_profile(&store, user, &other, &IfMatch::Absent).await.unwrap();
        });
        let refused = set_profile(&racing, user, &update("annie", None, false), &read).await;
        assert!(matches!(refused, Err(SetProfileError::PreconditionFailed(_))), "{refused:?}");
        assert_eq!(store.profile(user).await.unwrap().unwrap().nickname.as_str(), "anna");
    }

    #[tokio::test]
    async fn a_profile_whose_response_was_lost_is_set_once() {
        let store = FaultyStore::with_lost_acks();
        let user = registered_user(&store.store, "ann@example.com").await;
        let read = if_match(&store, user).await;
        let set = set_profile(&store, user, &update("annie", None, false), &read).await.unwrap();
        assert_eq!(set.version, 2);
        assert_eq!(store.profile(user).await.unwrap(), Some(set));
    }
}
