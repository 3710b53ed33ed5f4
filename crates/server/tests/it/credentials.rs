//! Credentials of every kind, good and bad, as operators and issuers make them.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::server::{self, TestServer};

/// The shared secret of the key `site`, which [`Issuer::settings`] puts into the configuration.
pub(crate) const SECRET: &str = "what only the site and the server know, 0123456789";

/// Signs tokens for the key `site`.
pub(crate) struct Issuer;

impl Issuer {
    /// What makes the key known to a server.
    pub(crate) fn settings() -> [(&'static str, &'static str); 3] {
        [
            ("TAPELINE_JWT__0__KID", "site"),
            ("TAPELINE_JWT__0__ALGORITHM", "HS256"),
            ("TAPELINE_JWT__0__SECRET", SECRET),
        ]
    }

    /// Claims that hold for ten minutes.
    pub(crate) fn claims(act: &str, path: &str) -> Value {
        json!({"exp": now_s() + 600, "act": act, "path": path})
    }

    /// A token as it should be.
    pub(crate) fn sign(claims: &Value) -> String {
        sign(Algorithm::HS256, "site", SECRET.as_bytes(), claims)
    }
}

/// Seconds since 1970.
pub(crate) fn now_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// A token of an HMAC.
pub(crate) fn sign(algorithm: Algorithm, kid: &str, secret: &[u8], claims: &Value) -> String {
    let mut header = Header::new(algorithm);
    header.kid = Some(kid.to_owned());
    encode(&header, claims, &EncodingKey::from_secret(secret)).unwrap()
}

/// A token of `alg: none`, which no library makes.
pub(crate) fn unsigned(kid: &str, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&json!({"alg": "none", "typ": "JWT", "kid": kid})), part(claims))
}

/// A key pair that signs elsewhere: the private half, and the public one in PEM.
pub(crate) struct Pair {
    pub(crate) private: EncodingKey,
    pub(crate) public_pem: String,
}

impl Pair {
    /// A new Ed25519 pair.
    pub(crate) fn ed25519() -> Self {
        use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
        use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
        let pair = Ed25519KeyPair::generate().unwrap();
        let private = pair.to_pkcs8v1().unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        Self { private: EncodingKey::from_ed_der(private.as_ref()), public_pem: public_pem(public.as_ref()) }
    }

    /// A new RSA pair of 2048 bits.
    pub(crate) fn rsa() -> Self {
        use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
        use aws_lc_rs::rsa::{KeyPair, KeySize};
        use aws_lc_rs::signature::KeyPair as _;
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let private = pem("PRIVATE KEY", private.as_ref());
        Self {
            private: EncodingKey::from_rsa_pem(private.as_bytes()).unwrap(),
            public_pem: public_pem(public.as_ref()),
        }
    }

    /// A token that it signs.
    pub(crate) fn sign(&self, algorithm: Algorithm, kid: &str, claims: &Value) -> String {
        let mut header = Header::new(algorithm);
        header.kid = Some(kid.to_owned());
        encode(&header, claims, &self.private).unwrap()
    }
}

fn public_pem(der: &[u8]) -> String {
    pem("PUBLIC KEY", der)
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Runs `tapeline` on a server's catalog and gives what it printed.
pub(crate) fn tapeline(server: &TestServer, args: &[&str]) -> String {
    let done = server::command().args(args).arg("--data").arg(&server.data).output().unwrap();
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}
