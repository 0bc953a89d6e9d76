//! Every setting: its name under `/rialto/<stage>/` in the parameter store or, for secrets, under
//! `rialto/<stage>/` in Secrets Manager; its type, range, default and meaning.

use crate::{Amount, Currency};
use std::time::Duration;

/// One setting. `parse` rejects values out of range with a message.
#[derive(Debug)]
pub struct Setting<T> {
    /// The name below `/rialto/<stage>/`.
    pub name: &'static str,
    pub default: &'static str,
    /// The allowed values, in words.
    pub range: &'static str,
    pub doc: &'static str,
    pub parse: fn(&str) -> Result<T, String>,
}

/// The one currency of the shop.
pub const CURRENCY: Setting<Currency> = Setting {
    name: "shop/currency",
    default: "EUR",
    range: "three upper-case letters (ISO 4217)",
    doc: "The currency of every price. Don't change it once there are orders.",
    parse: |text| Currency::parse(text).map_err(|error| error.to_string()),
};

pub const SHIPPING_FEE: Setting<Amount> = Setting {
    name: "orders/shipping-fee",
    default: "300",
    range: "0 to 1000000 minor units",
    doc: "The flat shipping fee of an order.",
    parse: |text| amount(text, 1_000_000),
};

pub const FREE_SHIPPING_FROM: Setting<Amount> = Setting {
    name: "orders/free-shipping-from",
    default: "5000",
    range: "0 to 1000000000000 minor units",
    doc: "An order whose lines cost this much or more is shipped free.",
    parse: |text| amount(text, Amount::MAX.minor_units()),
};

pub const PENDING_DEADLINE: Setting<Duration> = Setting {
    name: "orders/pending-deadline",
    default: "900",
    range: "5 to 86400 seconds",
    doc: "How long an order may stay PENDING before it is cancelled (TIMEOUT).",
    parse: |text| seconds(text, 5, 86_400),
};

/// How long the seller of a confirmed order's line may take to accept it.
pub const ACCEPT_DEADLINE: Setting<Duration> = Setting {
    name: "orders/accept-deadline",
    default: "259200",
    range: "1 to 31536000 seconds",
    doc: "How long a line may stay ORDERED before it is rejected. For orders that are placed from \
          then on.",
    parse: |text| seconds(text, 1, 31_536_000),
};

/// How long a seller may take to confirm a cancel request whose delivery is held.
pub const CANCEL_DEADLINE: Setting<Duration> = Setting {
    name: "orders/cancel-deadline",
    default: "259200",
    range: "1 to 31536000 seconds",
    doc: "How long a held line may stay CANCELING before it is cancelled. For orders that are \
          placed from then on.",
    parse: |text| seconds(text, 1, 31_536_000),
};

/// How long delivery may take to respond to a cancel request.
pub const HOLD_RETRY: Setting<Duration> = Setting {
    name: "orders/hold-retry",
    default: "3600",
    range: "1 to 86400 seconds",
    doc: "After which time an unanswered cancel request is published again. For orders that are \
          placed from then on.",
    parse: |text| seconds(text, 1, 86_400),
};

/// How long after its delivery a line can be returned.
pub const RETURN_WINDOW: Setting<Duration> = Setting {
    name: "orders/return-window",
    default: "1209600",
    range: "0 to 31536000 seconds",
    doc: "How long after its delivery a line's return can be requested. For orders that are placed \
          from then on.",
    parse: |text| seconds(text, 0, 31_536_000),
};

/// How long a seller may take to confirm or decline a return.
pub const RETURN_DEADLINE: Setting<Duration> = Setting {
    name: "orders/return-deadline",
    default: "604800",
    range: "1 to 31536000 seconds",
    doc: "How long a line may stay RETURN_REQUESTED before it is returned and refunded. For orders \
          that are placed from then on.",
    parse: |text| seconds(text, 1, 31_536_000),
};

/// The time after which a delivery that is DELIVERING counts as delivered.
pub const DELIVERY_DEADLINE: Setting<Duration> = Setting {
    name: "delivery/delivery-deadline",
    default: "2592000",
    range: "5 to 31536000 seconds",
    doc: "How long a delivery may stay DELIVERING before it becomes DELIVERED (30 days).",
    parse: |text| seconds(text, 5, 31_536_000),
};

/// The time after which the receipt of a delivery that is DELIVERED counts as confirmed.
pub const RECEIPT_DEADLINE: Setting<Duration> = Setting {
    name: "delivery/receipt-deadline",
    default: "604800",
    range: "5 to 31536000 seconds",
    doc: "How long after a delivery its receipt counts as confirmed (7 days).",
    parse: |text| seconds(text, 5, 31_536_000),
};

/// The orders that a buyer may place within the deadline of PENDING orders; 0 without a limit.
pub const PLACEMENTS_PER_BUYER: Setting<u32> = Setting {
    name: "orders/placements-per-buyer",
    default: "50",
    range: "0 to 100000 orders; 0 without a limit",
    doc: "The orders that may be placed for a buyer within orders/pending-deadline; for an IP \
          address ten times as many.",
    parse: |text| whole_number(text, 0, 100_000),
};

/// The failed payments of a buyer within an hour after which no order is placed; 0 without a limit.
pub const FAILED_PAYMENTS_PER_BUYER: Setting<u32> = Setting {
    name: "orders/failed-payments-per-buyer",
    default: "10",
    range: "0 to 100000 payments; 0 without a limit",
    doc: "The payments of a buyer that may fail within an hour before orders are refused; for an \
          IP address ten times as many.",
    parse: |text| whole_number(text, 0, 100_000),
};

/// The attempts to register an account that one IP address has within 15 minutes, counted whatever
/// their outcome, separately for buyers and sellers.
pub const REGISTRATIONS_PER_ADDRESS: Setting<u32> = Setting {
    name: "accounts/registrations-per-address",
    default: "100",
    range: "1 to 1000000 attempts",
    doc: "How many attempts to register an account one IP address has within 15 minutes: to sign \
          up as a buyer, and separately to register sellers. Successes count, too.",
    parse: |text| whole_number(text, 1, 1_000_000),
};

/// The maximum age of a session, however often it is refreshed.
pub const SESSION_MAX_AGE: Setting<Duration> = Setting {
    name: "accounts/session-max-days",
    default: "90",
    range: "1 to 400 days",
    doc: "How many days after logging in a session ends, however often its tokens are refreshed.",
    parse: |text| whole_number(text, 1, 400).map(|days| Duration::from_secs(days * 86_400)),
};

/// The origins that browsers may call from.
pub const ALLOWED_ORIGINS: Setting<Vec<String>> = Setting {
    name: "http/allowed-origins",
    default: "",
    range: "up to 10 origins (scheme, host, port), separated by commas",
    doc: "The origins of web pages that may call the API with credentials (CORS). If empty, none may.",
    parse: |text| if text.trim().is_empty() { Ok(Vec::new()) } else { origins(text) },
};

/// The public keys that verify tokens, as a JWK set; managed by `rialto keys`.
pub const JWKS: Setting<String> = Setting {
    name: "auth/jwks",
    default: "{\"keys\":[]}",
    range: "a JWK set",
    doc: "The public keys that access tokens are verified with. Managed by `rialto keys`.",
    parse: |text| {
        if text.trim_start().starts_with('{') {
            Ok(text.to_owned())
        } else {
            Err("must be a JWK set".to_owned())
        }
    },
};

/// The sender of mail.
pub const MAIL_SENDER: Setting<String> = Setting {
    name: "mail/sender",
    default: "rialto@shop.example",
    range: "a mail address that SES has verified",
    doc: "The sender of every mail. It must be verified in SES.",
    parse: |text| {
        let text = text.trim();
        let plain = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic() && b != b'@')
        };
        match text.split_once('@') {
            Some((name, domain)) if plain(name) && plain(domain) && text.len() <= 254 => {
                Ok(text.to_owned())
            }
            _ => Err("must be a mail address".to_owned()),
        }
    },
};

/// The API key of the payment provider. A secret.
pub const PROVIDER_KEY: Setting<String> = Setting {
    name: "payments/provider-key",
    default: "",
    range: "8 to 255 printable ASCII characters without spaces; empty while there is none",
    doc: "The secret API key of the payment provider or its simulator. A secret.",
    parse: |text| match text.trim() {
        "" => Ok(String::new()),
        key if (8..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) => {
            Ok(key.to_owned())
        }
        _ => Err("must be 8 to 255 printable ASCII characters".to_owned()),
    },
};

/// The base URL of the payment provider: all of it before `/v1/…`.
pub const PROVIDER_URL: Setting<String> = Setting {
    name: "payments/provider-url",
    default: "https://api.stripe.com",
    range: "an https URL without a query; http only to this machine",
    doc: "The base URL of the payment provider (Stripe's API) or its simulator.",
    parse: provider_url,
};

/// The time after a failed charge within which the buyer may try another payment method.
pub const RETRY_WINDOW: Setting<Duration> = Setting {
    name: "payments/retry-window",
    default: "0",
    range: "0 to 86400 seconds; 0: a failed charge is final",
    doc: "How long after a failed charge the buyer may pay with another payment method, at most \
          until the order's deadline. Applies to payments that begin afterwards.",
    parse: |text| seconds(text, 0, 86_400),
};

/// Where the provider sends a buyer who has authenticated a payment.
pub const RETURN_URL: Setting<String> = Setting {
    name: "payments/return-url",
    default: "",
    range: "an https URL of at most 1000 characters; http only to this machine; empty for none",
    doc: "The shop's page to which the provider sends a buyer after an authentication (3-D \
          Secure). If empty, payment methods that need a redirect are refused.",
    parse: |text| if text.trim().is_empty() { Ok(String::new()) } else { page_url(text) },
};

/// The secret that the payment provider signs its webhooks with.
pub const WEBHOOK_SECRET: Setting<String> = Setting {
    name: "payments/webhook-secret",
    default: "",
    range: PROVIDER_KEY.range,
    doc: "The secret that signs the provider's webhooks. A secret. If empty, webhooks are refused.",
    parse: PROVIDER_KEY.parse,
};

/// The API key that the provider's simulator expects. A secret of its own, so that the simulator
/// can't read the key of a real provider.
pub const SIMULATOR_KEY: Setting<String> = Setting {
    name: "simulator/api-key",
    default: "",
    range: PROVIDER_KEY.range,
    doc: "The API key that the provider's simulator expects. A secret. If empty, it refuses requests.",
    parse: PROVIDER_KEY.parse,
};

/// The requests a second that the provider's simulator processes; 0 without a limit.
pub const SIMULATOR_RATE_LIMIT: Setting<u32> = Setting {
    name: "simulator/rate-limit",
    default: "0",
    range: "requests a second, at most 10000; 0 without a limit",
    doc: "The requests that the provider's simulator processes in a second; it answers 429 to others.",
    parse: |text| match text.trim().parse() {
        Ok(limit @ 0..=10_000) => Ok(limit),
        _ => Err("must be a whole number, at most 10000".to_owned()),
    },
};

/// The URL that the provider's simulator posts webhooks to: the API's own, which the template can't
/// reference.
pub const WEBHOOK_URL: Setting<String> = Setting {
    name: "simulator/webhook-url",
    default: "",
    range: "an https URL without a query; http only to this machine; empty for nowhere",
    doc: "The URL that the provider's simulator posts webhooks to.",
    parse: |text| if text.trim().is_empty() { Ok(String::new()) } else { provider_url(text) },
};

/// A setting without its type, for listing and checking all of them.
#[derive(Debug, Clone, Copy)]
pub struct Description {
    /// The name below `/rialto/<stage>/`.
    pub name: &'static str,
    pub default: &'static str,
    pub range: &'static str,
    pub doc: &'static str,
    /// Stored in Secrets Manager, and not shown unless asked for.
    pub secret: bool,
    /// Rejects values out of range with a message.
    pub check: fn(&str) -> Result<(), String>,
}

macro_rules! describe {
    ($($setting:ident $(($kind:ident))?),* $(,)?) => {
        &[$(Description {
            name: $setting.name,
            default: $setting.default,
            range: $setting.range,
            doc: $setting.doc,
            secret: describe!(@ $($kind)?),
            check: |text| ($setting.parse)(text).map(drop),
        }),*]
    };
    (@ secret) => { true };
    (@) => { false };
}

/// Every setting, by name.
pub const ALL: &[Description] = describe![
    REGISTRATIONS_PER_ADDRESS,
    SESSION_MAX_AGE,
    JWKS,
    DELIVERY_DEADLINE,
    RECEIPT_DEADLINE,
    ALLOWED_ORIGINS,
    MAIL_SENDER,
    ACCEPT_DEADLINE,
    CANCEL_DEADLINE,
    FAILED_PAYMENTS_PER_BUYER,
    FREE_SHIPPING_FROM,
    HOLD_RETRY,
    PENDING_DEADLINE,
    PLACEMENTS_PER_BUYER,
    RETURN_DEADLINE,
    RETURN_WINDOW,
    SHIPPING_FEE,
    PROVIDER_KEY(secret),
    PROVIDER_URL,
    RETRY_WINDOW,
    RETURN_URL,
    WEBHOOK_SECRET(secret),
    CURRENCY,
    SIMULATOR_KEY(secret),
    SIMULATOR_RATE_LIMIT,
    WEBHOOK_URL,
];

fn amount(text: &str, max: i64) -> Result<Amount, String> {
    let number: i64 = text.trim().parse().map_err(|_| "must be a whole number".to_owned())?;
    if number > max {
        return Err(format!("must be at most {max}"));
    }
    Amount::new(number).map_err(|error| error.to_string())
}

/// A whole number from `min` to `max`.
fn whole_number<N>(text: &str, min: N, max: N) -> Result<N, String>
where
    N: std::str::FromStr + PartialOrd + std::fmt::Display + Copy,
{
    let number: N = text.trim().parse().map_err(|_| "must be a whole number".to_owned())?;
    if (min..=max).contains(&number) { Ok(number) } else { Err(format!("must be {min} to {max}")) }
}

fn seconds(text: &str, min: u64, max: u64) -> Result<Duration, String> {
    let number: u64 =
        text.trim().parse().map_err(|_| "must be a whole number of seconds".to_owned())?;
    if (min..=max).contains(&number) {
        Ok(Duration::from_secs(number))
    } else {
        Err(format!("must be {min} to {max} seconds"))
    }
}

fn origins(text: &str) -> Result<Vec<String>, String> {
    let origins: Vec<String> = text.split(',').map(|origin| origin.trim().to_owned()).collect();
    if origins.len() > 10 {
        return Err("must be 10 origins at most".to_owned());
    }
    for origin in &origins {
        let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        let plain =
            |rest: &str| !rest.is_empty() && !rest.contains(['/', '*', ' ', '"', '\'', '?', '#']);
        if !rest.is_some_and(plain) {
            return Err(format!("{origin:?} is not an origin such as https://shop.example"));
        }
    }
    Ok(origins)
}

/// A page of the shop, with a query if need be.
fn page_url(text: &str) -> Result<String, String> {
    let url = text.trim();
    let (address, query) =
        url.split_once('?').map_or((url, ""), |(address, query)| (address, query));
    provider_url(address)?;
    let plain = query.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/:?=&%+".contains(&b));
    if plain && url.len() <= 1_000 {
        Ok(url.to_owned())
    } else {
        Err("must have at most 1000 characters, and a plain query".to_owned())
    }
}

/// The provider's key travels with each request: unencrypted only to this machine.
fn provider_url(text: &str) -> Result<String, String> {
    let url = text.trim().trim_end_matches('/');
    let here = |host: &str| {
        matches!(host, "localhost" | "127.0.0.1") || host.ends_with(".localhost.localstack.cloud")
    };
    let rest = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => rest,
        (_, Some(rest)) if rest.split(['/', ':']).next().is_some_and(here) => rest,
        (_, Some(_)) => return Err("must be https, except to this machine".to_owned()),
        (None, None) => return Err("must be an https URL".to_owned()),
    };
    let plain = rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/:".contains(&b));
    if plain && rest.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        Ok(url.to_owned())
    } else {
        Err("must have a host and no query".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_in_its_range() {
        assert_eq!((CURRENCY.parse)(CURRENCY.default).unwrap().to_string(), "EUR");
        assert_eq!((SHIPPING_FEE.parse)(SHIPPING_FEE.default).unwrap().minor_units(), 300);
        assert_eq!(
            (FREE_SHIPPING_FROM.parse)(FREE_SHIPPING_FROM.default).unwrap().minor_units(),
            5000
        );
        assert_eq!((PENDING_DEADLINE.parse)(PENDING_DEADLINE.default).unwrap().as_secs(), 900);
        assert!((ALLOWED_ORIGINS.parse)(ALLOWED_ORIGINS.default).unwrap().is_empty());
        let registrations = REGISTRATIONS_PER_ADDRESS;
        assert_eq!((registrations.parse)(registrations.default), Ok(100));
        for (limit, default) in [(PLACEMENTS_PER_BUYER, 50), (FAILED_PAYMENTS_PER_BUYER, 10)] {
            assert_eq!((limit.parse)(limit.default), Ok(default));
        }
        let day = Duration::from_secs(24 * 3600);
        assert_eq!((SESSION_MAX_AGE.parse)(SESSION_MAX_AGE.default), Ok(90 * day));
        assert!((JWKS.parse)(JWKS.default).is_ok());
        assert_eq!((MAIL_SENDER.parse)(MAIL_SENDER.default).unwrap(), "rialto@shop.example");
        assert_eq!((PROVIDER_KEY.parse)(PROVIDER_KEY.default).unwrap(), "");
    }

    #[test]
    fn bad_values_are_refused() {
        assert!((SHIPPING_FEE.parse)("-1").is_err());
        assert!((SHIPPING_FEE.parse)("1000001").is_err());
        assert!((PENDING_DEADLINE.parse)("4").is_err());
        for bad in ["0", "-1", "1000001", "ten", "99999999999"] {
            assert!((REGISTRATIONS_PER_ADDRESS.parse)(bad).is_err(), "{bad}");
        }
        assert_eq!((PLACEMENTS_PER_BUYER.parse)("0"), Ok(0));
        for bad in ["-1", "100001", "many", ""] {
            assert!((PLACEMENTS_PER_BUYER.parse)(bad).is_err(), "{bad}");
            assert!((FAILED_PAYMENTS_PER_BUYER.parse)(bad).is_err(), "{bad}");
        }
        for bad in ["0", "401", "1.5", ""] {
            assert!((SESSION_MAX_AGE.parse)(bad).is_err(), "{bad}");
        }
        assert!((ALLOWED_ORIGINS.parse)("*").is_err());
        assert!((ALLOWED_ORIGINS.parse)("https://a.example/path").is_err());
        assert!((CURRENCY.parse)("euro").is_err());
        assert!((PROVIDER_KEY.parse)("short").is_err());
        for bad in ["", "shop", "@shop.example", "a@", "a@b@c", "a b@c.example", "a\n@c.example"] {
            assert!((MAIL_SENDER.parse)(bad).is_err(), "{bad}");
        }
        assert!((PROVIDER_KEY.parse)("sk_test with space").is_err());
        assert!((PROVIDER_URL.parse)("api.stripe.com").is_err());
        assert!((PROVIDER_URL.parse)("http://api.stripe.com").is_err());
        assert!((PROVIDER_URL.parse)("https://").is_err());
        assert!((PROVIDER_URL.parse)("https://user@evil.example").is_err());
        assert!((PROVIDER_URL.parse)("https://api.stripe.com?x=1").is_err());
    }

    #[test]
    fn a_provider_url_is_https_or_local() {
        let local = "http://localhost:4566/_aws/execute-api/a1b2/local";
        assert_eq!((PROVIDER_URL.parse)(local).unwrap(), local);
        assert_eq!((PROVIDER_URL.parse)("https://api.stripe.com/").unwrap(), PROVIDER_URL.default);
    }

    #[test]
    fn a_return_url_is_a_page_or_nothing() {
        for url in ["", "https://shop.example/paid?order=1&lang=en", "http://localhost:3001/paid"] {
            assert_eq!((RETURN_URL.parse)(url).unwrap(), url);
        }
        let long = format!("https://shop.example/{}", "a".repeat(1_000));
        for bad in ["shop", "http://shop.example", "https://shop.example/?a='b'", &long] {
            assert!((RETURN_URL.parse)(bad).is_err(), "{bad}");
        }
        assert_eq!((RETRY_WINDOW.parse)(RETRY_WINDOW.default), Ok(Duration::ZERO));
        assert!((RETRY_WINDOW.parse)("86401").is_err());
    }

    #[test]
    fn settings_are_described_once_in_order() {
        let declared = include_str!("settings.rs")
            .lines()
            .filter(|line| line.starts_with("pub const ") && line.contains(": Setting<"));
        assert_eq!(declared.count(), ALL.len());
        assert!(ALL.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn a_description_checks_like_its_setting() {
        for setting in ALL {
            assert_eq!((setting.check)(setting.default), Ok(()), "{}", setting.name);
        }
        let fee = ALL.iter().find(|setting| setting.name == SHIPPING_FEE.name).unwrap();
        assert!((fee.check)("lots").is_err());
        assert!(!fee.secret);
        assert!(ALL.iter().any(|setting| setting.name == PROVIDER_KEY.name && setting.secret));
    }
}
