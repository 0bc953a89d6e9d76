//! Passwords hashed with argon2id: 19 MiB, two passes, one lane (what OWASP asks for at least).

use crate::{
    domain::credential::{Password, PasswordHash},
    ports::{HashError, PasswordHasher},
};
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier, Version};
use ring::rand::{SecureRandom, SystemRandom};

/// Hashes on the thread that asks: a function has nothing else to do meanwhile.
#[derive(Debug, Clone, Copy, Default)]
pub struct Argon2Passwords;

/// In the form of every other, with salt and result drawn by lot: nobody knows a password for it.
const DUMMY_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$+xRw8BCBgrzg87B9am1ufw$22FMUJHCFXUBNCNfWyCCqwMHbI4IR7xP/mxFMT38ZBg";

fn argon2() -> Argon2<'static> {
    // The crate's defaults are the figures above; a test holds them to it.
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

impl PasswordHasher for Argon2Passwords {
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
    fn a_hash_is_its_passwords_alone() {
        let password = Password::new("correct horse").unwrap();
        let hash = Argon2Passwords.hash(&password).unwrap();
        assert!(Argon2Passwords.verify(&password, &hash));
        assert!(!Argon2Passwords.verify(&Password::new("correct house").unwrap(), &hash));
        assert_ne!(
            Argon2Passwords.hash(&password).unwrap(),
            hash,
            "each hash has a salt of its own"
        );
    }

    #[test]
    fn hash_and_decoy_cost_the_same() {
        let hash = Argon2Passwords.hash(&Password::new("correct horse").unwrap()).unwrap();
        for hash in [hash, Argon2Passwords.dummy_hash()] {
            assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
            let parsed = argon2::PasswordHash::new(&hash.0).unwrap();
            assert_eq!(parsed.salt.unwrap().len(), 16);
            assert_eq!(parsed.hash.unwrap().len(), 32);
        }
    }

    #[test]
    fn nobody_gets_in_with_a_hash_that_is_none() {
        let password = Password::new("correct horse").unwrap();
        assert!(!Argon2Passwords.verify(&password, &PasswordHash(String::new())));
    }
}
