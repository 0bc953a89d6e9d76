//! Password hashing with argon2id: 19 MiB, two passes, one lane (OWASP's minimum).

use crate::{
    domain::credential::{Password, PasswordHash},
    ports::{HashError, PasswordHasher},
};
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier, Version};
use ring::rand::{SecureRandom, SystemRandom};

/// Hashes on the calling thread: an invocation has no other work to do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Argon2Hasher;

/// A hash with the usual parameters and a random salt and result, for which no password is known.
const DUMMY_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1\
    $+xRw8BCBgrzg87B9am1ufw$22FMUJHCFXUBNCNfWyCCqwMHbI4IR7xP/mxFMT38ZBg";

fn argon2() -> Argon2<'static> {
    // A test checks that the crate's defaults are the parameters above.
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

impl PasswordHasher for Argon2Hasher {
    fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
        let mut salt = [0; 16];
        SystemRandom::new().fill(&mut salt).map_err(|_| HashError)?;
        let hash = argon2().hash_password_with_salt(password.as_str().as_bytes(), &salt);
        hash.map(|hash| PasswordHash(hash.to_string())).map_err(|_| HashError)
    }

    fn verify(&self, password: &Password, hash: &PasswordHash) -> bool {
        argon2().verify_password(password.as_str().as_bytes(), hash.0.as_str()).is_ok()
    }

    fn dummy_hash(&self) -> PasswordHash {
        PasswordHash(DUMMY_HASH.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_verifies_only_its_own_password() {
        let password = Password::new("correct horse").unwrap();
        let hash = Argon2Hasher.hash(&password).unwrap();
        assert!(Argon2Hasher.verify(&password, &hash));
        assert!(!Argon2Hasher.verify(&Password::new("correct house").unwrap(), &hash));
        assert_ne!(Argon2Hasher.hash(&password).unwrap(), hash, "each hash has its own salt");
    }

    #[test]
    fn verifying_a_dummy_hash_costs_the_same() {
        let hash = Argon2Hasher.hash(&Password::new("correct horse").unwrap()).unwrap();
        for hash in [hash, Argon2Hasher.dummy_hash()] {
            assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
            let parsed = argon2::PasswordHash::new(&hash.0).unwrap();
            assert_eq!(parsed.salt.unwrap().len(), 16);
            assert_eq!(parsed.hash.unwrap().len(), 32);
        }
    }

    #[test]
    fn an_invalid_hash_never_verifies() {
        let password = Password::new("correct horse").unwrap();
        assert!(!Argon2Hasher.verify(&password, &PasswordHash(String::new())));
    }
}
