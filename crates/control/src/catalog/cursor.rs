//! Where a page ended, as a text that clients hand back unread: the place of its last asset in the order
//! of lists. A place, not a count, so that assets which come and go between two pages neither repeat nor
//! hide others.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use media::WallTime;

use crate::asset::{AssetId, ID_BYTES_MAX, Invalid};

/// First byte of a cursor. Another layout gets another number, and old cursors are refused, not misread.
const VERSION: u8 = 1;

/// Longest cursor in its text form.
const TEXT_BYTES_MAX: usize = (1 + 8 + ID_BYTES_MAX).div_ceil(3) * 4;

/// The last asset of a page; the next page begins with the one behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) created_at: WallTime,
    pub(super) id: AssetId,
}

impl Cursor {
    pub(super) fn encode(&self) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(self.created_at.0.to_be_bytes());
        bytes.extend(self.id.as_str().bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(super) fn decode(text: &str) -> Result<Self, Invalid> {
        Self::parse(text)
            .ok_or_else(|| Invalid::new("cursor", "is not from this server; begin without one to read on"))
    }

    fn parse(text: &str) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (created_ns, id) = rest.split_first_chunk::<8>()?;
        let id = AssetId::parse(std::str::from_utf8(id).ok()?).ok()?;
        (*version == VERSION).then_some(Self { created_at: WallTime(i64::from_be_bytes(*created_ns)), id })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn cursors_come_back(ns: i64, id in "[0-9A-Za-z_-]{1,64}") {
            let cursor = Cursor { created_at: WallTime(ns), id: AssetId::parse(&id).unwrap() };
            prop_assert_eq!(Cursor::decode(&cursor.encode()), Ok(cursor));
        }

        #[test]
        fn any_text_is_a_cursor_or_an_error(text in ".{0,120}") {
            if let Ok(cursor) = Cursor::decode(&text) {
                prop_assert_eq!(cursor.encode(), text);
            }
        }
    }

    #[test]
    fn strange_cursors_are_refused() {
        let good = Cursor { created_at: WallTime(1), id: AssetId::parse("a").unwrap() }.encode();
        for bad in ["", "!", &good[1..], &format!("{good}="), &"A".repeat(4_000)] {
            assert_eq!(Cursor::decode(bad).map_err(|e| e.field), Err("cursor"), "{bad}");
        }
    }
}
