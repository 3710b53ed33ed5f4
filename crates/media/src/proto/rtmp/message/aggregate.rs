//! Aggregate messages, §7.1.6: FLV tags, one after the other, in one message. Flash Media Server sends them
//! for recordings, FMLE-era encoders for audio.

use bytes::Bytes;

use super::super::MediaKind;
use super::type_id;
use crate::proto::rtmp::error::ErrorKind;

/// Most tags in one aggregate: what keeps 16 MiB of one-byte tags from becoming a gigabyte of messages. A
/// minute of audio and video fits.
pub const AGGREGATE_TAGS_MAX: usize = 4096;

/// A tag's header before its body and the length behind it.
const HEADER_BYTES: usize = 11;
const TRAILER_BYTES: usize = 4;

/// One tag of an aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// What it carries.
    pub kind: MediaKind,
    /// Milliseconds of the stream, wrapping at 2³².
    pub timestamp: u32,
    /// Its body, in its own exact allocation.
    pub payload: Bytes,
}

/// Splits an aggregate. The first tag's time is the message's; the others keep their distance to it. Their
/// message stream is the aggregate's. Tags of other types are left out.
pub(super) fn split(payload: &[u8], timestamp: u32) -> Result<Vec<Tag>, ErrorKind> {
    let mut tags = Vec::new();
    let mut count = 0;
    let mut base = None;
    let mut offset = 0;
    while offset < payload.len() {
        let cut = ErrorKind::AggregateCut { offset };
        let header = payload[offset..].first_chunk::<HEADER_BYTES>().ok_or(cut.clone())?;
        let length = u32::from_be_bytes([0, header[1], header[2], header[3]]) as usize;
        let time = u32::from_be_bytes([header[7], header[4], header[5], header[6]]);
        let start = offset + HEADER_BYTES;
        let body = payload.get(start..start + length).ok_or(cut)?;
        count += 1;
        if count > AGGREGATE_TAGS_MAX {
            return Err(ErrorKind::AggregateTags);
        }
        let base = *base.get_or_insert(time);
        if let Some(kind) = kind(header[0]) {
            let timestamp = timestamp.wrapping_add(time.wrapping_sub(base));
            tags.push(Tag { kind, timestamp, payload: Bytes::copy_from_slice(body) });
        }
        // The last tag's trailing length is missing in what some servers send, and says nothing anyway.
        offset = start + length + TRAILER_BYTES;
    }
    Ok(tags)
}

fn kind(tag_type: u8) -> Option<MediaKind> {
    match tag_type {
        type_id::AUDIO => Some(MediaKind::Audio),
        type_id::VIDEO => Some(MediaKind::Video),
        type_id::DATA_AMF0 => Some(MediaKind::Data),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(tag_type: u8, time: u32, body: &[u8]) -> Vec<u8> {
        let [high, a, b, c] = time.to_be_bytes();
        let length = (body.len() as u32).to_be_bytes();
        let mut bytes = vec![tag_type, length[1], length[2], length[3], a, b, c, high, 9, 9, 9];
        bytes.extend_from_slice(body);
        bytes.extend_from_slice(&(11 + body.len() as u32).to_be_bytes());
        bytes
    }

    #[test]
    fn tags_keep_their_distance_from_the_first_and_take_the_messages_time() {
        let bytes = [
            tag(8, 0x0100_0000, b"a"),
            tag(9, 0x0100_0017, b"vv"),
            tag(4, 0, b"?"),
            tag(18, 0x00ff_fff0, b""),
        ];
        let tags = split(&bytes.concat(), 5000).unwrap();
        let found: Vec<_> = tags.iter().map(|tag| (tag.kind, tag.timestamp, &tag.payload[..])).collect();
        let expected: Vec<(_, _, &[u8])> = vec![
            (MediaKind::Audio, 5000, b"a"),
            (MediaKind::Video, 5023, b"vv"),
            (MediaKind::Data, 4984, b""),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_cut_tag_is_an_error_and_a_missing_last_length_is_not() {
        let bytes = [tag(8, 0, b"abc"), tag(8, 23, b"def")].concat();
        assert_eq!(split(&bytes[..bytes.len() - 4], 0).unwrap().len(), 2);
        assert_eq!(split(&bytes[..bytes.len() - 5], 0), Err(ErrorKind::AggregateCut { offset: 18 }));
        assert_eq!(split(&bytes[..20], 0), Err(ErrorKind::AggregateCut { offset: 18 }));
    }

    #[test]
    fn the_number_of_tags_is_limited() {
        let bytes = tag(8, 0, b"").repeat(AGGREGATE_TAGS_MAX);
        assert_eq!(split(&bytes, 0).unwrap().len(), AGGREGATE_TAGS_MAX);
        let more = tag(8, 0, b"").repeat(AGGREGATE_TAGS_MAX + 1);
        assert_eq!(split(&more, 0), Err(ErrorKind::AggregateTags));
    }
}
