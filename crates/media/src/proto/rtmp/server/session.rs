//! The session: bytes in, bytes and events out, and the caller's answers.

use bytes::Bytes;
use thiserror::Error;

use super::connection::Connection;
use super::streams::{NotAsked, NotPlaying, Reset, State, Wants};
use super::{Config, Event, Output};
use crate::proto::amf::amf0::{self, Value};
use crate::proto::rtmp::MediaKind;
use crate::proto::rtmp::chunk;
use crate::proto::rtmp::error::RtmpError;
use crate::proto::rtmp::handshake::{self, Progress};
use crate::proto::rtmp::link::{Status, Wire};
use crate::proto::rtmp::message::{Command, UserControl};
use crate::proto::rtmp::outbox::Item;

/// One RTMP connection, seen from the server. Feed it what the socket gives, poll it until it has nothing
/// more, answer its questions. Everything it holds is bounded, as long as it is polled between inputs; one
/// input's events take memory in proportion to the input.
#[derive(Debug)]
pub struct Session {
    config: Config,
    phase: Phase,
    wire: Wire<Queued>,
}

#[derive(Debug)]
enum Phase {
    Handshake {
        state: handshake::Server,
        received: u64,
    },
    Open(Box<Connection>),
    /// Over: by our doing, or by a fault of the peer.
    Over(Option<RtmpError>),
}

/// What a peer waits to hear.
#[derive(Clone, Copy)]
enum Question {
    Publish,
    Play,
}

/// What waits between the bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Queued {
    Event(Event),
    /// The good answer to `connect`, ready to be sent, until the caller polls past it or rejects.
    ConnectAnswer(Bytes),
}

/// A `connect` can no longer be rejected: the answer has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("connect is answered; reject it right after its event, before polling on")]
pub struct ConnectAnswered;

impl Session {
    /// A session for a connection that was just accepted.
    pub fn new(mut config: Config) -> Self {
        config.chunk_bytes = config.chunk_bytes.clamp(chunk::CHUNK_BYTES_INITIAL, chunk::CHUNK_BYTES_MAX);
        let state = handshake::Server::new(config.seed.clone());
        Self { config, phase: Phase::Handshake { state, received: 0 }, wire: Wire::default() }
    }

    /// Takes what the socket gave. After an error the session is dead: what was polled may still be sent,
    /// and every further input gives the same error. After [`Event::Ended`] input is dropped.
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
            self.phase = Phase::Open(Box::new(Connection::new(position)));
        }
        match &mut self.phase {
            Phase::Open(connection) => connection.input(bytes, &self.config, &mut self.wire),
            Phase::Over(Some(error)) => Err(error.clone()),
            Phase::Over(None) | Phase::Handshake { .. } => Ok(()),
        }
    }

    /// The next thing to do, in order; `None` when there is nothing until more input.
    pub fn poll(&mut self) -> Option<Output> {
        Some(match self.wire.out.pop()? {
            Item::Bytes(bytes) | Item::Other(Queued::ConnectAnswer(bytes)) => Output::Send(bytes),
            Item::Other(Queued::Event(event)) => Output::Event(event),
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

    /// Refuses a `connect`. The peer is told why, and the session ends.
    pub fn reject_connect(&mut self, description: &str) -> Result<(), ConnectAnswered> {
        let Phase::Open(connection) = &self.phase else { return Err(ConnectAnswered) };
        if !matches!(self.wire.out.front(), Some(Item::Other(Queued::ConnectAnswer(_)))) {
            return Err(ConnectAnswered);
        }
        let transaction = connection.connect_transaction();
        self.wire.out.clear();
        self.wire.set_chunk_size(self.config.chunk_bytes);
        let status = Status::error("NetConnection.Connect.Rejected", description);
        let answer = Command::new("_error", transaction, Value::Null, vec![status.value()]);
        self.wire.command(0, answer);
        self.over();
        Ok(())
    }

    /// Ends the session from our side: a publisher was kicked, the server stops. The peer is told why.
    pub fn end(&mut self, description: &str) {
        if let Phase::Open(connection) = &self.phase
            && connection.is_connected()
        {
            self.wire.status(0, &Status::good("NetConnection.Connect.Closed", description));
            self.wire.command(0, Command::new("close", 0.0, Value::Null, vec![]));
        }
        if !self.is_over() {
            self.over();
        }
    }

    fn over(&mut self) {
        self.wire.out.event(Queued::Event(Event::Ended));
        self.phase = Phase::Over(None);
    }

    fn stream(&mut self, message_stream: u32) -> Option<&mut State> {
        match &mut self.phase {
            Phase::Open(connection) => connection.stream(message_stream),
            _ => None,
        }
    }

    fn enter(&mut self, message_stream: u32, entered: State) {
        if let Some(state) = self.stream(message_stream) {
            *state = entered;
        }
    }

    /// Closes an open question: the stream is idle again, and what it was is returned.
    fn answered(&mut self, message_stream: u32, question: Question) -> Result<State, NotAsked> {
        let state = self.stream(message_stream).ok_or(NotAsked(message_stream))?;
        match (&*state, question) {
            (State::PublishAsked { .. }, Question::Publish) | (State::PlayAsked { .. }, Question::Play) => {
                Ok(std::mem::replace(state, State::Idle))
            }
            (State::Withdrawn, _) => {
                *state = State::Idle;
                Err(NotAsked(message_stream))
            }
            _ => Err(NotAsked(message_stream)),
        }
    }

    /// Lets a publisher begin.
    pub fn accept_publish(&mut self, message_stream: u32) -> Result<(), NotAsked> {
        let asked = self.answered(message_stream, Question::Publish)?;
        if let State::PublishAsked { name } = asked {
            self.enter(message_stream, State::Publishing { name });
        }
        if let Phase::Open(connection) = &mut self.phase {
            connection.trust();
        }
        self.wire.user_control(UserControl::StreamBegin(message_stream));
        self.wire.status(message_stream, &Status::good("NetStream.Publish.Start", "Publishing."));
        Ok(())
    }

    /// Refuses a publisher, with one of [`super::code`] and words for its operator. Media it sent without
    /// waiting is dropped.
    pub fn reject_publish(
        &mut self,
        message_stream: u32,
        code: &str,
        description: &str,
    ) -> Result<(), NotAsked> {
        self.answered(message_stream, Question::Publish)?;
        self.wire.out.retain_events(|queued| match queued {
            Queued::Event(
                Event::Media { message_stream: stream, .. } | Event::ClearData { message_stream: stream, .. },
            ) => *stream != message_stream,
            _ => true,
        });
        self.wire.status(message_stream, &Status::error(code, description));
        Ok(())
    }

    /// Lets a player begin: everything it waits for goes out at once, then media may follow.
    pub fn accept_play(&mut self, message_stream: u32) -> Result<(), NotAsked> {
        let asked = self.answered(message_stream, Question::Play)?;
        self.enter(message_stream, State::Playing(Wants::ALL));
        self.wire.user_control(UserControl::StreamBegin(message_stream));
        if matches!(asked, State::PlayAsked { reset: Reset::Reset }) {
            let status = Status::good("NetStream.Play.Reset", "Playing and resetting.");
            self.wire.status(message_stream, &status);
        }
        self.wire.status(message_stream, &Status::good("NetStream.Play.Start", "Started playing."));
        // Flash refuses BitmapData.draw() and the like on streams that do not grant it.
        self.data(message_stream, &["|RtmpSampleAccess".into(), true.into(), true.into()]);
        let started = Value::object([("code", "NetStream.Data.Start".into())]);
        self.data(message_stream, &["onStatus".into(), started]);
        Ok(())
    }

    fn data(&mut self, message_stream: u32, values: &[Value]) {
        let payload = amf0::encode_all(values).expect("a few short values");
        self.wire.media(message_stream, MediaKind::Data, 0, &Bytes::from(payload));
    }

    /// Refuses a player, with one of [`super::code`] and words for people.
    pub fn reject_play(
        &mut self,
        message_stream: u32,
        code: &str,
        description: &str,
    ) -> Result<(), NotAsked> {
        self.answered(message_stream, Question::Play)?;
        self.wire.status(message_stream, &Status::error(code, description));
        Ok(())
    }

    /// Sends media to a player; what it asked not to get is left out. Poll before sending more than the
    /// caller is willing to queue.
    pub fn send_media(
        &mut self,
        message_stream: u32,
        kind: MediaKind,
        timestamp: u32,
        payload: &Bytes,
    ) -> Result<(), NotPlaying> {
        let Some(State::Playing(wants)) = self.stream(message_stream) else {
            return Err(NotPlaying(message_stream));
        };
        if wants.kind(kind) {
            self.wire.media(message_stream, kind, timestamp, payload);
        }
        Ok(())
    }

    /// Tells a player that nothing more comes. It may play something else on the same message stream.
    pub fn stream_eof(&mut self, message_stream: u32) -> Result<(), NotPlaying> {
        match self.stream(message_stream) {
            Some(state @ State::Playing(_)) => *state = State::Idle,
            _ => return Err(NotPlaying(message_stream)),
        }
        self.wire.user_control(UserControl::StreamEof(message_stream));
        let unpublished = Status::good("NetStream.Play.UnpublishNotify", "The stream has ended.");
        self.wire.status(message_stream, &unpublished);
        self.wire.status(message_stream, &Status::good("NetStream.Play.Stop", "Stopped playing."));
        Ok(())
    }

    /// Tells a player that it is where it wanted to be; media from there may follow.
    pub fn accept_seek(&mut self, message_stream: u32) -> Result<(), NotPlaying> {
        self.require_playing(message_stream)?;
        self.wire.user_control(UserControl::StreamBegin(message_stream));
        self.wire.status(message_stream, &Status::good("NetStream.Seek.Notify", "Seeking."));
        self.wire.status(message_stream, &Status::good("NetStream.Play.Start", "Started playing."));
        Ok(())
    }

    /// Tells a player that it stays where it is.
    pub fn reject_seek(&mut self, message_stream: u32, description: &str) -> Result<(), NotPlaying> {
        self.require_playing(message_stream)?;
        self.wire.status(message_stream, &Status::error("NetStream.Seek.Failed", description));
        Ok(())
    }

    fn require_playing(&mut self, message_stream: u32) -> Result<(), NotPlaying> {
        match self.stream(message_stream) {
            Some(State::Playing(_)) => Ok(()),
            _ => Err(NotPlaying(message_stream)),
        }
    }

    /// Asks the peer for a sign of life: [`Event::Pong`] with the same timestamp.
    pub fn ping(&mut self, timestamp: u32) {
        if matches!(self.phase, Phase::Open(_)) {
            self.wire.user_control(UserControl::PingRequest(timestamp));
        }
    }
}
