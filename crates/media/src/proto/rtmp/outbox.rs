//! What a session has for its caller: bytes to send and events, in order. Bytes of headers and small
//! messages are gathered; payloads are shared, never copied, so that a caller can `writev`.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Most bytes of answers that may wait before a session stops reading: a thousand times what a peer that
/// reads its answers leaves waiting.
pub(super) const REPLY_BYTES_MAX: usize = 4 << 20;

/// What the buffer for headers grows by: some 60 media headers, or one connection's greeting.
const TAIL_BYTES: usize = 1024;

/// One thing in an [`Outbox`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item<E> {
    /// Bytes for the peer.
    Bytes(Bytes),
    /// Anything else, in its place between the bytes.
    Other(E),
}

/// A queue of bytes and events. Its filler decides how much: the sessions bound what a peer can cause by
/// `REPLY_BYTES_MAX`, and a caller that sends media polls before it sends more.
#[derive(Debug)]
pub struct Outbox<E> {
    items: VecDeque<Item<E>>,
    /// Bytes not yet in `items`; they come after all of them.
    tail: BytesMut,
    /// Bytes in `items`.
    queued: usize,
}

impl<E> Default for Outbox<E> {
    fn default() -> Self {
        Self { items: VecDeque::new(), tail: BytesMut::new(), queued: 0 }
    }
}

impl<E> Outbox<E> {
    /// Appends a copy of `bytes`, gathered with those around it.
    pub fn copy(&mut self, bytes: &[u8]) {
        if self.tail.capacity() - self.tail.len() < bytes.len() {
            self.tail.reserve(bytes.len().max(TAIL_BYTES));
        }
        self.tail.extend_from_slice(bytes);
    }

    /// Appends `bytes` as they are.
    pub fn share(&mut self, bytes: Bytes) {
        self.flush();
        self.queued += bytes.len();
        self.items.push_back(Item::Bytes(bytes));
    }

    /// Appends an event.
    pub fn event(&mut self, event: E) {
        self.flush();
        self.items.push_back(Item::Other(event));
    }

    fn flush(&mut self) {
        if !self.tail.is_empty() {
            self.queued += self.tail.len();
            self.items.push_back(Item::Bytes(self.tail.split().freeze()));
        }
    }

    /// Takes the bytes gathered since the last event or shared piece.
    pub(super) fn take_tail(&mut self) -> Bytes {
        self.tail.split().freeze()
    }

    /// Takes the first item.
    pub fn pop(&mut self) -> Option<Item<E>> {
        self.flush();
        let item = self.items.pop_front()?;
        if let Item::Bytes(bytes) = &item {
            self.queued -= bytes.len();
        }
        Some(item)
    }

    /// The first item, left where it is.
    pub(super) fn front(&self) -> Option<&Item<E>> {
        self.items.front()
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.tail.clear();
        self.queued = 0;
    }

    /// Keeps the events that `keep` says, and all bytes.
    pub(super) fn retain_events(&mut self, mut keep: impl FnMut(&E) -> bool) {
        self.items.retain(|item| match item {
            Item::Bytes(_) => true,
            Item::Other(event) => keep(event),
        });
    }

    /// Bytes that wait to be sent.
    pub fn queued_bytes(&self) -> usize {
        self.queued + self.tail.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pieces_are_gathered_and_order_is_kept() {
        let mut out = Outbox::default();
        out.copy(b"ab");
        out.copy(b"c");
        out.share(Bytes::from_static(b"payload"));
        out.copy(b"d");
        out.event(1);
        out.copy(b"e");
        assert_eq!(out.queued_bytes(), 12);
        let mut items = Vec::new();
        while let Some(item) = out.pop() {
            items.push(item);
        }
        let bytes = |b: &'static [u8]| Item::Bytes(Bytes::from_static(b));
        assert_eq!(items, [bytes(b"abc"), bytes(b"payload"), bytes(b"d"), Item::Other(1), bytes(b"e")]);
        assert_eq!(out.queued_bytes(), 0);
    }

    #[test]
    fn a_shared_payload_is_the_same_memory() {
        let payload = Bytes::from(vec![7; 100]);
        let mut out = Outbox::<()>::default();
        out.share(payload.clone());
        let Some(Item::Bytes(sent)) = out.pop() else { panic!() };
        assert_eq!(sent.as_ptr(), payload.as_ptr());
    }
}
