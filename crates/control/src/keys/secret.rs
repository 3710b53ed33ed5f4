//! The secret of a token: how it looks, how it is hashed, how hashes are compared.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// What every shared secret of a signing key begins with, for the same reason.
pub const SHARED_PREFIX: &str = "tlk_";

/// The shared secret of a new signing key: 384 random bits as text, which is the HMAC key as it stands, so that any
/// library takes it without decoding. As many bytes as the longest of the hashes.
pub(super) fn draw_shared() -> String {
    SHARED_PREFIX.to_owned() + &BASE64_URL_SAFE_NO_PAD.encode(crate::random::<48>())
}

/// What every secret begins with, so that people and leak scanners recognise one.
pub const SECRET_PREFIX: &str = "tl_";

/// What is stored of a secret: its SHA-256.
///
/// A fast hash is right here. Slow ones (Argon2) make guessing dear where people choose the secret; this
/// one is 256 bits from the operating system, which nobody guesses at any speed, and every request pays
/// for the hash.
pub(super) type Hash = [u8; 32];

/// A token's secret: 256 random bits. Shown once when it is made; the database has only its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    pub(super) fn generate() -> Self {
        Self(crate::random())
    }

    /// Reads a secret as [`Secret::reveal`] writes it; any other text is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let text = text.strip_prefix(SECRET_PREFIX)?;
        let length = BASE64_URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        (length == bytes.len()).then_some(Self(bytes))
    }

    /// The text to hand to the person who asked for the token: `tl_` and 43 characters that need no quoting
    /// in URLs and shells.
    pub fn reveal(&self) -> String {
        SECRET_PREFIX.to_owned() + &BASE64_URL_SAFE_NO_PAD.encode(self.0)
    }

    pub(super) fn hash(&self) -> Hash {
        Sha256::digest(self.0).into()
    }
}

/// Shows nothing: secrets end up in logs through `{:?}`.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Whether two hashes are the same, in a time that does not depend on where they differ. (What an attacker
/// could learn from the time is a hash's bytes, which he cannot steer his guesses by; this costs nothing
/// and leaves nothing to argue.)
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b));
    a.len() == b.len() && std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_come_back_from_their_text_and_from_nothing_else() {
        let secret = Secret::generate();
        let text = secret.reveal();
        assert_eq!(text.len(), 46);
        assert_eq!(Secret::parse(&text), Some(secret.clone()));
        assert_ne!(Secret::generate(), secret);
        let longer = format!("{text}A");
        for bad in ["", "tl_", &text[3..], &text[..45], &longer, "tl_!", &text.to_uppercase()] {
            assert_eq!(Secret::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn debug_output_hides_the_secret() {
        assert_eq!(format!("{:?}", Secret::generate()), "Secret(…)");
    }

    #[test]
    fn hashes_are_the_same_only_when_every_byte_is() {
        let hash = Secret::generate().hash();
        assert!(same(&hash, &hash.clone()));
        assert!(!same(&hash, &hash[..31]));
        for at in 0..32 {
            let mut other = hash;
            other[at] ^= 1;
            assert!(!same(&hash, &other));
        }
    }
}
