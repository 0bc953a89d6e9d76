use crate::failure::Failure;
use std::io::Read;

/// Letters and digits that nobody takes for one another: 56 of them, so 24 make 139 bits.
const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789";
const LENGTH: usize = 24;

/// A random password.
///
/// # Errors
/// [`Failure`] where the system has no randomness.
pub(crate) fn generate() -> Result<String, Failure> {
    let mut password = String::with_capacity(LENGTH);
    while password.len() < LENGTH {
        let mut bytes = [0; 2 * LENGTH];
        getrandom::fill(&mut bytes).map_err(|error| {
            Failure::new(
                format!("No password could be made: {error}"),
                "Give one with --password-stdin.",
            )
        })?;
        // Six bits that name no letter are left out: none is favoured.
        let fair = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 63)));
        password.extend(fair.take(LENGTH - password.len()).map(|letter| char::from(*letter)));
    }
    Ok(password)
}

/// A secret that is piped in: standard input without the line's end.
///
/// # Errors
/// [`Failure`] for anything but UTF-8.
pub(crate) fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|error| {
        Failure::new(
            format!("Standard input can't be read: {error}"),
            "Pipe the value in as UTF-8 text.",
        )
    })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_and_differ() {
        let (a, b) = (generate().unwrap(), generate().unwrap());
        assert_eq!(a.len(), 24);
        assert_ne!(a, b);
        assert!(rialto_accounts::domain::credential::Password::new(&a).is_ok());
        assert!(a.bytes().all(|letter| ALPHABET.contains(&letter)));
    }
}
