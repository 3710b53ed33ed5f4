//! Keys that signed tokens (JWT, RFC 7519) are checked with. Each key has one algorithm, pinned when the key was
//! made: what a token's header says can only agree with it (RFC 8725 §3.1). So `none` has no meaning here and a
//! public key is never taken for the secret of an HMAC. What the claims mean is `claims`.

use std::fmt;

use jsonwebtoken::{Algorithm as Alg, DecodingKey, EncodingKey, Header, Validation};
use media::WallTime;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::claims::{self, Rules};
use crate::access::{Grant, JtiTag, KeyTag, Void};
use crate::asset::Invalid;
use crate::word::words;

/// Longest signed token that is looked at: with an RSA signature of 4096 bits and a list of networks about 2 kB.
pub const JWT_BYTES_MAX: usize = 4096;
/// Longest id of a key and longest `jti`.
pub const ID_BYTES_MAX: usize = 128;
/// Longest public key, as text: RSA of 8192 bits has 1.5 kB.
const PEM_BYTES_MAX: usize = 8192;
/// Shortest shared secret: RFC 7518 §3.2 wants as many bytes as the hash has.
const SECRET_BYTES_MIN: usize = 32;
/// Longest shared secret.
const SECRET_BYTES_MAX: usize = 1024;
/// Shortest RSA key in bytes, 2048 bits (RFC 7518 §3.3), within its DER.
const RSA_DER_BYTES_MIN: usize = 256;

words! {
    /// How a key signs.
    Algorithm ("algorithm") {
        /// HMAC with SHA-256.
        Hs256 = "HS256",
        /// HMAC with SHA-384.
        Hs384 = "HS384",
        /// HMAC with SHA-512.
        Hs512 = "HS512",
        /// RSASSA-PKCS1-v1_5 with SHA-256.
        Rs256 = "RS256",
        /// ECDSA over P-256 with SHA-256.
        Es256 = "ES256",
        /// Ed25519.
        EdDsa = "EdDSA",
    }
}

impl Algorithm {
    /// Whether who checks can also sign.
    pub fn is_shared(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    fn alg(self) -> Alg {
        match self {
            Self::Hs256 => Alg::HS256,
            Self::Hs384 => Alg::HS384,
            Self::Hs512 => Alg::HS512,
            Self::Rs256 => Alg::RS256,
            Self::Es256 => Alg::ES256,
            Self::EdDsa => Alg::EdDSA,
        }
    }
}

/// What a key is made of, as the configuration, the API or the database has it.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyParts {
    /// The `kid` of its tokens.
    pub id: String,
    /// How it signs.
    pub algorithm: Algorithm,
    /// The shared secret as it is (its bytes are the HMAC key), or a public key in PEM.
    pub material: String,
    /// What `iss` has to be; absent where it does not matter.
    pub issuer: Option<String>,
    /// What `aud` has to name; absent where only `tapeline` may be named, and need not.
    pub audience: Option<String>,
}

/// Shows nothing of the material.
impl fmt::Debug for KeyParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyParts")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// A key, ready to check tokens.
#[derive(Clone)]
pub struct Signer {
    parts: KeyParts,
    key: DecodingKey,
    tag: KeyTag,
}

/// Shows nothing of the material.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({:?}, {})", self.parts.id, self.parts.algorithm)
    }
}

impl Signer {
    /// A key of its parts.
    ///
    /// # Errors
    /// When the material is no key of the algorithm, or an id or name is not one.
    pub fn new(parts: KeyParts) -> Result<Self, Invalid> {
        check_id("key id", &parts.id)?;
        let key = decoding_key(parts.algorithm, &parts.material)?;
        let digest = Sha256::new()
            .chain_update(parts.id.as_bytes())
            .chain_update([0])
            .chain_update(parts.algorithm.as_str())
            .chain_update([0])
            .chain_update(parts.material.as_bytes())
            .finalize();
        let tag = KeyTag(*digest.first_chunk().expect("a hash has 32 bytes"));
        Ok(Self { parts, key, tag })
    }

    /// The `kid` of its tokens.
    pub fn id(&self) -> &str {
        &self.parts.id
    }

    pub(super) fn parts(&self) -> &KeyParts {
        &self.parts
    }

    pub(super) fn tag(&self) -> KeyTag {
        self.tag
    }

    /// What a `jti` of this key is known by.
    pub(super) fn jti_tag(&self, jti: &str) -> JtiTag {
        jti_tag(self.id(), jti)
    }

    /// What a token of this key stands for.
    pub(super) fn open(&self, token: &str, rules: &Rules, now: WallTime) -> Result<Grant, Void> {
        let mut checks = Validation::new(self.parts.algorithm.alg());
        // Claims are judged here, by our clock and our grammar; the library is for the signature.
        checks.validate_exp = false;
        checks.validate_aud = false;
        checks.required_spec_claims.clear();
        let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, &self.key, &checks);
        let decoded = decoded.map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::Json(_) | jsonwebtoken::errors::ErrorKind::Utf8(_) => {
                Void::Unusable("its claims are no JSON object".to_owned())
            }
            _ => Void::Unsigned,
        })?;
        // RFC 7515 §4.1.11: what is critical and not understood voids the token; nothing critical is understood.
        if decoded.header.crit.is_some() {
            return Err(Void::Unusable("its header has `crit`, of which nothing is understood".to_owned()));
        }
        let (issuer, audience) = (self.parts.issuer.as_deref(), self.parts.audience.as_deref());
        let claims = claims::read(&decoded.claims, &claims::Expected { issuer, audience }, rules, now);
        let claims = claims?;
        Ok(claims.grant(self))
    }

    /// Signs claims with a shared secret.
    pub(super) fn sign(&self, claims: &Map<String, Value>) -> Result<String, Invalid> {
        if !self.parts.algorithm.is_shared() {
            let why = "signs elsewhere; the server has only its public half and makes no tokens with it";
            return Err(Invalid::new("key", why));
        }
        let mut header = Header::new(self.parts.algorithm.alg());
        header.kid = Some(self.parts.id.clone());
        let key = EncodingKey::from_secret(self.parts.material.as_bytes());
        jsonwebtoken::encode(&header, claims, &key)
            .map_err(|e| Invalid::new("key", format!("does not sign: {e}")))
    }
}

/// The key that a token names; `None` where the text is no signed token or names none.
pub(super) fn key_of(token: &str) -> Option<String> {
    if token.len() > JWT_BYTES_MAX {
        return None;
    }
    jsonwebtoken::decode_header(token).ok()?.kid
}

/// Whether a text has the form of a signed token: three parts with dots between them.
pub(super) fn is_jwt(text: &str) -> bool {
    text.bytes().filter(|b| *b == b'.').count() == 2
}

/// What a `jti` is known by.
pub(super) fn jti_tag(key_id: &str, jti: &str) -> JtiTag {
    let digest = Sha256::new().chain_update(key_id).chain_update([0]).chain_update(jti).finalize();
    JtiTag(*digest.first_chunk().expect("a hash has 32 bytes"))
}

/// Checks an id: 1 to [`ID_BYTES_MAX`] letters, digits, `-`, `_`, `.` or `:`, so that it can stand in paths and logs.
pub(super) fn check_id(what: &'static str, id: &str) -> Result<(), Invalid> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    match (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(good) && id.trim_matches('.') == id {
        true => Ok(()),
        false => Err(Invalid::new(
            what,
            format!("has 1 to {ID_BYTES_MAX} of A-Z a-z 0-9 - _ . : and no dot at an end"),
        )),
    }
}

fn decoding_key(algorithm: Algorithm, material: &str) -> Result<DecodingKey, Invalid> {
    if algorithm.is_shared() {
        return match (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&material.len()) {
            true => Ok(DecodingKey::from_secret(material.as_bytes())),
            false => {
                Err(Invalid::new("secret", format!("has {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes")))
            }
        };
    }
    let wrong = |why: String| Invalid::new("public_key", why);
    if material.len() > PEM_BYTES_MAX {
        return Err(wrong(format!("is longer than {PEM_BYTES_MAX} bytes")));
    }
    // A private key here would be a secret in a place that was made for none.
    if material.contains("PRIVATE KEY") {
        return Err(wrong("is a private key; give its public half (openssl pkey -pubout)".to_owned()));
    }
    let read = match algorithm {
        Algorithm::Rs256 => DecodingKey::from_rsa_pem(material.as_bytes()),
        Algorithm::Es256 => DecodingKey::from_ec_pem(material.as_bytes()),
        _ => DecodingKey::from_ed_pem(material.as_bytes()),
    };
    let key =
        read.map_err(|_| wrong(format!("is no public key for {algorithm} in PEM (BEGIN PUBLIC KEY)")))?;
    let bytes = key.try_get_as_bytes().map_err(|_| wrong("cannot be read".to_owned()))?;
    let fits = match algorithm {
        Algorithm::Rs256 => bytes.len() > RSA_DER_BYTES_MIN,
        // An uncompressed point of P-256, SEC 1 §2.3.3.
        Algorithm::Es256 => bytes.len() == 65 && bytes[0] == 4,
        _ => bytes.len() == 32,
    };
    match fits {
        true => Ok(key),
        false => {
            Err(wrong(format!("is not of the size that {algorithm} has (RSA: 2048 bits or more; EC: P-256)")))
        }
    }
}
