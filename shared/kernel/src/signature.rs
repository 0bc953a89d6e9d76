//! Webhook signatures of the payment provider: `Stripe-Signature: t=<seconds>,v1=<hex>`, an
//! HMAC-SHA256 of `<t>.<body>` under a shared secret.

use crate::{Timestamp, digest};
use ring::hmac;
use std::time::Duration;

/// The name of the signature's header, in lower case.
pub const HEADER: &str = "stripe-signature";

/// The greatest difference between a signature's time and now. Limits the replay of intercepted
/// requests.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// The signature isn't valid for this body and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("must be t=<seconds>,v1=<signature>")]
    Malformed,
    #[error("timestamp outside tolerance")]
    OutOfTime,
    #[error("signature mismatch")]
    Wrong,
}

/// The header value for a body that is sent `now`.
#[must_use]
pub fn sign(secret: &str, body: &[u8], now: Timestamp) -> String {
    let time = now.seconds().to_string();
    let signature = hmac::sign(&key(secret), &signed(&time, body));
    format!("t={time},v1={}", digest::hex(signature.as_ref()))
}

/// Verifies a header against the raw body. During a change of the secret the provider signs with
/// the old and the new one, so one of several signatures has to match. Nothing matches an empty
/// secret.
///
/// # Errors
/// [`SignatureError`] unless a signature matches and its time is within [`TOLERANCE`].
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

/// Decodes hexadecimal text.
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
    fn signatures_have_the_documented_form() {
        // printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test
        let expected =
            "t=1700000000,v1=c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925";
        assert_eq!(sign(SECRET, BODY, NOW), expected);
        assert_eq!(verify_at(expected, 0), Ok(()));
        let shouted = expected.to_uppercase().replace("T=", "t=").replace("V1=", "v1=");
        assert_eq!(verify_at(&shouted, 0), Ok(()));
    }

    #[test]
    fn signatures_depend_on_body_time_and_secret() {
        let header = sign(SECRET, BODY, NOW);
        assert_eq!(verify(SECRET, &header, b"{\"id\":\"evt_2\"}", NOW), Err(SignatureError::Wrong));
        assert_eq!(verify("whsec_other", &header, BODY, NOW), Err(SignatureError::Wrong));
        let moved = header.replace("t=1700000000", "t=1700000001");
        assert_eq!(verify_at(&moved, 0), Err(SignatureError::Wrong));
        assert_eq!(verify("", &sign("", BODY, NOW), BODY, NOW), Err(SignatureError::Wrong));
    }

    #[test]
    fn signatures_are_valid_for_five_minutes_either_way() {
        let header = sign(SECRET, BODY, NOW);
        for seconds in [-300, -1, 0, 1, 300] {
            assert_eq!(verify_at(&header, seconds), Ok(()), "{seconds}");
        }
        for seconds in [-301, 301, i64::from(i32::MAX)] {
            assert_eq!(verify_at(&header, seconds), Err(SignatureError::OutOfTime), "{seconds}");
        }
    }

    #[test]
    fn one_matching_signature_of_several_is_enough() {
        let (new, old) = (sign(SECRET, BODY, NOW), sign("whsec_old", BODY, NOW));
        let both = format!("{old},{}", new.split_once(',').unwrap().1);
        assert_eq!(verify_at(&both, 0), Ok(()));
        assert_eq!(verify_at(&format!("{new},v0=00,v1=xyz,v1=abc"), 0), Ok(()));
        assert_eq!(verify_at(&old, 0), Err(SignatureError::Wrong));
    }

    #[test]
    fn malformed_headers_are_refused() {
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
