//! The listening side of the handshake. It answers C0 and C1 at once and never waits for C2 to do so.

use super::digest::{self, Packet, Signature, Signer};
use super::{HandshakeError, PACKET_BYTES, Progress, Seed, VERSION, gather};

/// What S1 claims in its version field when it is signed. FFmpeg looks for a signature from 3 on.
const SIGNED_VERSION: [u8; 4] = [4, 0, 0, 1];

/// The server's half of one handshake.
#[derive(Debug)]
pub struct Server {
    seed: Seed,
    state: State,
}

#[derive(Debug)]
enum State {
    AwaitC1 {
        received: Vec<u8>,
    },
    /// C2 proves nothing (its digest is made of public keys), so its bytes are only counted.
    AwaitC2 {
        left: usize,
    },
}

impl Server {
    /// A server that has heard nothing yet.
    pub fn new(seed: Seed) -> Self {
        Self { seed, state: State::AwaitC1 { received: Vec::new() } }
    }

    /// Consumes what belongs to the handshake from `input` and appends what is to be sent to `out`.
    pub fn input(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Result<Progress, HandshakeError> {
        if let State::AwaitC1 { received } = &mut self.state {
            if let Some(version) = received.first().or(input.first())
                && *version != VERSION
            {
                return Err(HandshakeError::Version(*version));
            }
            if !gather(received, 1 + PACKET_BYTES, input) {
                return Ok(Progress::Unfinished);
            }
            let c1: Packet = received[1..].try_into().expect("gathered to this length");
            answer(&c1, &self.seed, out);
            self.state = State::AwaitC2 { left: PACKET_BYTES };
        }
        if let State::AwaitC2 { left } = &mut self.state {
            let taken = input.len().min(*left);
            *input = &input[taken..];
            *left -= taken;
            if *left == 0 {
                return Ok(Progress::Done);
            }
        }
        Ok(Progress::Unfinished)
    }
}

/// S0, S1 and S2 in the style that C1 asks for. A version of zero means the plain handshake.
fn answer(c1: &Packet, seed: &Seed, out: &mut Vec<u8>) {
    let signed = if c1[4..8] == [0; 4] { None } else { digest::find(c1, Signer::Client) };
    let mut s1: Packet = [0; PACKET_BYTES];
    seed.fill(1, &mut s1[8..]);
    let mut s2 = *c1;
    if let Some((scheme, signature)) = signed {
        s1[4..8].copy_from_slice(&SIGNED_VERSION);
        digest::sign(&mut s1, scheme, Signer::Server);
        s2 = signed_s2(seed, &signature);
    }
    out.push(VERSION);
    out.extend_from_slice(&s1);
    out.extend_from_slice(&s2);
}

fn signed_s2(seed: &Seed, answered: &Signature) -> Packet {
    let mut s2: Packet = [0; PACKET_BYTES];
    seed.fill(2, &mut s2);
    digest::sign_answer(&mut s2, Signer::Server, answered);
    s2
}
