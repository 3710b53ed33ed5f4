//! The client's side of the command dialogue: connect, create a stream, publish or play it.

use bytes::Bytes;

use super::{BUFFER_MS, Config, Event, Role};
use crate::proto::amf::amf0::{self, Value};
use crate::proto::rtmp::chunk::{self, Reader};
use crate::proto::rtmp::enhanced;
use crate::proto::rtmp::error::{ErrorKind, RtmpError};
use crate::proto::rtmp::link::{Acknowledger, Wire};
use crate::proto::rtmp::message::{Command, Message, UserControl};
use crate::proto::rtmp::outbox::REPLY_BYTES_MAX;
use crate::proto::rtmp::{MediaKind, WINDOW_BYTES_DEFAULT};

/// What clients of each role call themselves: some servers answer only what they know.
const PUBLISHER_VERSION: &str = "FMLE/3.0 (compatible; Tapeline)";
const PLAYER_VERSION: &str = "LNX 9,0,124,2";

/// The numbers of our calls.
mod transaction {
    pub(super) const CONNECT: f64 = 1.0;
    pub(super) const RELEASE_STREAM: f64 = 2.0;
    pub(super) const FC_PUBLISH: f64 = 3.0;
    pub(super) const CREATE_STREAM: f64 = 4.0;
    pub(super) const START: f64 = 5.0;
    pub(super) const GOODBYE: f64 = 6.0;
}

/// A connection behind its handshake.
#[derive(Debug)]
pub(super) struct Connection {
    reader: Reader,
    acknowledger: Acknowledger,
    step: Step,
}

/// How far the dialogue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Connecting,
    Creating,
    Starting { message_stream: u32 },
    Started { message_stream: u32 },
    Over,
}

impl Connection {
    /// Sends `connect`.
    pub(super) fn open(position: u64, config: &Config, wire: &mut Wire<Event>) -> Self {
        let version = match config.role {
            Role::Publish => PUBLISHER_VERSION,
            Role::Play => PLAYER_VERSION,
        };
        let properties = [
            ("app", config.location.app.as_str().into()),
            ("type", "nonprivate".into()),
            ("flashVer", version.into()),
            ("tcUrl", config.location.tc_url().as_str().into()),
            ("fpad", false.into()),
            ("capabilities", 15.0.into()),
            ("audioCodecs", 4071.0.into()),
            ("videoCodecs", 252.0.into()),
            ("videoFunction", 1.0.into()),
            ("objectEncoding", 0.0.into()),
        ];
        let properties = properties.into_iter().chain(enhanced::our_properties());
        let properties = Value::Object(properties.map(|(key, value)| (key.into(), value)).collect());
        wire.command(0, Command::new("connect", transaction::CONNECT, properties, vec![]));
        let mut reader = Reader::new(position);
        // The operator chose this server.
        reader.trust();
        Self { reader, acknowledger: Acknowledger::default(), step: Step::Connecting }
    }

    pub(super) fn is_over(&self) -> bool {
        self.step == Step::Over
    }

    /// The message stream, once it is in use.
    pub(super) fn started(&self) -> Option<u32> {
        match self.step {
            Step::Started { message_stream } => Some(message_stream),
            _ => None,
        }
    }

    pub(super) fn say_goodbye(&self, config: &Config, wire: &mut Wire<Event>) {
        let (Step::Starting { message_stream } | Step::Started { message_stream }) = self.step else {
            return;
        };
        if config.role == Role::Publish {
            let name = vec![config.location.name.as_str().into()];
            wire.command(0, Command::new("FCUnpublish", transaction::GOODBYE, Value::Null, name));
        }
        let number = vec![f64::from(message_stream).into()];
        wire.command(0, Command::new("deleteStream", 0.0, Value::Null, number));
    }

    /// Reads chunks and obeys their messages.
    pub(super) fn input(
        &mut self,
        mut bytes: &[u8],
        config: &Config,
        wire: &mut Wire<Event>,
    ) -> Result<(), RtmpError> {
        while self.step != Step::Over
            && let Some(message) = self.reader.read(&mut bytes)?
        {
            self.message(message, config, wire)?;
        }
        self.acknowledger.received(self.reader.position(), wire);
        Ok(())
    }

    fn message(
        &mut self,
        message: chunk::Message,
        config: &Config,
        wire: &mut Wire<Event>,
    ) -> Result<(), RtmpError> {
        let (chunk_stream, message_type) = (Some(message.chunk_stream), Some(message.type_id));
        let position = self.reader.position();
        let fail = |kind| RtmpError { position, chunk_stream, message_type, kind };
        if wire.out.queued_bytes() > REPLY_BYTES_MAX {
            return Err(fail(ErrorKind::Backlog));
        }
        let timestamp = message.timestamp;
        match Message::read(message).map_err(fail)? {
            Message::Command(command) => self.command(&command, config, wire).map_err(fail)?,
            Message::Media(kind, payload) => self.media(kind, timestamp, payload, config, wire),
            Message::Aggregate(tags) => {
                for tag in tags {
                    self.media(tag.kind, tag.timestamp, tag.payload, config, wire);
                }
            }
            Message::UserControl(UserControl::PingRequest(timestamp)) => {
                wire.user_control(UserControl::PingResponse(timestamp));
            }
            Message::UserControl(UserControl::PingResponse(timestamp)) => {
                wire.out.event(Event::Pong { timestamp });
            }
            Message::WindowSize(bytes) => self.acknowledger.set_window(bytes),
            Message::SetPeerBandwidth { bytes, .. } if bytes != WINDOW_BYTES_DEFAULT => {
                wire.send(&Message::WindowSize(bytes), 0);
            }
            Message::UserControl(_)
            | Message::SetPeerBandwidth { .. }
            | Message::Acknowledgement(_)
            | Message::Ignored(_) => {}
        }
        Ok(())
    }

    fn media(
        &mut self,
        kind: MediaKind,
        timestamp: u32,
        payload: Bytes,
        config: &Config,
        wire: &mut Wire<Event>,
    ) {
        let is_playing = matches!(self.step, Step::Starting { .. } | Step::Started { .. });
        if !is_playing || config.role != Role::Play || payload.is_empty() {
            return;
        }
        if kind == MediaKind::Data {
            match amf0::leading_string(&payload).map(|(name, _)| name) {
                // Rights and states of the player, not media.
                None | Some(b"|RtmpSampleAccess" | b"onStatus") => return,
                Some(b"onPlayStatus") => return wire.out.event(Event::Eof),
                Some(_) => {}
            }
        }
        wire.out.event(Event::Media { kind, timestamp, payload });
    }

    fn command(
        &mut self,
        command: &Command,
        config: &Config,
        wire: &mut Wire<Event>,
    ) -> Result<(), ErrorKind> {
        match (command.name.as_str(), self.step) {
            ("_result", Step::Connecting) if command.transaction == transaction::CONNECT => {
                self.create(config, wire);
            }
            ("_result", Step::Creating) if command.transaction == transaction::CREATE_STREAM => {
                self.start(command, config, wire)?;
            }
            ("_error", Step::Connecting) if command.transaction == transaction::CONNECT => {
                self.reject(command, wire);
            }
            ("_error", Step::Creating) if command.transaction == transaction::CREATE_STREAM => {
                self.reject(command, wire);
            }
            ("onStatus", _) => self.status(command, wire),
            ("close", _) => self.end(wire),
            _ => {}
        }
        Ok(())
    }

    fn create(&mut self, config: &Config, wire: &mut Wire<Event>) {
        wire.send(&Message::WindowSize(WINDOW_BYTES_DEFAULT), 0);
        wire.set_chunk_size(config.chunk_bytes);
        if config.role == Role::Publish {
            let name: Value = config.location.name.as_str().into();
            let release = transaction::RELEASE_STREAM;
            wire.command(0, Command::new("releaseStream", release, Value::Null, vec![name.clone()]));
            wire.command(0, Command::new("FCPublish", transaction::FC_PUBLISH, Value::Null, vec![name]));
        }
        wire.command(0, Command::new("createStream", transaction::CREATE_STREAM, Value::Null, vec![]));
        self.step = Step::Creating;
    }

    fn start(&mut self, command: &Command, config: &Config, wire: &mut Wire<Event>) -> Result<(), ErrorKind> {
        let lacking = ErrorKind::Answer { command: "createStream", missing: "a stream's number" };
        let message_stream = command.number(0).filter(|number| *number >= 1.0).ok_or(lacking)? as u32;
        let name: Value = config.location.name.as_str().into();
        match config.role {
            Role::Publish => {
                let arguments = vec![name, "live".into()];
                wire.command(
                    message_stream,
                    Command::new("publish", transaction::START, Value::Null, arguments),
                );
            }
            Role::Play => {
                let arguments = vec![name, (-2.0).into()];
                wire.command(
                    message_stream,
                    Command::new("play", transaction::START, Value::Null, arguments),
                );
                wire.user_control(UserControl::SetBufferLength { message_stream, ms: BUFFER_MS });
            }
        }
        self.step = Step::Starting { message_stream };
        Ok(())
    }

    fn status(&mut self, command: &Command, wire: &mut Wire<Event>) {
        let Status { level, code, description } = Status::of(command);
        match (code.as_str(), self.step) {
            (
                "NetStream.Publish.Start" | "NetStream.Play.Start" | "NetStream.Play.PublishNotify",
                Step::Starting { message_stream },
            ) => {
                self.step = Step::Started { message_stream };
                wire.out.event(Event::Started);
            }
            ("NetStream.Play.Stop" | "NetStream.Play.Complete", Step::Started { .. }) => {
                wire.out.event(Event::Eof);
            }
            (_, Step::Starting { .. }) if level == "error" => self.reject(command, wire),
            _ => wire.out.event(Event::Status { level, code, description }),
        }
    }

    fn reject(&mut self, command: &Command, wire: &mut Wire<Event>) {
        let Status { code, description, .. } = Status::of(command);
        wire.out.event(Event::Rejected { code, description });
        self.end(wire);
    }

    fn end(&mut self, wire: &mut Wire<Event>) {
        wire.out.event(Event::Ended);
        self.step = Step::Over;
    }
}

/// The information object of a status, result or error. Servers leave parts out.
struct Status {
    level: String,
    code: String,
    description: String,
}

impl Status {
    fn of(command: &Command) -> Self {
        let information = command.arguments.iter().find(|argument| argument.properties().is_some());
        let text = |key| {
            let text = information.and_then(|information| information.get(key)).and_then(Value::as_text);
            text.map(|text| text.to_lossy().into_owned()).unwrap_or_default()
        };
        Self { level: text("level"), code: text("code"), description: text("description") }
    }
}
