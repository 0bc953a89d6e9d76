//! Certificates of servers: only those that lead to a trusted root are accepted.

use super::*;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The version of a certificate, its extensions, and an IP address in a subjectAltName.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const IP_ADDRESS: u8 = 0x87;

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

/// A value in DER, of at most 65,535 bytes.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = match (high, low) {
        (0, 0..128) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [head, content].concat()
}

/// A certificate of 127.0.0.1 that is signed with its own key, and the key in PKCS#8.
fn self_signed() -> (CertificateDer<'static>, Vec<u8>) {
    let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_ASN1_SIGNING);
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
    let oid = |id| der(OBJECT_ID, &[id]);
    let signed_with = der(SEQUENCE, &[&oid(ECDSA_WITH_SHA256)]);
    let attribute = der(SEQUENCE, &[&oid(COMMON_NAME), &der(UTF8_STRING, &[b"127.0.0.1"])]);
    let name = der(SEQUENCE, &[&der(SET, &[&attribute])]);
    let from = der(UTC_TIME, &[b"200101000000Z"]);
    let until = der(GENERALIZED_TIME, &[b"21200101000000Z"]);
    let public_key = key.public_key().as_ref();
    let address = der(SEQUENCE, &[&der(IP_ADDRESS, &[&[127, 0, 0, 1]])]);
    let alternative = der(SEQUENCE, &[&oid(SUBJECT_ALT_NAME), &der(OCTET_STRING, &[&address])]);
    let content = der(
        SEQUENCE,
        &[
            &der(VERSION, &[&der(INTEGER, &[&[2]])]),
            &der(INTEGER, &[&[1]]),
            &signed_with,
            &name,
            &der(SEQUENCE, &[&from, &until]),
            &name,
            &der(
                SEQUENCE,
                &[
                    &der(SEQUENCE, &[&oid(EC_PUBLIC_KEY), &oid(P256)]),
                    &der(BIT_STRING, &[&[0], public_key]),
                ],
            ),
            &der(EXTENSIONS, &[&der(SEQUENCE, &[&alternative])]),
        ],
    );
    let signature = key.sign(&random, &content).unwrap();
    let signature = der(BIT_STRING, &[&[0], signature.as_ref()]);
    (der(SEQUENCE, &[&content, &signed_with, &signature]).into(), pkcs8.as_ref().to_vec())
}

/// Serves 204 over TLS with a new self-signed certificate, which is also returned.
fn serve_tls() -> (String, CertificateDer<'static>) {
    let (certificate, key) = self_signed();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            // A client that refuses the certificate sends no request.
            if stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok();
            }
        }
    });
    (url, certificate)
}

async fn status(connector: &Connector, url: &str) -> Result<u16, NoResponse> {
    let mut request = HttpRequest::new(SdkBody::empty());
    request.set_uri(url).unwrap();
    let limits = ResponseLimits { time: Duration::from_secs(5), bytes: 100 };
    fetch(connector, request, limits).await.map(|response| response.status)
}

#[tokio::test]
async fn a_certificate_without_a_trusted_root_is_refused() {
    let (url, certificate) = serve_tls();
    for roots in [TrustedRoots::Amazon, TrustedRoots::System] {
        let refused = status(&Connector::new(roots, None), &url).await.unwrap_err();
        assert!(
            matches!(&refused, NoResponse::NotSent(text) if text.contains("UnknownIssuer")),
            "{roots:?}: {refused}"
        );
    }
    // Nothing else is wrong with it.
    let (trusted, problems) = parsable_roots(vec![certificate]);
    assert!(problems.is_empty(), "{problems:?}");
    let connector = Connector::with_tls(trusting(trusted), None, MAX_IDLE);
    assert_eq!(status(&connector, &url).await, Ok(204));
    let other_name = url.replace("127.0.0.1", "localhost");
    let refused = status(&connector, &other_name).await.unwrap_err();
    assert!(matches!(refused, NoResponse::NotSent(_)), "{refused}");
}
