//! How the payment provider signs what it posts: `Stripe-Signature: t=<seconds>,v1=<hex>`, an HMAC-SHA256 of
//! `<t>.<body>` under a secret that both sides know.

use crate::{Timestamp, digest};
use ring::hmac;
use std::time::Duration;

/// The header that carries it, in lower case.
pub const HEADER: &str = "stripe-signature";

/// How far a signature's time may be from now, either way: what was caught on its way is good no longer than this.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// Why something wasn't signed by who knows the secret, or not just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("must be t=<seconds>,v1=<signature>")]
    Malformed,
    #[error("is of another time")]
    OutOfTime,
    #[error("doesn't belong to this body")]
    Wrong,
}

/// The header for a body that is sent now.
#[must_use]
pub fn sign(secret: &str, body: &[u8], now: Timestamp) -> String {
    let time = now.seconds().to_string();
    let signature = hmac::sign(&key(secret), &signed(&time, body));
    format!("t={time},v1={}", digest::hex(signature.as_ref()))
}

/// Checks a header against the body as it came. While its secret changes, the provider signs by the old one and the new
/// one: one of several signatures has to be right. Nothing is right under an empty secret.
///
/// # Errors
/// [`SignatureError`] unless one is right and of this time.
pub fn verify(
    secret: &str,
    header: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<(), SignatureError> {
    let parts: Vec<(&str, &str)> =
        header.split(',').filter_map(|part| part.trim().split_once('=')).collect();
    let all = |name: &'static str| {
        parts.iter().filter(move |(given, _)| *given == name).map(|part| part.1)
    };
    let time = match all("t").collect::<Vec<_>>()[..] {
        [time] => time,
        _ => return Err(SignatureError::Malformed),
    };
    let seconds: i64 = time.parse().map_err(|_| SignatureError::Malformed)?;
    let signatures: Vec<Vec<u8>> = all("v1").filter_map(bytes).collect();
    if signatures.is_empty() {
        return Err(SignatureError::Malformed);
    }
    if now.seconds().abs_diff(seconds) > TOLERANCE.as_secs() {
        return Err(SignatureError::OutOfTime);
    }
    let (key, signed) = (key(secret), signed(time, body));
    let right = signatures.iter().any(|signature| hmac::verify(&key, &signed, signature).is_ok());
    if right && !secret.is_empty() { Ok(()) } else { Err(SignatureError::Wrong) }
}

fn key(secret: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())
}

fn signed(time: &str, body: &[u8]) -> Vec<u8> {
    [time.as_bytes(), b".", body].concat()
}

/// What hexadecimal text stands for.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let pair = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    if rest.is_empty() { pairs.iter().map(pair).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_test";
    const BODY: &[u8] = b"{\"id\":\"evt_1\"}";
    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_250);

    fn verify_at(header: &str, seconds: i64) -> Result<(), SignatureError> {
        verify(SECRET, header, BODY, Timestamp::from_millis((1_700_000_000 + seconds) * 1000))
    }

    #[test]
    fn a_signature_is_the_one_that_the_provider_documents() {
        // printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test
        let expected =
            "t=1700000000,v1=c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925";
        assert_eq!(sign(SECRET, BODY, NOW), expected);
        assert_eq!(verify_at(expected, 0), Ok(()));
        let shouted = expected.to_uppercase().replace("T=", "t=").replace("V1=", "v1=");
        assert_eq!(verify_at(&shouted, 0), Ok(()));
    }

    #[test]
    fn a_signature_belongs_to_one_body_one_time_and_one_secret() {
        let header = sign(SECRET, BODY, NOW);
        assert_eq!(verify(SECRET, &header, b"{\"id\":\"evt_2\"}", NOW), Err(SignatureError::Wrong));
        assert_eq!(verify("whsec_other", &header, BODY, NOW), Err(SignatureError::Wrong));
        let moved = header.replace("t=1700000000", "t=1700000001");
        assert_eq!(verify_at(&moved, 0), Err(SignatureError::Wrong));
        assert_eq!(verify("", &sign("", BODY, NOW), BODY, NOW), Err(SignatureError::Wrong));
    }

    #[test]
    fn a_signature_is_good_for_five_minutes_either_way() {
        let header = sign(SECRET, BODY, NOW);
        for seconds in [-300, -1, 0, 1, 300] {
            assert_eq!(verify_at(&header, seconds), Ok(()), "{seconds}");
        }
        for seconds in [-301, 301, i64::from(i32::MAX)] {
            assert_eq!(verify_at(&header, seconds), Err(SignatureError::OutOfTime), "{seconds}");
        }
    }

    #[test]
    fn one_of_several_signatures_has_to_be_right() {
        let (new, old) = (sign(SECRET, BODY, NOW), sign("whsec_old", BODY, NOW));
        let both = format!("{old},{}", new.split_once(',').unwrap().1);
        assert_eq!(verify_at(&both, 0), Ok(()));
        assert_eq!(verify_at(&format!("{new},v0=00,v1=xyz,v1=abc"), 0), Ok(()));
        assert_eq!(verify_at(&old, 0), Err(SignatureError::Wrong));
    }

    #[test]
    fn anything_else_is_malformed() {
        let good = sign(SECRET, BODY, NOW);
        let (time, signature) = good.split_once(',').unwrap();
        for header in [
            "",
            "nonsense",
            time,
            signature,
            "t=soon,v1=00",
            "t=1700000000,v1=",
            "t=1700000000,v1=0",
            "t=1700000000,v0=00",
            &format!("{time},{good}"),
        ] {
            let found = verify_at(header, 0);
            assert!(
                matches!(found, Err(SignatureError::Malformed | SignatureError::Wrong)),
                "{header}: {found:?}"
            );
        }
        assert_eq!(verify_at("t=1700000000,v1=zz", 0), Err(SignatureError::Malformed));
    }
}
