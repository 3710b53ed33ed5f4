//! Bytes on their way to a peer: a bounded queue that is written by `writev` as the socket takes it.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use super::transport::Transport;
use bytes::{Buf, Bytes};

/// Most bytes that wait for a peer. Answers are a few hundred bytes; a player's media is queued only while the
/// queue is short, so what goes past this is one access unit or a peer that asks and never reads.
pub(super) const QUEUE_BYTES_MAX: usize = 16 << 20;
/// Slices written at once; Linux takes 1024, and 64 of up to 64 KiB fill any socket.
const SLICES_MAX: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    queue: VecDeque<Bytes>,
    bytes: usize,
}

impl Outgoing {
    /// Appends bytes.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.bytes += bytes.len();
            self.queue.push_back(bytes);
        }
    }

    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Writes what the socket takes now. Gives how many bytes it took.
    pub(super) fn write(&mut self, stream: &Transport) -> io::Result<usize> {
        let mut written = 0;
        while !self.queue.is_empty() {
            let slices: Vec<IoSlice<'_>> =
                self.queue.iter().take(SLICES_MAX).map(|b| IoSlice::new(b)).collect();
            match stream.try_write_vectored(&slices) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.advance(n);
                    written += n;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    fn advance(&mut self, mut n: usize) {
        self.bytes -= n;
        while let Some(front) = self.queue.front_mut() {
            if n < front.len() {
                front.advance(n);
                return;
            }
            n -= front.len();
            self.queue.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_order_wherever_they_are_cut() {
        let mut out = Outgoing::default();
        for chunk in [&b"abc"[..], b"", b"defg", b"h"] {
            out.push(Bytes::copy_from_slice(chunk));
        }
        assert_eq!(out.len(), 8);
        out.advance(2);
        assert_eq!(out.queue.iter().flatten().copied().collect::<Vec<u8>>(), b"cdefgh");
        out.advance(5);
        assert_eq!((out.len(), out.queue.len()), (1, 1));
        out.advance(1);
        assert!(out.is_empty() && out.queue.is_empty());
    }
}
