//! Creation of a stage's keys.

use super::publish_keys::{update_jwks, with_signing_keys};
use crate::{
    domain::{
        refresh_token::{RandomnessError, RefreshKey},
        signing_key::SigningSecret,
    },
    ports::{KeyReader, KeyWriter},
};
use rialto_kernel::{Role, StoreError, Write, digest};
use rialto_lambda::token::{self, Jwk, Jwks, KeyError};

/// The changes made by initialising the keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InitKeysSummary {
    /// The roles whose signing key was created.
    pub signing_keys: Vec<Role>,
    /// Whether the key of refresh tokens was created.
    pub refresh_key: bool,
    /// Whether public keys were published.
    pub published: bool,
}

/// Errors that leave the keys incomplete. Safe to retry: keys that were created are kept.
#[derive(Debug, thiserror::Error)]
pub enum InitKeysError {
    #[error("the signing key of {0} accounts was stored but can't be read")]
    Lost(Role),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Creates the keys that a stage lacks and publishes the public ones. Existing and published keys
/// are kept.
///
/// # Errors
/// [`InitKeysError`].
pub async fn init_keys(
    keys: &(impl KeyReader + KeyWriter),
) -> Result<InitKeysSummary, InitKeysError> {
    let mut summary = InitKeysSummary::default();
    for role in Role::ALL {
        if keys.current_signing_key(role).await?.is_none() {
            let (secret, _) = new_signing_key(role)?;
            if keys.add_signing_key(role, &secret).await? == Write::Done {
                summary.signing_keys.push(role);
            }
            keys.current_signing_key(role).await?.ok_or(InitKeysError::Lost(role))?;
        }
    }
    let with_missing = async |published: &Jwks| -> Result<Jwks, InitKeysError> {
        with_signing_keys(keys, published).await
    };
    summary.published = !update_jwks(keys, with_missing).await?.unchanged;
    if keys.refresh_keys().await?.is_none() {
        summary.refresh_key = keys.add_refresh_key(&RefreshKey::generate()?).await? == Write::Done;
    }
    Ok(summary)
}

/// Generates a key pair whose key id is a digest of the public key.
pub(super) fn new_signing_key(role: Role) -> Result<(SigningSecret, Jwk), KeyError> {
    let (pkcs8, mut public) = token::generate_key(String::new(), role)?;
    let digest = digest::sha256(&[public.x.as_bytes(), public.y.as_bytes()]);
    public.kid = format!("{}-{}", role.as_str().to_ascii_lowercase(), digest::hex(&digest[..8]));
    Ok((SigningSecret { kid: public.kid.clone(), pkcs8 }, public))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::memory::MemoryKeys;

    #[tokio::test]
    async fn each_role_gets_a_key_whose_public_half_is_published() {
        let keys = MemoryKeys::default();
        let summary = init_keys(&keys).await.unwrap();
        assert_eq!(summary.signing_keys, Role::ALL);
        assert!(summary.refresh_key && summary.published);

        let published = keys.published().await.unwrap();
        assert_eq!(published.keys.iter().map(|key| key.role).collect::<Vec<_>>(), Role::ALL);
        for key in &published.keys {
            let secret = keys.signing_key(key.role).await.unwrap().unwrap();
            let public = token::public_key(secret.kid, key.role, &secret.pkcs8).unwrap();
            assert_eq!(&public, key);
        }
        let mut kids: Vec<_> = published.keys.iter().map(|key| key.kid.clone()).collect();
        kids.dedup();
        assert_eq!(kids.len(), 3);
        assert!(kids[0].starts_with("user-"), "{kids:?}");
    }

    #[tokio::test]
    async fn initialising_twice_changes_nothing() {
        let keys = MemoryKeys::default();
        init_keys(&keys).await.unwrap();
        let before = (keys.published().await.unwrap(), keys.refresh_keys().await.unwrap());
        assert_eq!(init_keys(&keys).await.unwrap(), InitKeysSummary::default());
        assert_eq!((keys.published().await.unwrap(), keys.refresh_keys().await.unwrap()), before);
    }

    #[tokio::test]
    async fn existing_keys_are_kept_and_missing_ones_created() {
        let keys = MemoryKeys::default();
        let (pkcs8, _) = token::generate_key(String::new(), Role::Seller).unwrap();
        let seller = SigningSecret { kid: "seller-1".to_owned(), pkcs8 };
        assert_eq!(keys.add_signing_key(Role::Seller, &seller).await, Ok(Write::Done));
        assert_eq!(keys.add_refresh_key(&RefreshKey([7; 32])).await, Ok(Write::Done));

        let summary = init_keys(&keys).await.unwrap();
        assert_eq!(summary.signing_keys, [Role::User, Role::Supervisor]);
        assert!(!summary.refresh_key);
        assert_eq!(keys.signing_key(Role::Seller).await.unwrap(), Some(seller));
        assert_eq!(keys.refresh_keys().await.unwrap(), Some(RefreshKey([7; 32]).into()));
        assert!(keys.published().await.unwrap().keys.iter().any(|key| key.kid == "seller-1"));
    }

    #[tokio::test]
    async fn published_keys_that_dont_sign_any_more_are_kept() {
        let keys = MemoryKeys::default();
        let (_, old): (_, Jwk) = token::generate_key("user-old".to_owned(), Role::User).unwrap();
        keys.publish(&Jwks { keys: vec![old.clone()] }).await.unwrap();
        init_keys(&keys).await.unwrap();
        let published = keys.published().await.unwrap();
        assert_eq!(published.keys.len(), 4);
        assert!(published.keys.contains(&old));
    }
}
