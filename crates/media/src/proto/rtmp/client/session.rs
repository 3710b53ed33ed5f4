//! The client's session: bytes in, bytes and events out, media to send.

use bytes::Bytes;
use thiserror::Error;

use super::connection::Connection;
use super::{Config, Event, Output, Role};
use crate::proto::amf::amf0::{self, Value};
use crate::proto::rtmp::MediaKind;
use crate::proto::rtmp::chunk;
use crate::proto::rtmp::error::RtmpError;
use crate::proto::rtmp::handshake::{self, Progress};
use crate::proto::rtmp::link::{SET_DATA_FRAME, Wire};
use crate::proto::rtmp::message::UserControl;
use crate::proto::rtmp::outbox::Item;

/// One RTMP connection, seen from the client. It connects, creates a stream and publishes or plays it by
/// itself; [`Event::Started`] says when.
#[derive(Debug)]
pub struct Session {
    config: Config,
    phase: Phase,
    wire: Wire<Event>,
}

#[derive(Debug)]
enum Phase {
    Handshake {
        state: handshake::Client,
        received: u64,
    },
    Open(Box<Connection>),
    /// Over: by somebody's wish, or by a fault of the server.
    Over(Option<RtmpError>),
}

/// Media before [`Event::Started`], after the end, or from a player.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not publishing: the session has not started, is over, or only plays")]
pub struct NotStarted;

impl Session {
    /// A session for a connection that was just made; poll it for its first bytes.
    pub fn new(mut config: Config) -> Self {
        config.chunk_bytes = config.chunk_bytes.clamp(chunk::CHUNK_BYTES_INITIAL, chunk::CHUNK_BYTES_MAX);
        let mut wire = Wire::default();
        let mut greeting = Vec::new();
        let state = handshake::Client::new(config.style, &config.seed, &mut greeting);
        wire.out.copy(&greeting);
        Self { config, phase: Phase::Handshake { state, received: 0 }, wire }
    }

    /// Takes what the socket gave. After an error the session is dead, and every further input gives the
    /// same error. After [`Event::Ended`] input is dropped.
    pub fn input(&mut self, bytes: &[u8]) -> Result<(), RtmpError> {
        let result = self.advance(bytes);
        if let Err(error) = &result {
            self.phase = Phase::Over(Some(error.clone()));
        }
        result
    }

    fn advance(&mut self, mut bytes: &[u8]) -> Result<(), RtmpError> {
        if let Phase::Handshake { state, received } = &mut self.phase {
            let mut answer = Vec::new();
            let before = bytes.len();
            let progress = state.input(&mut bytes, &mut answer);
            *received += (before - bytes.len()) as u64;
            self.wire.out.copy(&answer);
            let position = *received;
            let progress = progress.map_err(|error| RtmpError {
                position,
                chunk_stream: None,
                message_type: None,
                kind: error.into(),
            })?;
            if progress == Progress::Unfinished {
                return Ok(());
            }
            self.phase = Phase::Open(Box::new(Connection::open(position, &self.config, &mut self.wire)));
        }
        match &mut self.phase {
            Phase::Open(connection) => {
                connection.input(bytes, &self.config, &mut self.wire)?;
                if connection.is_over() {
                    self.phase = Phase::Over(None);
                }
                Ok(())
            }
            Phase::Over(Some(error)) => Err(error.clone()),
            Phase::Over(None) | Phase::Handshake { .. } => Ok(()),
        }
    }

    /// The next thing to do, in order; `None` when there is nothing until more input.
    pub fn poll(&mut self) -> Option<Output> {
        Some(match self.wire.out.pop()? {
            Item::Bytes(bytes) => Output::Send(bytes),
            Item::Other(event) => Output::Event(event),
        })
    }

    /// Bytes that wait to be polled.
    pub fn queued_bytes(&self) -> usize {
        self.wire.out.queued_bytes()
    }

    /// Whether nothing more can come of this session but what is still to be polled.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over(_))
    }

    fn started(&self) -> Option<u32> {
        match &self.phase {
            Phase::Open(connection) => connection.started(),
            _ => None,
        }
    }

    /// Sends media. `onMetaData` is wrapped so that servers keep it for late players.
    pub fn send_media(&mut self, kind: MediaKind, timestamp: u32, payload: &Bytes) -> Result<(), NotStarted> {
        let message_stream =
            self.started().filter(|_| self.config.role == Role::Publish).ok_or(NotStarted)?;
        let is_metadata = kind == MediaKind::Data
            && amf0::leading_string(payload).is_some_and(|(name, _)| name == b"onMetaData");
        if !is_metadata {
            self.wire.media(message_stream, kind, timestamp, payload);
            return Ok(());
        }
        let mut wrapped = amf0::encode_all(&[Value::from(SET_DATA_FRAME)]).expect("a short string");
        wrapped.extend_from_slice(payload);
        self.wire.media(message_stream, kind, timestamp, &Bytes::from(wrapped));
        Ok(())
    }

    /// Asks the server for a sign of life: [`Event::Pong`] with the same timestamp.
    pub fn ping(&mut self, timestamp: u32) {
        if matches!(self.phase, Phase::Open(_)) {
            self.wire.user_control(UserControl::PingRequest(timestamp));
        }
    }

    /// Says goodbye and ends the session.
    pub fn close(&mut self) {
        if let Phase::Open(connection) = &self.phase {
            connection.say_goodbye(&self.config, &mut self.wire);
        }
        if !self.is_over() {
            self.wire.out.event(Event::Ended);
            self.phase = Phase::Over(None);
        }
    }
}
