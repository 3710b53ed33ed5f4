//! The digests of the signed handshake, as Flash Player 9 and Flash Media Server 3 introduced them. The
//! keys are fixed and public: they prove nothing but the age of the software.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::PACKET_BYTES;

/// Length of an HMAC-SHA256.
const DIGEST_BYTES: usize = 32;

/// One packet of the handshake.
pub(super) type Packet = [u8; PACKET_BYTES];

/// A packet's signature.
pub(super) type Signature = [u8; DIGEST_BYTES];

/// The second half of both keys.
const KEY_TAIL: [u8; 32] = [
    0xf0, 0xee, 0xc2, 0x4a, 0x80, 0x68, 0xbe, 0xe8, 0x2e, 0x00, 0xd0, 0xd1, 0x02, 0x9e, 0x7e, 0x57, 0x6e,
    0xec, 0x5d, 0x2d, 0x29, 0x80, 0x6f, 0xab, 0x93, 0xb8, 0xe6, 0x36, 0xcf, 0xeb, 0x31, 0xae,
];

/// Who signs. Packet 1 is signed with the key's text alone, packet 2 with all of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signer {
    Server,
    Client,
}

impl Signer {
    fn text(self) -> &'static [u8] {
        match self {
            Self::Server => b"Genuine Adobe Flash Media Server 001",
            Self::Client => b"Genuine Adobe Flash Player 001",
        }
    }

    fn whole_key(self) -> Vec<u8> {
        [self.text(), &KEY_TAIL].concat()
    }
}

/// Where in packet 1 the digest lies: after a block of 764 bytes that once held a Diffie-Hellman key, or
/// before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    KeyFirst,
    DigestFirst,
}

impl Scheme {
    /// The digest's offset: four bytes at the head of its block, added up, choose the place.
    fn digest_at(self, packet: &Packet) -> usize {
        let block = match self {
            Self::KeyFirst => 8 + 764,
            Self::DigestFirst => 8,
        };
        let sum: usize = packet[block..block + 4].iter().map(|byte| usize::from(*byte)).sum();
        block + 4 + sum % 728
    }
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Signature {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

fn signature_of(packet: &Packet, scheme: Scheme, signer: Signer) -> Signature {
    let at = scheme.digest_at(packet);
    hmac(signer.text(), &[&packet[..at], &packet[at + DIGEST_BYTES..]])
}

/// The signature of packet 1 and the scheme it follows, where it has one.
pub(super) fn find(packet: &Packet, signer: Signer) -> Option<(Scheme, Signature)> {
    [Scheme::DigestFirst, Scheme::KeyFirst].into_iter().find_map(|scheme| {
        let at = scheme.digest_at(packet);
        let signature = signature_of(packet, scheme, signer);
        (packet[at..at + DIGEST_BYTES] == signature).then_some((scheme, signature))
    })
}

/// Signs packet 1 in place.
pub(super) fn sign(packet: &mut Packet, scheme: Scheme, signer: Signer) -> Signature {
    let at = scheme.digest_at(packet);
    let signature = signature_of(packet, scheme, signer);
    packet[at..at + DIGEST_BYTES].copy_from_slice(&signature);
    signature
}

fn answer_signature(packet: &Packet, signer: Signer, answered: &Signature) -> Signature {
    let key = hmac(&signer.whole_key(), &[answered]);
    hmac(&key, &[&packet[..PACKET_BYTES - DIGEST_BYTES]])
}

/// Signs packet 2, which answers the peer's packet 1 of signature `answered`.
pub(super) fn sign_answer(packet: &mut Packet, signer: Signer, answered: &Signature) {
    let signature = answer_signature(packet, signer, answered);
    packet[PACKET_BYTES - DIGEST_BYTES..].copy_from_slice(&signature);
}

/// Whether packet 2 answers our packet 1 of signature `answered`.
pub(super) fn answers(packet: &Packet, signer: Signer, answered: &Signature) -> bool {
    packet[PACKET_BYTES - DIGEST_BYTES..] == answer_signature(packet, signer, answered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_schemes_are_found_and_a_changed_byte_is_not() {
        for scheme in [Scheme::KeyFirst, Scheme::DigestFirst] {
            let mut packet: Packet = std::array::from_fn(|index| (index * 7) as u8);
            let signature = sign(&mut packet, scheme, Signer::Client);
            assert_eq!(find(&packet, Signer::Client), Some((scheme, signature)));
            assert_eq!(find(&packet, Signer::Server), None);
            packet[1500] ^= 1;
            assert_eq!(find(&packet, Signer::Client), None);
        }
    }

    #[test]
    fn the_digest_stays_inside_the_packet_for_every_offset() {
        for scheme in [Scheme::KeyFirst, Scheme::DigestFirst] {
            for fill in 0..=255 {
                assert!(scheme.digest_at(&[fill; PACKET_BYTES]) + DIGEST_BYTES <= PACKET_BYTES);
            }
        }
    }
}
