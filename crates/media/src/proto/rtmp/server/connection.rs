//! A connection behind its handshake: what its messages do, commands aside.

use bytes::Bytes;

use super::session::Queued;
use super::streams::{State, Streams};
use super::{Config, Event};
use crate::proto::rtmp::MediaKind;
use crate::proto::rtmp::chunk::{self, Reader};
use crate::proto::rtmp::error::{ErrorKind, RtmpError};
use crate::proto::rtmp::link::{self, Acknowledger, Wire};
use crate::proto::rtmp::message::{Message, UserControl};
use crate::proto::rtmp::outbox::REPLY_BYTES_MAX;

/// A connection behind its handshake.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) reader: Reader,
    pub(super) acknowledger: Acknowledger,
    pub(super) app: Option<App>,
    pub(super) streams: Streams,
}

/// What `connect` settled.
#[derive(Debug)]
pub(super) struct App {
    pub(super) name: String,
    pub(super) tc_url: String,
    pub(super) transaction: f64,
}

impl Connection {
    pub(super) fn new(position: u64) -> Self {
        Self {
            reader: Reader::new(position),
            acknowledger: Acknowledger::default(),
            app: None,
            streams: Streams::default(),
        }
    }

    pub(super) fn stream(&mut self, message_stream: u32) -> Option<&mut State> {
        self.streams.get_mut(message_stream)
    }

    /// The caller has let the peer in: it may send large messages.
    pub(super) fn trust(&mut self) {
        self.reader.trust();
    }

    pub(super) fn is_connected(&self) -> bool {
        self.app.is_some()
    }

    pub(super) fn connect_transaction(&self) -> f64 {
        self.app.as_ref().map_or(1.0, |app| app.transaction)
    }

    pub(super) fn names(&self) -> (&str, &str) {
        self.app.as_ref().map_or(("", ""), |app| (&app.name, &app.tc_url))
    }

    /// Reads chunks and obeys their messages.
    pub(super) fn input(
        &mut self,
        mut bytes: &[u8],
        config: &Config,
        wire: &mut Wire<Queued>,
    ) -> Result<(), RtmpError> {
        while let Some(message) = self.reader.read(&mut bytes)? {
            self.message(message, config, wire)?;
        }
        self.acknowledger.received(self.reader.position(), wire);
        Ok(())
    }

    fn message(
        &mut self,
        message: chunk::Message,
        config: &Config,
        wire: &mut Wire<Queued>,
    ) -> Result<(), RtmpError> {
        let (chunk_stream, message_type) = (Some(message.chunk_stream), Some(message.type_id));
        let position = self.reader.position();
        let fail = |kind| RtmpError { position, chunk_stream, message_type, kind };
        if wire.out.queued_bytes() > REPLY_BYTES_MAX {
            return Err(fail(ErrorKind::Backlog));
        }
        let (message_stream, timestamp) = (message.message_stream, message.timestamp);
        match Message::read(message).map_err(fail)? {
            Message::Command(command) => {
                self.command(message_stream, command, config, wire).map_err(fail)?;
            }
            Message::Media(kind, payload) => {
                self.media(message_stream, kind, timestamp, payload, wire);
            }
            Message::Aggregate(tags) => {
                for tag in tags {
                    self.media(message_stream, tag.kind, tag.timestamp, tag.payload, wire);
                }
            }
            Message::UserControl(UserControl::PingRequest(timestamp)) => {
                wire.user_control(UserControl::PingResponse(timestamp));
            }
            Message::UserControl(UserControl::PingResponse(timestamp)) => {
                wire.out.event(Queued::Event(Event::Pong { timestamp }));
            }
            Message::WindowSize(bytes) => self.acknowledger.set_window(bytes),
            Message::SetPeerBandwidth { bytes, .. } if bytes != config.window_bytes => {
                wire.send(&Message::WindowSize(bytes), 0);
            }
            Message::UserControl(_)
            | Message::SetPeerBandwidth { .. }
            | Message::Acknowledgement(_)
            | Message::Ignored(_) => {}
        }
        Ok(())
    }

    /// Media counts only where it is, or may become, published.
    fn media(
        &mut self,
        message_stream: u32,
        kind: MediaKind,
        timestamp: u32,
        payload: Bytes,
        wire: &mut Wire<Queued>,
    ) {
        let state = self.stream(message_stream);
        let is_publisher = matches!(state, Some(State::PublishAsked { .. } | State::Publishing { .. }));
        // Flash sends empty audio messages while a microphone is silent.
        if !is_publisher || payload.is_empty() {
            return;
        }
        let payload = match kind {
            MediaKind::Audio | MediaKind::Video => payload,
            MediaKind::Data => match link::unwrapped(payload) {
                link::Data::Values(payload) => payload,
                link::Data::Cleared(name) => {
                    return wire.out.event(Queued::Event(Event::ClearData { message_stream, name }));
                }
                link::Data::Nameless => return,
            },
        };
        wire.out.event(Queued::Event(Event::Media { message_stream, kind, timestamp, payload }));
    }
}
