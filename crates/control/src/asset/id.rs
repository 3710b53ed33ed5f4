//! The name of an asset: opaque, safe in a URL, rising with time, not to be guessed.

use std::fmt;

use media::WallTime;
use thiserror::Error;
use uuid::Builder;

/// Longest accepted id. A UUID is 32; the rest leaves room for ids that a tape journal made from a run.
pub const ID_BYTES_MAX: usize = 64;

/// Names one asset for ever. Letters, digits, `-` and `_` only, so it stands in a URL as it is and
/// `{id}.mp4` splits in one way.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssetId(String);

/// Why a text is no asset id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("asset ids are 1 to {ID_BYTES_MAX} letters, digits, - or _")]
pub struct AssetIdError;

impl AssetId {
    /// A new id: a version 7 UUID (RFC 9562 §5.7) of `now` in milliseconds and 74 random bits, written as
    /// 32 hexadecimal digits. Ids made later sort later, and knowing one tells nothing about another.
    pub fn generate(now: WallTime) -> Self {
        let ms = u64::try_from(now.ms()).unwrap_or(0);
        let uuid = Builder::from_unix_timestamp_millis(ms, &crate::random()).into_uuid();
        Self(uuid.simple().to_string())
    }

    /// Validates an id from outside or from a journal.
    pub fn parse(text: &str) -> Result<Self, AssetIdError> {
        let fits = (1..=ID_BYTES_MAX).contains(&text.len());
        if fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
            Ok(Self(text.to_owned()))
        } else {
            Err(AssetIdError)
        }
    }

    /// The id as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AssetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_sort_by_the_millisecond_they_were_made_in() {
        let ids: Vec<_> =
            (0..2_000).map(|ms| AssetId::generate(WallTime::from_ms(1_700_000_000_000 + ms))).collect();
        assert!(ids.is_sorted());
        assert!(ids.iter().all(|id| AssetId::parse(id.as_str()).as_ref() == Ok(id)));
    }

    #[test]
    fn ids_of_one_instant_share_only_time_and_version() {
        let now = WallTime::from_ms(1_700_000_000_000);
        let ids: Vec<_> = (0..1_000).map(|_| AssetId::generate(now)).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        // The 32 bits behind the variant are drawn anew for each id: no two neighbours agree in them.
        assert!(ids.windows(2).all(|pair| pair[0].as_str()[24..] != pair[1].as_str()[24..]));
    }

    #[test]
    fn hostile_ids_are_refused() {
        for bad in ["", ".", "..", "a/b", "a.mp4", "a b", "a\0", "é", "%41", &"x".repeat(ID_BYTES_MAX + 1)] {
            assert_eq!(AssetId::parse(bad), Err(AssetIdError), "{bad:?}");
        }
    }
}
