//! Signature Version 4 for the SDK's requests to JSON services, by ring and with the day's key
//! derived once.
//!
//! The SDK's own signer derives the key for each request and hashes in portable Rust: a quarter of
//! the work of a read. It still signs retries, and requests other than a POST of a body from memory
//! to `/`. Clock skew is therefore corrected by the retry, at the cost of one refused attempt.

use aws_credential_types::Credentials;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4Signer};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        auth::{AuthScheme, AuthSchemeEndpointConfig, AuthSchemeId, Sign},
        identity::{Identity, SharedIdentityResolver},
        orchestrator::HttpRequest,
        retries::RequestAttempts,
        runtime_components::{GetIdentityResolver, RuntimeComponents},
    },
};
use aws_smithy_types::{DateTime, config_bag::ConfigBag, date_time::Format};
use aws_types::region::SigningRegion;
use rialto_kernel::digest::hex;
use ring::{
    digest::{SHA256, digest},
    hmac::{HMAC_SHA256, Key, sign},
};
use std::{
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// The auth scheme `sigv4` of a JSON service, such as `dynamodb`.
#[derive(Debug)]
pub struct JsonServiceAuth {
    signer: JsonServiceSigner,
}

impl JsonServiceAuth {
    #[must_use]
    pub fn new(service: &'static str) -> Self {
        let signer =
            JsonServiceSigner { service, key: Mutex::new(None), general: SigV4Signer::new() };
        Self { signer }
    }
}

impl AuthScheme for JsonServiceAuth {
    fn scheme_id(&self) -> AuthSchemeId {
        SCHEME_ID
    }

    fn identity_resolver(
        &self,
        resolvers: &dyn GetIdentityResolver,
    ) -> Option<SharedIdentityResolver> {
        resolvers.identity_resolver(SCHEME_ID)
    }

    fn signer(&self) -> &dyn Sign {
        &self.signer
    }
}

#[derive(Debug)]
struct JsonServiceSigner {
    service: &'static str,
    key: Mutex<Option<DayKey>>,
    general: SigV4Signer,
}

/// The signing key of one day, region and secret.
#[derive(Clone)]
struct DayKey {
    date: String,
    region: String,
    secret: String,
    key: Key,
}

impl std::fmt::Debug for DayKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DayKey").field("date", &self.date).finish_non_exhaustive()
    }
}

impl Sign for JsonServiceSigner {
    fn sign_http_request(
        &self,
        request: &mut HttpRequest,
        identity: &Identity,
        endpoint: AuthSchemeEndpointConfig<'_>,
        components: &RuntimeComponents,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        let first_attempt =
            config.load::<RequestAttempts>().is_none_or(|attempts| attempts.attempts() <= 1);
        let now = components.time_source().map_or_else(SystemTime::now, |source| source.now());
        let signed = match (identity.data::<Credentials>(), config.load::<SigningRegion>()) {
            (Some(credentials), Some(region)) if first_attempt => {
                self.sign(request, credentials, region.as_ref(), now)
            }
            _ => false,
        };
        if signed {
            return Ok(());
        }
        self.general.sign_http_request(request, identity, endpoint, components, config)
    }
}

impl JsonServiceSigner {
    /// Signs a request that posts a body from memory to `/`; returns `false` without a change for
    /// any other.
    fn sign(
        &self,
        request: &mut HttpRequest,
        credentials: &Credentials,
        region: &str,
        now: SystemTime,
    ) -> bool {
        let Some(host) = post_to_root(request) else { return false };
        let Some(body) = request.body().bytes() else { return false };
        let body = hex(digest(&SHA256, body).as_ref());
        let Some(time) = basic_format(now) else { return false };
        let mut headers = vec![("host", host.as_str()), ("x-amz-date", time.as_str())];
        if let Some(token) = credentials.session_token() {
            headers.push(("x-amz-security-token", token));
        }
        headers.extend(request.headers().iter().filter(|(name, _)| is_signed(name)));
        headers.sort_unstable();
        let repeated = headers.windows(2).any(|pair| pair[0].0 == pair[1].0);
        let canonical = |value: &str| value.trim() == value && !value.contains("  ");
        if repeated || !headers.iter().all(|(_, value)| canonical(value)) {
            return false;
        }

        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let mut text = String::with_capacity(1024);
        text.push_str("POST\n/\n\n");
        for (name, value) in &headers {
            for part in [name, ":", value, "\n"] {
                text.push_str(part);
            }
        }
        for part in ["\n", &names, "\n", &body] {
            text.push_str(part);
        }
        let request_hash = hex(digest(&SHA256, text.as_bytes()).as_ref());
        let date = &time[..8];
        let scope = format!("{date}/{region}/{}/aws4_request", self.service);
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{request_hash}");
        let key = self.day_key(date, region, credentials.secret_access_key());
        let signature = hex(sign(&key, text.as_bytes()).as_ref());
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            credentials.access_key_id(),
        );
        let token = credentials.session_token().map(str::to_owned);
        let headers = request.headers_mut();
        headers.insert("x-amz-date", time);
        headers.insert("authorization", authorization);
        if let Some(token) = token {
            headers.insert("x-amz-security-token", token);
        }
        true
    }

    fn day_key(&self, date: &str, region: &str, secret: &str) -> Key {
        let mut known = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        let current = known.as_ref().filter(|known| {
            (known.date.as_str(), known.region.as_str(), known.secret.as_str())
                == (date, region, secret)
        });
        if let Some(known) = current {
            return known.key.clone();
        }
        let mut key = Key::new(HMAC_SHA256, format!("AWS4{secret}").as_bytes());
        for part in [date, region, self.service, "aws4_request"] {
            key = Key::new(HMAC_SHA256, sign(&key, part.as_bytes()).as_ref());
        }
        *known = Some(DayKey {
            date: date.to_owned(),
            region: region.to_owned(),
            secret: secret.to_owned(),
            key: key.clone(),
        });
        key
    }
}

/// Whether a header is signed: every `x-amz-` header has to be; of the others, `content-type`.
fn is_signed(name: &str) -> bool {
    name == "content-type"
        || (name.starts_with("x-amz-") && name != "x-amz-date" && name != "x-amz-security-token")
}

/// The `host` header's value for a POST to `/`; `None` for any other request.
fn post_to_root(request: &HttpRequest) -> Option<String> {
    let (scheme, rest) = request.uri().split_once("://")?;
    let host = rest.strip_suffix('/').unwrap_or(rest);
    if request.method() != "POST" || host.contains(['/', '?', '#', '@']) {
        return None;
    }
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    Some(host.strip_suffix(default_port).unwrap_or(host).to_owned())
}

/// `20261121T093000Z`.
fn basic_format(time: SystemTime) -> Option<String> {
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let text = DateTime::from_secs(i64::try_from(seconds).ok()?).fmt(Format::DateTime).ok()?;
    let text: String = text.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    (text.len() == 16).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sigv4::{
        http_request::{SignableBody, SignableRequest, SigningSettings},
        sign::v4,
    };
    use aws_smithy_types::body::SdkBody;
    use std::time::Duration;

    fn request(uri: &str, body: &'static str) -> HttpRequest {
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST").unwrap();
        request.set_uri(uri).unwrap();
        request.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        request.headers_mut().insert("x-amz-target", "DynamoDB_20120810.GetItem");
        request.headers_mut().insert("x-amz-user-agent", "aws-sdk-rust/1.3 os/linux");
        request
    }

    fn signer() -> JsonServiceSigner {
        JsonServiceAuth::new("dynamodb").signer
    }

    fn expected(request: &HttpRequest, credentials: &Credentials, now: SystemTime) -> String {
        let identity = credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("eu-central-1")
            .name("dynamodb")
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let body = SignableBody::Bytes(request.body().bytes().unwrap());
        let headers = request.headers().iter();
        let signable = SignableRequest::new("POST", request.uri(), headers, body).unwrap();
        let (signed, _) = aws_sigv4::http_request::sign(signable, &params).unwrap().into_parts();
        let mut headers = signed.headers();
        headers.find(|(name, _)| *name == "authorization").unwrap().1.to_owned()
    }

    #[test]
    fn signatures_are_those_of_the_sdk() {
        let signer = signer();
        let plain = Credentials::new("AKID", "secret", None, None, "test");
        let session = Credentials::new("ASIA", "other", Some("token".to_owned()), None, "test");
        let now = UNIX_EPOCH + Duration::from_secs(1_795_253_400);
        let tomorrow = now + Duration::from_secs(86_400);
        for (credentials, now) in [(&plain, now), (&session, now), (&session, tomorrow)] {
            for uri in ["https://dynamodb.eu-central-1.amazonaws.com/", "http://127.0.0.1:4566"] {
                let mut request = request(uri, r#"{"TableName":"t"}"#);
                let expected = expected(&request, credentials, now);
                assert!(signer.sign(&mut request, credentials, "eu-central-1", now));
                assert_eq!(request.headers().get("authorization"), Some(expected.as_str()));
                assert_eq!(
                    request.headers().get("x-amz-security-token"),
                    credentials.session_token()
                );
            }
        }
    }

    #[test]
    fn other_requests_are_left_to_the_sdk() {
        let credentials = Credentials::new("AKID", "secret", None, None, "test");
        let signs = |mut request: HttpRequest| {
            signer().sign(&mut request, &credentials, "eu-central-1", SystemTime::now())
        };
        assert!(signs(request("https://a.example/", "{}")));
        assert!(!signs(request("https://a.example/path", "{}")));
        assert!(!signs(request("https://a.example/?query", "{}")));
        let mut get = request("https://a.example/", "");
        get.set_method("GET").unwrap();
        assert!(!signs(get));
        let mut spaced = request("https://a.example/", "{}");
        spaced.headers_mut().insert("x-amz-user-agent", "two  spaces");
        assert!(!signs(spaced));
    }
}
