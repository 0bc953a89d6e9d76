use crate::failure::Failure;
use std::io::Read;

/// Unambiguous letters and digits: 56 of them, so that 24 characters have 139 bits.
const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789";
const LENGTH: usize = 24;

/// Generates a random password.
///
/// # Errors
/// [`Failure`] if the system has no source of randomness.
pub(crate) fn generate() -> Result<String, Failure> {
    let mut password = String::with_capacity(LENGTH);
    while password.len() < LENGTH {
        let mut bytes = [0; 2 * LENGTH];
        getrandom::fill(&mut bytes).map_err(|error| {
            Failure::new(
                format!("A password can't be generated: {error}"),
                "Give one with --password-stdin.",
            )
        })?;
        // Six-bit values beyond the alphabet are skipped, so that no character is more likely.
        let fair = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 63)));
        password.extend(fair.take(LENGTH - password.len()).map(|letter| char::from(*letter)));
    }
    Ok(password)
}

/// Reads a secret from standard input, without the line ending.
///
/// # Errors
/// [`Failure`] unless it is valid UTF-8.
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
