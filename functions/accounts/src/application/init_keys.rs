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

/// What was done about the keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InitKeysSummary {
    /// The roles that had no signing key and now have one.
    pub signing_keys: Vec<Role>,
    /// Whether there was no key for refresh tokens.
    pub refresh_key: bool,
    /// Whether the published set wasn't complete.
    pub published: bool,
}

/// Why keys are missing still. Whatever was made stays; another try goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum InitKeysError {
    #[error("the key of {0} was added and can't be read")]
    Lost(Role),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes the keys that a stage lacks and publishes the public ones. Keys that exist, and public keys that are
/// published already, stay.
///
/// # Errors
/// [`InitKeysError`]; do it again.
pub async fn init_keys(
    keys: &(impl KeyReader + KeyWriter),
) -> Result<InitKeysSummary, InitKeysError> {
    let mut prepared = InitKeysSummary::default();
    for role in Role::ALL {
        if keys.current_signing_key(role).await?.is_none() {
            let (secret, _) = new_signing_key(role)?;
            if keys.add_signing_key(role, &secret).await? == Write::Done {
                prepared.signing_keys.push(role);
            }
            keys.current_signing_key(role).await?.ok_or(InitKeysError::Lost(role))?;
        }
    }
    let complete = async |published: &Jwks| -> Result<Jwks, InitKeysError> {
        with_signing_keys(keys, published).await
    };
    prepared.published = !update_jwks(keys, complete).await?.found;
    if keys.refresh_key().await?.is_none() {
        prepared.refresh_key = keys.add_refresh_key(&RefreshKey::generate()?).await? == Write::Done;
    }
    Ok(prepared)
}

/// A new key and its public half, named by a digest of it.
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
    async fn every_role_gets_a_key_of_its_own_and_its_public_half_is_published() {
        let keys = MemoryKeys::default();
        let prepared = init_keys(&keys).await.unwrap();
        assert_eq!(prepared.signing_keys, Role::ALL);
        assert!(prepared.refresh_key && prepared.published);

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
    async fn the_second_time_nothing_changes() {
        let keys = MemoryKeys::default();
        init_keys(&keys).await.unwrap();
        let before = (keys.published().await.unwrap(), keys.refresh_key().await.unwrap());
        assert_eq!(init_keys(&keys).await.unwrap(), InitKeysSummary::default());
        assert_eq!((keys.published().await.unwrap(), keys.refresh_key().await.unwrap()), before);
    }

    #[tokio::test]
    async fn what_exists_is_kept_and_only_what_lacks_is_made() {
        let keys = MemoryKeys::default();
        let (pkcs8, _) = token::generate_key(String::new(), Role::Seller).unwrap();
        let seller = SigningSecret { kid: "seller-1".to_owned(), pkcs8 };
        assert_eq!(keys.add_signing_key(Role::Seller, &seller).await, Ok(Write::Done));
        assert_eq!(keys.add_refresh_key(&RefreshKey([7; 32])).await, Ok(Write::Done));

        let prepared = init_keys(&keys).await.unwrap();
        assert_eq!(prepared.signing_keys, [Role::User, Role::Supervisor]);
        assert!(!prepared.refresh_key);
        assert_eq!(keys.signing_key(Role::Seller).await.unwrap(), Some(seller));
        assert_eq!(keys.refresh_key().await.unwrap(), Some(RefreshKey([7; 32])));
        assert!(keys.published().await.unwrap().keys.iter().any(|key| key.kid == "seller-1"));
    }

    #[tokio::test]
    async fn a_published_key_that_still_verifies_tokens_stays() {
        let keys = MemoryKeys::default();
        let (_, old): (_, Jwk) = token::generate_key("user-old".to_owned(), Role::User).unwrap();
        keys.publish(&Jwks { keys: vec![old.clone()] }).await.unwrap();
        init_keys(&keys).await.unwrap();
        let published = keys.published().await.unwrap();
        assert_eq!(published.keys.len(), 4);
        assert!(published.keys.contains(&old));
    }
}
