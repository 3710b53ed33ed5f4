//! The calling side of the handshake.

use super::digest::{self, Packet, Scheme, Signature, Signer};
use super::{HandshakeError, PACKET_BYTES, Progress, Seed, VERSION, gather};

/// What a signed C1 claims as its Flash version.
const SIGNED_VERSION: [u8; 4] = [9, 0, 124, 2];

/// Which handshake the client offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Random bytes and echoes: every server takes it.
    #[default]
    Simple,
    /// Signed packets, for servers that give H.264 only to what looks like Flash Player.
    Digest,
}

/// The client's half of one handshake.
#[derive(Debug)]
pub struct Client {
    seed: Seed,
    /// The signature of our C1, where it has one.
    signature: Option<Signature>,
    state: State,
}

#[derive(Debug)]
enum State {
    AwaitS1 { received: Vec<u8> },
    AwaitS2 { received: Vec<u8>, check: Check },
}

/// What S2 has to be.
#[derive(Debug, Clone, Copy)]
enum Check {
    /// Servers differ in what they echo, so an unsigned S2 is not looked at.
    Nothing,
    Signed(Signature),
}

impl Client {
    /// A client that has just written C0 and C1 to `out`.
    pub fn new(style: Style, seed: &Seed, out: &mut Vec<u8>) -> Self {
        let mut c1: Packet = [0; PACKET_BYTES];
        seed.fill(1, &mut c1[8..]);
        let signature = (style == Style::Digest).then(|| {
            c1[4..8].copy_from_slice(&SIGNED_VERSION);
            digest::sign(&mut c1, Scheme::DigestFirst, Signer::Client)
        });
        out.push(VERSION);
        out.extend_from_slice(&c1);
        Self { seed: seed.clone(), signature, state: State::AwaitS1 { received: Vec::new() } }
    }

    /// Consumes what belongs to the handshake from `input` and appends what is to be sent to `out`.
    pub fn input(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Result<Progress, HandshakeError> {
        if let State::AwaitS1 { received } = &mut self.state {
            if let Some(version) = received.first().or(input.first())
                && *version != VERSION
            {
                return Err(HandshakeError::Version(*version));
            }
            if !gather(received, 1 + PACKET_BYTES, input) {
                return Ok(Progress::Unfinished);
            }
            let s1: Packet = received[1..].try_into().expect("gathered to this length");
            let check = self.answer(&s1, out);
            self.state = State::AwaitS2 { received: Vec::new(), check };
        }
        if let State::AwaitS2 { received, check } = &mut self.state
            && gather(received, PACKET_BYTES, input)
        {
            let s2: &Packet = received[..].try_into().expect("gathered to this length");
            return match check {
                Check::Signed(ours) if !digest::answers(s2, Signer::Server, ours) => {
                    Err(HandshakeError::Digest)
                }
                _ => Ok(Progress::Done),
            };
        }
        Ok(Progress::Unfinished)
    }

    /// Writes C2: signed where both sides sign, else the echo of S1.
    fn answer(&self, s1: &Packet, out: &mut Vec<u8>) -> Check {
        let theirs = digest::find(s1, Signer::Server);
        let (Some(ours), Some((_, theirs))) = (self.signature, theirs) else {
            out.extend_from_slice(s1);
            return Check::Nothing;
        };
        let mut c2: Packet = [0; PACKET_BYTES];
        self.seed.fill(2, &mut c2);
        digest::sign_answer(&mut c2, Signer::Client, &theirs);
        out.extend_from_slice(&c2);
        Check::Signed(ours)
    }
}
