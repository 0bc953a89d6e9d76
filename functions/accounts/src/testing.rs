//! What the unit tests of several modules need.

use crate::{
    domain::{
        account::Details,
        contact::{Email, Name, Phone},
        credential::{Credential, Password, PasswordHash},
        registration::Registration,
    },
    ports::{HashError, Passwords, Registrar},
};
use rialto_contracts::Cause;
use rialto_kernel::{Clock, SystemClock, UserId, Write};

pub(crate) const PASSWORD: &str = "correct horse";

/// Hashes nothing.
#[derive(Clone, Copy)]
pub(crate) struct PlainPasswords;

impl Passwords for PlainPasswords {
    fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
        Ok(PasswordHash(format!("hash of {}", password.as_str())))
    }
    fn verify(&self, password: &Password, hash: &PasswordHash) -> bool {
        hash.0 == format!("hash of {}", password.as_str())
    }
    fn decoy(&self) -> PasswordHash {
        PasswordHash("decoy".to_owned())
    }
}

pub(crate) fn details(email: &str) -> Details {
    Details {
        email: Email::parse(email).unwrap(),
        name: Name::parse("Ann Lee").unwrap(),
        phone: Some(Phone::parse("+491701234567").unwrap()),
    }
}

/// A buyer whose password is [`PASSWORD`].
pub(crate) async fn registered(store: &impl Registrar, email: &str) -> Credential {
    let now = SystemClock.now();
    let hash = PlainPasswords.hash(&Password::choose(PASSWORD).unwrap()).unwrap();
    let registration =
        Registration::user(UserId::generate(now), details(email), hash, &Cause::default(), now);
    assert_eq!(store.register(&registration).await, Ok(Write::Done));
    registration.credential
}
