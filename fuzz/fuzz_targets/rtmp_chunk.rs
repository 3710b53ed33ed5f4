//! Messages come out of chunks the same however the bytes are cut, memory follows what was received, and
//! what came out can be written in chunks of any size and comes out again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::proto::rtmp::chunk::{CHUNK_STREAMS_MAX, Message, Reader, Writer};
use media::proto::rtmp::{ErrorKind, Item, Outbox};

/// Bytes that an unfinished message may take beyond twice what was received of it.
const UNFINISHED_BYTES_MIN: usize = 512;

fuzz_target!(|input: (u8, u16, &[u8])| {
    let (piece, chunk_bytes, bytes) = input;
    let (messages, error) = read(bytes, bytes.len().max(1));
    let cut = read(bytes, usize::from(piece).max(1));
    assert_eq!((&messages, &error), (&cut.0, &cut.1));
    // Smaller chunks may cost more than their bytes allow.
    let written = write(&messages, u32::from(chunk_bytes).max(16));
    let (again, error) = read(&written, written.len().max(1));
    assert_eq!((again, error), (messages, None));
});

fn read(bytes: &[u8], piece: usize) -> (Vec<Message>, Option<ErrorKind>) {
    let mut reader = Reader::new(0);
    let mut messages = Vec::new();
    let mut received = 0;
    for mut input in bytes.chunks(piece) {
        received += input.len();
        loop {
            match reader.read(&mut input) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => {
                    assert!(error.position <= received as u64, "{error}");
                    return (messages, Some(error.kind));
                }
            }
        }
        assert!(input.is_empty());
        assert_eq!(reader.position(), received as u64);
        let most = 2 * received + CHUNK_STREAMS_MAX * UNFINISHED_BYTES_MIN;
        assert!(reader.unfinished_bytes() <= most, "memory follows what was received");
    }
    (messages, None)
}

/// Tells the chunk size, then writes everything.
fn write(messages: &[Message], chunk_bytes: u32) -> Vec<u8> {
    let (mut writer, mut out) = (Writer::default(), Outbox::<()>::default());
    let payload = bytes::Bytes::copy_from_slice(&chunk_bytes.to_be_bytes());
    // On a chunk stream of the messages: a reader takes no more of them than they use.
    let chunk_stream = messages.first().map_or(2, |message| message.chunk_stream);
    let announcement = Message { chunk_stream, timestamp: 0, type_id: 1, message_stream: 0, payload };
    writer.write(&announcement, &mut out);
    writer.set_chunk_bytes(chunk_bytes);
    messages.iter().for_each(|message| writer.write(message, &mut out));
    let mut written = Vec::new();
    while let Some(Item::Bytes(bytes)) = out.pop() {
        written.extend_from_slice(&bytes);
    }
    written
}
