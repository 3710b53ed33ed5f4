//! A handshake goes the same way however its bytes are cut, consumes no byte that is not its own, and
//! between our two ends always succeeds unless somebody changed it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::proto::rtmp::handshake::{Client, HandshakeError, PACKET_BYTES, Progress, Seed, Server, Style};

/// C0, C1, C2, or S0, S1, S2.
const WHOLE_BYTES: usize = 1 + 2 * PACKET_BYTES;

fuzz_target!(|input: (u8, bool, bool, &[u8])| {
    let (piece, is_signed, is_changed, bytes) = input;
    let style = if is_signed { Style::Digest } else { Style::Simple };
    let (from_client, from_server) = honest(style);
    for (honest, is_client) in [(from_client, true), (from_server, false)] {
        let sent = if is_changed { changed(honest, bytes) } else { [&honest, bytes].concat() };
        let feed = |piece| if is_client { to_server(&sent, piece) } else { to_client(style, &sent, piece) };
        let whole = feed(sent.len().max(1));
        assert_eq!(whole, feed(usize::from(piece).max(1)));
        if let (Ok((progress, consumed)), false) = (&whole.0, is_changed) {
            assert_eq!((*progress, *consumed), (Progress::Done, WHOLE_BYTES));
        }
        assert!(whole.1.len() <= WHOLE_BYTES);
    }
});

/// What both sides send when nobody interferes.
fn honest(style: Style) -> (Vec<u8>, Vec<u8>) {
    let (mut from_client, mut from_server) = (Vec::new(), Vec::new());
    let mut client = Client::new(style, &Seed([2; 32]), &mut from_client);
    let mut server = Server::new(Seed([1; 32]));
    assert_eq!(server.input(&mut &from_client[..], &mut from_server), Ok(Progress::Unfinished));
    assert_eq!(client.input(&mut &from_server[..], &mut from_client), Ok(Progress::Done));
    (from_client, from_server)
}

/// Bytes at the places that `bytes` says, exchanged for others.
fn changed(mut sent: Vec<u8>, bytes: &[u8]) -> Vec<u8> {
    for change in bytes.chunks_exact(3) {
        let place = usize::from(u16::from_be_bytes([change[0], change[1]])) % sent.len();
        sent[place] = change[2];
    }
    sent
}

type Outcome = (Result<(Progress, usize), HandshakeError>, Vec<u8>);

fn to_server(sent: &[u8], piece: usize) -> Outcome {
    let mut server = Server::new(Seed([1; 32]));
    feed(sent, piece, |input, out| server.input(input, out))
}

fn to_client(style: Style, sent: &[u8], piece: usize) -> Outcome {
    let mut client = Client::new(style, &Seed([2; 32]), &mut Vec::new());
    feed(sent, piece, |input, out| client.input(input, out))
}

fn feed(
    sent: &[u8],
    piece: usize,
    mut side: impl FnMut(&mut &[u8], &mut Vec<u8>) -> Result<Progress, HandshakeError>,
) -> Outcome {
    let (mut out, mut consumed) = (Vec::new(), 0);
    for mut input in sent.chunks(piece) {
        let before = input.len();
        let progress = side(&mut input, &mut out);
        consumed += before - input.len();
        match progress {
            Ok(Progress::Unfinished) => assert!(input.is_empty(), "all input is consumed until it is done"),
            Ok(Progress::Done) => return (Ok((Progress::Done, consumed)), out),
            Err(error) => return (Err(error), out),
        }
    }
    (Ok((Progress::Unfinished, consumed)), out)
}
