//! How chunks become messages, whatever the peer does with them.

use super::*;
use crate::proto::rtmp::chunk::{COMMAND_BYTES_MAX, CONTROL_BYTES_MAX};

/// A full header on chunk stream `id`.
fn full(id: u8, timestamp: u32, length: u32, type_id: u8) -> Vec<u8> {
    let mut bytes = vec![id];
    bytes.extend(&timestamp.min(EXTENDED).to_be_bytes()[1..]);
    bytes.extend(&length.to_be_bytes()[1..]);
    bytes.extend([type_id, 1, 0, 0, 0]);
    if timestamp >= EXTENDED {
        bytes.extend(timestamp.to_be_bytes());
    }
    bytes
}

fn set_chunk_size(size: u32) -> Vec<u8> {
    [full(2, 0, 4, type_id::SET_CHUNK_SIZE), size.to_be_bytes().to_vec()].concat()
}

/// Reads everything, in pieces of `piece` bytes.
fn read_in(bytes: &[u8], piece: usize) -> Result<Vec<Message>, RtmpError> {
    let mut reader = Reader::new(0);
    let mut messages = Vec::new();
    for mut input in bytes.chunks(piece) {
        while let Some(message) = reader.read(&mut input)? {
            messages.push(message);
        }
        assert!(input.is_empty());
    }
    Ok(messages)
}

/// Reads everything, and checks that it does not matter how the input is cut.
fn read(bytes: &[u8]) -> Result<Vec<Message>, RtmpError> {
    let whole = read_in(bytes, bytes.len().max(1));
    for piece in [1, 2, 3, 5, 17, 18, 19, 130] {
        match (&whole, read_in(bytes, piece)) {
            (Ok(whole), Ok(cut)) => assert_eq!(*whole, cut, "in pieces of {piece}"),
            (Err(whole), Err(cut)) => assert_eq!(whole.kind, cut.kind, "in pieces of {piece}"),
            (whole, cut) => panic!("whole {whole:?}, in pieces of {piece} {cut:?}"),
        }
    }
    whole
}

fn kind(bytes: &[u8]) -> ErrorKind {
    read(bytes).unwrap_err().kind
}

fn times(messages: &[Message]) -> Vec<u32> {
    messages.iter().map(|message| message.timestamp).collect()
}

#[test]
fn a_message_carries_what_its_headers_say() {
    let bytes = [full(6, 1000, 3, 9), b"abc".to_vec()].concat();
    let payload = Bytes::from_static(b"abc");
    let message = Message { chunk_stream: 6, timestamp: 1000, type_id: 9, message_stream: 1, payload };
    assert_eq!(read(&bytes), Ok(vec![message]));
}

#[test]
fn differences_add_up_and_type_3_repeats_the_last_one() {
    let mut bytes = [full(4, 1000, 1, 8), b"a".to_vec()].concat();
    bytes.extend([0x44, 0, 0, 20, 0, 0, 1, 8, b'b']);
    bytes.extend([0x84, 0, 0, 23, b'c']);
    bytes.extend([0xc4, b'd', 0xc4, b'e']);
    assert_eq!(times(&read(&bytes).unwrap()), [1000, 1020, 1043, 1066, 1089]);
}

#[test]
fn type_3_after_a_full_header_takes_its_timestamp_as_difference() {
    let bytes = [full(4, 1000, 1, 8), b"a".to_vec(), vec![0xc4, b'b']].concat();
    assert_eq!(times(&read(&bytes).unwrap()), [1000, 2000]);
}

#[test]
fn timestamps_wrap_at_32_bits() {
    let mut bytes = [full(4, 0xffff_fff0, 1, 8), b"a".to_vec()].concat();
    bytes.extend([0x84, 0, 0, 0x20, b'b']);
    assert_eq!(times(&read(&bytes).unwrap()), [0xffff_fff0, 0x10]);
}

#[test]
fn chunks_of_several_streams_interleave() {
    let mut bytes = [full(6, 10, 200, 9), vec![6; 128]].concat();
    bytes.extend([full(4, 11, 130, 8), vec![4; 128]].concat());
    bytes.extend([vec![0xc6], vec![6; 72]].concat());
    bytes.extend([0xc4, 4, 4]);
    let messages = read(&bytes).unwrap();
    assert_eq!(messages[0].payload, vec![6; 200]);
    assert_eq!(messages[1].payload, vec![4; 130]);
}

#[test]
fn a_new_chunk_size_holds_within_a_message_in_progress() {
    let mut bytes = [full(6, 0, 500, 9), vec![1; 128]].concat();
    bytes.extend(set_chunk_size(1000));
    bytes.extend([vec![0xc6], vec![1; 372]].concat());
    assert_eq!(read(&bytes).unwrap()[0].payload, vec![1; 500]);
}

#[test]
fn an_aborted_message_is_dropped_and_its_stream_goes_on() {
    let mut bytes = [full(6, 0, 500, 9), vec![1; 128]].concat();
    bytes.extend([full(2, 0, 4, type_id::ABORT), vec![0, 0, 0, 6]].concat());
    bytes.extend([full(6, 40, 3, 9), b"new".to_vec()].concat());
    let messages = read(&bytes).unwrap();
    assert_eq!((messages.len(), &messages[0].payload[..]), (1, &b"new"[..]));
}

#[test]
fn an_abort_frees_its_memory() {
    let mut bytes = [full(6, 0, 100_000, 9), vec![1; 128]].concat();
    let mut reader = Reader::new(0);
    assert_eq!(reader.read(&mut &bytes[..]), Ok(None));
    assert_eq!(reader.unfinished_bytes(), UNFINISHED_BYTES_MIN);
    bytes = [full(2, 0, 4, type_id::ABORT), vec![0, 0, 0, 6]].concat();
    assert_eq!(reader.read(&mut &bytes[..]), Ok(None));
    assert_eq!(reader.unfinished_bytes(), 0);
}

#[test]
fn the_extended_timestamp_may_be_repeated_or_left_out_in_continuations() {
    let time = 0x0123_4567;
    let payload: Vec<u8> = (0..300).map(|i| i as u8).collect();
    let message = |repeated: &[u8]| {
        let mut bytes = [full(6, time, 300, 9), payload[..128].to_vec()].concat();
        bytes.extend([&[0xc6], repeated, &payload[128..256]].concat());
        bytes.extend([&[0xc6], repeated, &payload[256..]].concat());
        bytes
    };
    for repeated in [&time.to_be_bytes()[..], &[]] {
        let bytes = message(repeated).repeat(2);
        let messages = read(&bytes).unwrap();
        assert_eq!(times(&messages), [time, time]);
        assert!(messages.iter().all(|message| message.payload == payload), "{repeated:?}");
    }
}

#[test]
fn a_short_last_chunk_without_the_extended_timestamp_is_not_read_past() {
    let mut bytes = [full(6, 0x0123_4567, 130, 9), vec![1; 128], vec![0xc6, 2, 3]].concat();
    bytes.extend([full(4, 5, 2, 8), b"ok".to_vec()].concat());
    let messages = read(&bytes).unwrap();
    assert_eq!(messages[0].payload[126..], [1, 1, 2, 3]);
    assert_eq!((messages[1].timestamp, &messages[1].payload[..]), (5, &b"ok"[..]));
}

#[test]
fn once_omission_is_known_a_message_is_not_held_back() {
    let message = [full(6, 0x0123_4567, 130, 9), vec![1; 128], vec![0xc6, 2, 3]].concat();
    let mut reader = Reader::new(0);
    let bytes = [&message[..], &message[..]].concat();
    let mut input = &bytes[..];
    assert!(reader.read(&mut input).unwrap().is_some());
    assert!(reader.read(&mut input).unwrap().is_some(), "its end is the input's end");
}

#[test]
fn a_difference_with_an_extended_timestamp_may_be_continued_by_either_number() {
    let delta = 0x0100_0000u32;
    for repeated in [delta, 1000 + delta] {
        let mut bytes = [full(6, 1000, 1, 9), vec![0]].concat();
        bytes.extend([0x46, 0xff, 0xff, 0xff, 0, 0, 130, 9]);
        bytes.extend(delta.to_be_bytes());
        bytes.extend([vec![1; 128], vec![0xc6], repeated.to_be_bytes().to_vec(), vec![2, 3]].concat());
        let messages = read(&bytes).unwrap();
        assert_eq!(messages[1].timestamp, 1000 + delta);
        assert_eq!(messages[1].payload[126..], [1, 1, 2, 3]);
    }
}

#[test]
fn a_first_header_of_type_1_is_taken_as_librtmp_means_it() {
    let bytes = [0x42, 0, 0, 0, 0, 0, 6, 4, 0, 7, 0, 0, 0, 9];
    let messages = read(&bytes).unwrap();
    assert_eq!((messages[0].type_id, messages[0].message_stream), (4, 0));
}

#[test]
fn a_header_that_refers_to_nothing_is_an_error() {
    assert_eq!(kind(&[0x83, 0, 0, 0]), ErrorKind::NoEarlierMessage { format: 2 });
    assert_eq!(kind(&[0xc3]), ErrorKind::NoEarlierMessage { format: 3 });
}

#[test]
fn a_message_cut_off_by_another_is_an_error() {
    let bytes = [full(6, 0, 500, 9), vec![1; 128], full(6, 0, 5, 9)].concat();
    let error = read_in(&bytes, bytes.len()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Interrupted { received: 128, length: 500 });
    assert_eq!((error.position, error.chunk_stream, error.message_type), (140, Some(6), Some(9)));
    assert_eq!(
        error.to_string(),
        "RTMP byte 140, chunk stream 6, message type 9: a new message begins after 128 of the 500 bytes of the \
         one before it"
    );
}

#[test]
fn chunk_sizes_are_bounded_as_the_specification_says() {
    assert_eq!(kind(&set_chunk_size(0)), ErrorKind::ChunkSize(0));
    assert_eq!(kind(&set_chunk_size(0x8000_0000)), ErrorKind::ChunkSize(0x8000_0000));
    let bytes = [set_chunk_size(i32::MAX as u32), full(6, 0, 1000, 9), vec![1; 1000]].concat();
    assert_eq!(read(&bytes).unwrap()[0].payload, vec![1; 1000]);
    let short = [full(2, 0, 3, type_id::SET_CHUNK_SIZE), vec![0; 3]].concat();
    assert_eq!(kind(&short), ErrorKind::Short { needed: 4, length: 3 });
}

#[test]
fn each_type_has_its_longest_message() {
    for (type_id, limit) in
        [(1, CONTROL_BYTES_MAX), (4, CONTROL_BYTES_MAX), (20, COMMAND_BYTES_MAX), (99, COMMAND_BYTES_MAX)]
    {
        assert!(read(&full(6, 0, limit as u32, type_id)).is_ok());
        let length = limit + 1;
        let expected = ErrorKind::MessageLength { length, limit };
        assert_eq!(kind(&full(6, 0, length as u32, type_id)), expected);
    }
    assert!(read(&full(6, 0, 0xff_ffff, 9)).is_ok());
}

#[test]
fn a_declared_length_reserves_nothing() {
    let mut reader = Reader::new(0);
    for id in 3..63 {
        let bytes = [full(id, 0, 0xff_ffff, 9), vec![0]].concat();
        // Any first piece, then the rest of the chunk, so that the next chunk stream has its turn.
        assert_eq!(reader.read(&mut &bytes[..]), Ok(None));
        assert_eq!(reader.read(&mut &[0; 127][..]), Ok(None));
    }
    assert_eq!(reader.unfinished_bytes(), 60 * UNFINISHED_BYTES_MIN);
}

#[test]
fn a_stranger_may_leave_less_unfinished_than_a_trusted_peer() {
    let bytes = [set_chunk_size(CHUNK_BYTES_MAX), full(6, 0, 0xff_ffff, 9), vec![0; 3 << 19]].concat();
    let mut stranger = Reader::new(0);
    let error = stranger.read(&mut &bytes[..]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unfinished { limit: STRANGER_BYTES_MAX });
    let mut trusted = Reader::new(0);
    trusted.trust();
    assert_eq!(trusted.read(&mut &bytes[..]), Ok(None));
    assert_eq!(trusted.unfinished_bytes(), 3 << 19);
}

#[test]
fn two_of_the_longest_messages_fit_and_a_third_does_not() {
    let mut reader = Reader::new(0);
    reader.trust();
    let chunk = CHUNK_BYTES_MAX - 1;
    reader.read(&mut &set_chunk_size(chunk)[..]).unwrap();
    let body = vec![0; chunk as usize];
    for id in [3, 4] {
        let bytes = [full(id, 0, 0xff_ffff, 9), body.clone()].concat();
        assert_eq!(reader.read(&mut &bytes[..]), Ok(None));
    }
    let third = [full(5, 0, 0xff_ffff, 9), body].concat();
    let error = reader.read(&mut &third[..]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unfinished { limit: UNFINISHED_BYTES_MAX });
}

#[test]
fn the_number_of_chunk_streams_is_limited() {
    let begin = |ids: std::ops::Range<u8>| -> Vec<u8> { ids.flat_map(|id| full(id, 0, 0, 9)).collect() };
    // 2 to 63 in the short form, then the longer forms.
    let mut bytes = begin(2..64);
    for high in 0..2 {
        bytes.extend([vec![0, high], full(0, 0, 0, 9)[1..].to_vec()].concat());
    }
    assert_eq!(read(&bytes).unwrap().len(), CHUNK_STREAMS_MAX);
    bytes.extend([vec![1, 0, 1], full(0, 0, 0, 9)[1..].to_vec()].concat());
    assert_eq!(kind(&bytes), ErrorKind::ChunkStreams);
}

#[test]
fn a_flood_of_one_byte_chunks_ends() {
    let mut bytes = set_chunk_size(1);
    bytes.extend([full(6, 0, 0xff_ffff, 9), vec![0]].concat());
    bytes.extend([0xc6, 0].repeat(200_000));
    let error = read_in(&bytes, bytes.len()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Work);
    assert!(error.position < 200_000, "at byte {}", error.position);
}

#[test]
fn a_flood_of_empty_messages_ends() {
    let bytes = [full(6, 0, 0, 9), vec![0xc6; 1_000_000]].concat();
    let error = read_in(&bytes, 4096).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Work);
}

#[test]
fn the_smallest_real_chunks_and_messages_never_run_out_of_work() {
    // The default chunk size with full chunks, and silent AAC with the shortest headers.
    let mut reader = Reader::new(0);
    let mut video = [full(6, 0, 1280, 9), vec![0; 128]].concat();
    video.extend([vec![0xc6], vec![0; 128]].concat().repeat(9));
    let audio = [full(4, 0, 6, 8), vec![0; 6]].concat();
    reader.read(&mut &audio[..]).unwrap();
    for _ in 0..100_000 {
        assert!(reader.read(&mut &[0xc4, 0, 0, 0, 0, 0, 0][..]).unwrap().is_some());
    }
    for _ in 0..2000 {
        assert!(reader.read(&mut &video[..]).unwrap().is_some());
    }
    assert_eq!(reader.work, WORK_BURST - BEGIN_COST.max(CONTINUATION_COST));
}

#[test]
fn a_payload_lies_in_its_own_exact_allocation() {
    for length in [5u32, 600, 5000, 70_000] {
        let mut bytes = [full(6, 0, length, 9), vec![1; length.min(128) as usize]].concat();
        for left in (1..=length.saturating_sub(128)).rev().step_by(128) {
            bytes.extend([vec![0xc6], vec![1; left.min(128) as usize]].concat());
        }
        let payload = read_in(&bytes, 1000).unwrap().remove(0).payload;
        let owned = payload.try_into_mut().expect("nobody else holds it");
        assert_eq!((owned.len(), owned.capacity()), (length as usize, length as usize));
    }
}
