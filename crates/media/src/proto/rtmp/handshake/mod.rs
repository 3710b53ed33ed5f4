//! The RTMP handshake (Adobe RTMP 1.0 §5.2) in its plain form and in the digest form that Flash Player,
//! FFmpeg and some encoders use. Encrypted RTMP (RTMPE) is refused. Chunks begin where this ends.

mod client;
mod digest;
mod server;

pub use client::{Client, Style};
pub use server::Server;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// Length of each of C1, S1, C2 and S2.
pub const PACKET_BYTES: usize = 1536;

/// The only version of RTMP there is, §5.2.2.
const VERSION: u8 = 3;

/// Randomness for one handshake, from the caller: nothing here has a source of its own.
#[derive(Clone)]
pub struct Seed(pub [u8; 32]);

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

impl Seed {
    /// Fills `out` with bytes that only holders of the seed can tell. `purpose` keeps two uses apart.
    fn fill(&self, purpose: u8, out: &mut [u8]) {
        for (index, block) in out.chunks_mut(32).enumerate() {
            let hash = Sha256::new()
                .chain_update(self.0)
                .chain_update([purpose])
                .chain_update((index as u64).to_be_bytes())
                .finalize();
            block.copy_from_slice(&hash[..block.len()]);
        }
    }
}

/// How far a handshake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// All input is consumed and more is needed.
    Unfinished,
    /// Done; what is left of the input belongs to the chunk stream.
    Done,
}

/// Why a handshake fails.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HandshakeError {
    /// The first byte is not RTMP's version. 6 and 8 are RTMPE; letters are HTTP or TLS on the wrong port.
    #[error("version byte {0} where plain RTMP sends 3 (TLS, HTTP and RTMPE belong on other ports)")]
    Version(u8),
    /// The server signs its packets, but not with the key of a real one.
    #[error("the server's answer does not carry the digest of ours")]
    Digest,
}

/// Moves up to what is missing of `want` bytes from `input` to `buffer`; true once it is full.
fn gather(buffer: &mut Vec<u8>, want: usize, input: &mut &[u8]) -> bool {
    let missing = want.saturating_sub(buffer.len());
    let (taken, rest) = input.split_at(missing.min(input.len()));
    buffer.extend_from_slice(taken);
    *input = rest;
    buffer.len() == want
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(byte: u8) -> Seed {
        Seed([byte; 32])
    }

    /// Lets both sides talk in pieces of `piece` bytes until both are done; returns what each side sent.
    fn talk(style: Style, piece: usize) -> (Vec<u8>, Vec<u8>) {
        let mut server = Server::new(seed(1));
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        let mut client = Client::new(style, &seed(2), &mut to_server);
        let (mut at_server, mut at_client) = (0, 0);
        let (mut server_done, mut client_done) = (false, false);
        while !(server_done && client_done) {
            let mut input = &to_server[at_server..to_server.len().min(at_server + piece)];
            at_server += input.len();
            server_done |= server.input(&mut input, &mut to_client).unwrap() == Progress::Done;
            let mut input = &to_client[at_client..to_client.len().min(at_client + piece)];
            at_client += input.len();
            client_done |= client.input(&mut input, &mut to_server).unwrap() == Progress::Done;
        }
        (to_server, to_client)
    }

    #[test]
    fn both_styles_finish_however_the_bytes_are_split() {
        for style in [Style::Simple, Style::Digest] {
            let whole = talk(style, usize::MAX >> 1);
            assert_eq!(whole.0.len(), 1 + 2 * PACKET_BYTES);
            assert_eq!(whole.1.len(), 1 + 2 * PACKET_BYTES);
            for piece in [1, 7, 1535, 1536, 1537, 2000] {
                assert_eq!(talk(style, piece), whole, "{style:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn the_simple_server_echoes_c1_and_claims_no_version() {
        let (client, server) = talk(Style::Simple, 4096);
        assert_eq!(server[0], 3);
        assert_eq!(server[5..9], [0; 4]);
        assert_eq!(server[1 + PACKET_BYTES..], client[1..1 + PACKET_BYTES], "S2 is C1");
        assert_eq!(client[1 + PACKET_BYTES..], server[1..1 + PACKET_BYTES], "C2 is S1");
        assert_ne!(server[9..41], server[41..73], "S1 is random");
    }

    #[test]
    fn an_unsigned_c1_with_a_version_is_answered_simply() {
        let mut c1 = vec![3];
        c1.extend([7; PACKET_BYTES]);
        let mut out = Vec::new();
        Server::new(seed(1)).input(&mut &c1[..], &mut out).unwrap();
        assert_eq!(out[1 + PACKET_BYTES..], c1[1..]);
    }

    #[test]
    fn other_protocols_are_refused_at_their_first_byte() {
        for version in [0, 6, 8, b'G', 0x16] {
            let error = Server::new(seed(1)).input(&mut &[version][..], &mut Vec::new()).unwrap_err();
            assert_eq!(error, HandshakeError::Version(version));
        }
    }

    #[test]
    fn bytes_after_c2_stay_in_the_input() {
        let (client, _) = talk(Style::Simple, 4096);
        let mut bytes = client.clone();
        bytes.extend(b"chunks");
        let mut input = &bytes[..];
        let progress = Server::new(seed(1)).input(&mut input, &mut Vec::new()).unwrap();
        assert_eq!((progress, input), (Progress::Done, &b"chunks"[..]));
    }

    #[test]
    fn a_client_with_digest_accepts_an_unsigned_server_but_no_forged_signature() {
        let mut sent = Vec::new();
        let mut client = Client::new(Style::Digest, &seed(2), &mut sent);
        let mut answer = vec![3];
        answer.extend([9; PACKET_BYTES]);
        answer.extend(&sent[1..1 + PACKET_BYTES]);
        assert_eq!(client.input(&mut &answer[..], &mut sent), Ok(Progress::Done));

        let (mut out, mut sent) = (Vec::new(), Vec::new());
        let mut client = Client::new(Style::Digest, &seed(2), &mut sent);
        Server::new(seed(1)).input(&mut &sent[..], &mut out).unwrap();
        let last = out.len() - 1;
        out[last] ^= 1;
        assert_eq!(client.input(&mut &out[..], &mut sent), Err(HandshakeError::Digest));
    }
}
