//! What both ends of a connection do alike: write messages, acknowledge what they receive, unwrap data
//! messages. Commands are the sessions' own.

use bytes::Bytes;

use super::chunk::{self, Writer};
use super::message::{self, Command, Message, UserControl};
use super::outbox::Outbox;
use super::{MediaKind, WINDOW_BYTES_DEFAULT};
use crate::proto::amf::amf0::{self, Value};

/// The smallest window obeyed: an acknowledgement takes 16 bytes, so a smaller one would make us send as
/// much as we receive.
const WINDOW_BYTES_MIN: u32 = 1024;

/// The name that wraps `onMetaData` on its way to a server.
pub(super) const SET_DATA_FRAME: &str = "@setDataFrame";

/// The name that takes wrapped data back.
pub(super) const CLEAR_DATA_FRAME: &str = "@clearDataFrame";

/// The writing half of a session.
#[derive(Debug)]
pub(super) struct Wire<E> {
    writer: Writer,
    pub(super) out: Outbox<E>,
}

impl<E> Default for Wire<E> {
    fn default() -> Self {
        Self { writer: Writer::default(), out: Outbox::default() }
    }
}

impl<E> Wire<E> {
    /// Sends a message that is small and has one fixed form. Those that sessions make all have one: strings
    /// that might be long are made as long strings.
    pub(super) fn send(&mut self, message: &Message, message_stream: u32) {
        if let Some(message) = message.write(message_stream) {
            self.writer.gather(&message, &mut self.out);
        }
    }

    pub(super) fn user_control(&mut self, event: UserControl) {
        self.send(&Message::UserControl(event), 0);
    }

    pub(super) fn command(&mut self, message_stream: u32, command: Command) {
        self.send(&Message::Command(command), message_stream);
    }

    /// An `onStatus`, §7.2.2: it answers no transaction.
    pub(super) fn status(&mut self, message_stream: u32, status: &Status<'_>) {
        self.command(message_stream, Command::new("onStatus", 0.0, Value::Null, vec![status.value()]));
    }

    /// Announces our chunk size and uses it from here on.
    pub(super) fn set_chunk_size(&mut self, bytes: u32) {
        self.writer.gather(&message::set_chunk_size(bytes), &mut self.out);
        self.writer.set_chunk_bytes(bytes);
    }

    pub(super) fn media(&mut self, message_stream: u32, kind: MediaKind, timestamp: u32, payload: &Bytes) {
        let message: chunk::Message = message::media(kind, message_stream, timestamp, payload);
        self.writer.write(&message, &mut self.out);
    }
}

/// The information object of a status or result.
#[derive(Debug, Clone, Copy)]
pub(super) struct Status<'a> {
    pub(super) level: &'static str,
    pub(super) code: &'a str,
    pub(super) description: &'a str,
}

impl<'a> Status<'a> {
    pub(super) fn good(code: &'a str, description: &'a str) -> Self {
        Self { level: "status", code, description }
    }

    pub(super) fn error(code: &'a str, description: &'a str) -> Self {
        Self { level: "error", code, description }
    }

    pub(super) fn value(&self) -> Value {
        Value::object([
            ("level", self.level.into()),
            ("code", self.code.into()),
            ("description", self.description.into()),
        ])
    }
}

/// The acknowledgements owed to a peer, §5.4.3 and §5.4.4.
#[derive(Debug)]
pub(super) struct Acknowledger {
    window: u32,
    acknowledged: u64,
}

impl Default for Acknowledger {
    fn default() -> Self {
        Self { window: WINDOW_BYTES_DEFAULT, acknowledged: 0 }
    }
}

impl Acknowledger {
    pub(super) fn set_window(&mut self, bytes: u32) {
        self.window = bytes.max(WINDOW_BYTES_MIN);
    }

    /// Acknowledges the `received` bytes of the connection, if it is time.
    pub(super) fn received<E>(&mut self, received: u64, wire: &mut Wire<E>) {
        if received - self.acknowledged >= u64::from(self.window) {
            self.acknowledged = received;
            // The sequence number is 32 bits and wraps.
            wire.send(&Message::Acknowledgement(received as u32), 0);
        }
    }
}

/// What a data message of a publisher is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Data {
    /// A handler's name and its values, in their own exact allocation.
    Values(Bytes),
    /// The handler whose data is withdrawn.
    Cleared(String),
    /// Something without a handler's name, which nobody could be given.
    Nameless,
}

/// Takes the wrapping off a data message.
pub(super) fn unwrapped(payload: Bytes) -> Data {
    let Some((name, length)) = amf0::leading_string(&payload) else { return Data::Nameless };
    let rest = &payload[length..];
    if name == SET_DATA_FRAME.as_bytes() {
        return match amf0::leading_string(rest) {
            Some(_) => Data::Values(Bytes::copy_from_slice(rest)),
            None => Data::Nameless,
        };
    }
    if name == CLEAR_DATA_FRAME.as_bytes() {
        return match amf0::leading_string(rest) {
            Some((name, _)) => Data::Cleared(String::from_utf8_lossy(name).into_owned()),
            None => Data::Nameless,
        };
    }
    Data::Values(payload)
}

#[cfg(test)]
mod tests {
    use super::super::outbox::Item;
    use super::*;

    #[test]
    fn acknowledgements_follow_the_window_and_wrap() {
        let mut wire = Wire::<()>::default();
        let mut acknowledger = Acknowledger::default();
        acknowledger.received(u64::from(WINDOW_BYTES_DEFAULT) - 1, &mut wire);
        assert_eq!(wire.out.queued_bytes(), 0);
        acknowledger.set_window(1);
        acknowledger.received(0x1_0000_0005, &mut wire);
        acknowledger.received(0x1_0000_0005 + 1023, &mut wire);
        let Some(Item::Bytes(bytes)) = wire.out.pop() else { panic!() };
        assert_eq!(bytes[..], [2, 0, 0, 0, 0, 0, 4, 3, 0, 0, 0, 0, 0, 0, 0, 5]);
    }

    #[test]
    fn data_is_unwrapped_or_told_apart() {
        let data = |bytes: &[u8]| unwrapped(Bytes::copy_from_slice(bytes));
        let values = |bytes: &'static [u8]| Data::Values(Bytes::from_static(bytes));
        assert_eq!(data(b"\x02\x00\x0d@setDataFrame\x02\x00\x01n\x05"), values(b"\x02\x00\x01n\x05"));
        assert_eq!(data(b"\x02\x00\x01n\x05"), values(b"\x02\x00\x01n\x05"));
        assert_eq!(data(b"\x02\x00\x0f@clearDataFrame\x02\x00\x01n"), Data::Cleared("n".to_owned()));
        for nameless in [&b""[..], b"\x05", b"\x02\x00\x0d@setDataFrame", b"\x02\x00\x0f@clearDataFrame\x05"]
        {
            assert_eq!(data(nameless), Data::Nameless);
        }
    }
}
