//! The commands of clients, §7.2 and those that Flash Media Live Encoder added, and what is answered.

use super::connection::{App, Connection};
use super::session::Queued;
use super::streams::{Reset, State, Wants};
use super::{Config, Connect, Event, PauseState, Play, PlayStart, Publish, PublishKind, code};
use crate::proto::amf::Text;
use crate::proto::amf::amf0::Value;
use crate::proto::rtmp::enhanced::{self, Announced};
use crate::proto::rtmp::error::ErrorKind;
use crate::proto::rtmp::link::{Status, Wire};
use crate::proto::rtmp::message::{BandwidthLimit, Command, Message, UserControl};
use crate::proto::rtmp::resolve;

/// What we say we are. Clients compare the numbers with versions of Flash Media Server.
const SERVER_VERSION: &str = "FMS/3,5,7,7009";

/// What we say we can, as Flash Media Server 3.5 does.
const CAPABILITIES: f64 = 31.0;

impl Connection {
    /// Obeys a command.
    pub(super) fn command(
        &mut self,
        message_stream: u32,
        command: Command,
        config: &Config,
        wire: &mut Wire<Queued>,
    ) -> Result<(), ErrorKind> {
        if command.name == "connect" {
            return self.connect(command, config, wire);
        }
        if self.app.is_none() {
            return Err(ErrorKind::BeforeConnect(command.name));
        }
        match command.name.as_str() {
            "createStream" => {
                let number = f64::from(self.streams.create()?);
                result(&command, vec![number.into()], wire);
            }
            "publish" => self.publish(message_stream, &command, wire),
            "play" => self.play(message_stream, &command, wire),
            "pause" | "pauseRaw" => self.pause(message_stream, &command, wire),
            "seek" => self.seek(message_stream, &command, wire),
            "receiveAudio" | "receiveVideo" => self.receive(message_stream, &command),
            "closeStream" => self.close(message_stream, wire),
            "deleteStream" => self.delete(&command, wire),
            "FCPublish" => {
                acknowledge(&command, wire);
                notify("onFCPublish", "NetStream.Publish.Start", &command, wire);
            }
            "FCUnpublish" => self.unpublish_by_name(&command, wire),
            "FCSubscribe" => {
                acknowledge(&command, wire);
                notify("onFCSubscribe", "NetStream.Play.Start", &command, wire);
            }
            "getStreamLength" => answer(&command, vec![0.0.into()], wire),
            "releaseStream" | "FCUnsubscribe" | "_checkbw" | "checkBandwidth" => acknowledge(&command, wire),
            // Answers to what we never ask.
            "_result" | "_error" | "onStatus" => {}
            _ => refuse_unknown(&command, wire),
        }
        Ok(())
    }

    fn connect(
        &mut self,
        command: Command,
        config: &Config,
        wire: &mut Wire<Queued>,
    ) -> Result<(), ErrorKind> {
        if self.app.is_some() {
            return Err(ErrorKind::SecondConnect);
        }
        let text = |key| command.object.get(key).and_then(Value::as_text);
        let lossy = |key| text(key).map(|text| text.to_lossy().into_owned()).unwrap_or_default();
        let app = match text("app") {
            Some(app) => app.as_str().ok_or(ErrorKind::NotUtf8("the app of connect"))?.to_owned(),
            None => String::new(),
        };
        let tc_url = lossy("tcUrl");
        let object_encoding = command.object.get("objectEncoding").and_then(Value::as_f64).unwrap_or(0.0);
        let event = Connect {
            app: app.clone(),
            tc_url: tc_url.clone(),
            flash_ver: lossy("flashVer"),
            swf_url: lossy("swfUrl"),
            page_url: lossy("pageUrl"),
            object_encoding,
            announced: Announced::of(command.object.properties().unwrap_or_default()),
            properties: command.object.properties().unwrap_or_default().to_vec(),
        };
        self.app = Some(App { name: app, tc_url, transaction: command.transaction });
        wire.out.event(Queued::Event(Event::Connect(Box::new(event))));
        accept_connect(&command, object_encoding, config, wire);
        let accepted = wire.out.take_tail();
        wire.out.event(Queued::ConnectAnswer(accepted));
        Ok(())
    }

    fn publish(&mut self, message_stream: u32, command: &Command, wire: &mut Wire<Queued>) {
        // Flash stops a publication by publishing `false`.
        if command.flag(0) == Some(false) {
            return self.close(message_stream, wire);
        }
        let name = command.text(0).cloned().unwrap_or_default();
        let Some(state @ State::Idle) = self.streams.get_mut(message_stream) else {
            let status = Status::error("NetStream.Failed", "The message stream is in use or does not exist.");
            return wire.status(message_stream, &status);
        };
        let Some(text) = name.as_str().map(str::to_owned) else {
            let status = Status::error(code::PUBLISH_BAD_NAME, "The stream's name is not UTF-8.");
            return wire.status(message_stream, &status);
        };
        *state = State::PublishAsked { name };
        let kind = match command.text(1).and_then(Text::as_str) {
            Some("record") => PublishKind::Record,
            Some("append") => PublishKind::Append,
            _ => PublishKind::Live,
        };
        let (app, tc_url) = self.names();
        let target = resolve(app, tc_url, &text);
        let publish = Publish { message_stream, target, app: app.to_owned(), name: text, kind };
        wire.out.event(Queued::Event(Event::Publish(Box::new(publish))));
    }

    fn play(&mut self, message_stream: u32, command: &Command, wire: &mut Wire<Queued>) {
        let name = command.text(0).cloned().unwrap_or_default();
        // A player may go on to another stream without closing the first.
        if matches!(self.stream(message_stream), Some(State::Playing(_))) {
            self.close(message_stream, wire);
        }
        let Some(state @ State::Idle) = self.streams.get_mut(message_stream) else {
            let status = Status::error("NetStream.Failed", "The message stream is in use or does not exist.");
            return wire.status(message_stream, &status);
        };
        let Some(text) = name.as_str().map(str::to_owned) else {
            let status = Status::error(code::PLAY_STREAM_NOT_FOUND, "The stream's name is not UTF-8.");
            return wire.status(message_stream, &status);
        };
        let reset = command.flag(3).unwrap_or(true);
        *state = State::PlayAsked { reset: if reset { Reset::Reset } else { Reset::Append } };
        let (app, tc_url) = self.names();
        let play = Play {
            message_stream,
            target: resolve(app, tc_url, &text),
            app: app.to_owned(),
            name: text,
            start: play_start(command.number(1)),
            duration: command.number(2).filter(|duration| *duration >= 0.0),
            reset,
        };
        wire.out.event(Queued::Event(Event::Play(Box::new(play))));
    }

    fn pause(&mut self, message_stream: u32, command: &Command, wire: &mut Wire<Queued>) {
        if !matches!(self.stream(message_stream), Some(State::Playing(_))) {
            return;
        }
        let position_ms = command.number(1).unwrap_or(0.0);
        let state = if command.flag(0).unwrap_or(true) { PauseState::Paused } else { PauseState::Resumed };
        let status = match state {
            PauseState::Paused => Status::good("NetStream.Pause.Notify", "Paused."),
            PauseState::Resumed => Status::good("NetStream.Unpause.Notify", "Resumed."),
        };
        wire.status(message_stream, &status);
        wire.out.event(Queued::Event(Event::Pause { message_stream, state, position_ms }));
    }

    fn seek(&mut self, message_stream: u32, command: &Command, wire: &mut Wire<Queued>) {
        if matches!(self.stream(message_stream), Some(State::Playing(_))) {
            let position_ms = command.number(0).unwrap_or(0.0);
            wire.out.event(Queued::Event(Event::Seek { message_stream, position_ms }));
        }
    }

    fn receive(&mut self, message_stream: u32, command: &Command) {
        if let Some(State::Playing(Wants { audio, video })) = self.stream(message_stream) {
            let wanted = if command.name == "receiveAudio" { audio } else { video };
            *wanted = command.flag(0).unwrap_or(true);
        }
    }

    /// Stops what a message stream does; it may be used again.
    fn close(&mut self, message_stream: u32, wire: &mut Wire<Queued>) {
        if let Some(state) = self.stream(message_stream) {
            let idle = if state.is_asked() { State::Withdrawn } else { State::Idle };
            let ended = std::mem::replace(state, idle);
            tell_end(message_stream, &ended, wire);
        }
    }

    fn delete(&mut self, command: &Command, wire: &mut Wire<Queued>) {
        // `as` saturates: what is no stream's number finds none.
        let number = command.number(0).unwrap_or(0.0) as u32;
        if let Some(ended) = self.streams.remove(number) {
            tell_end(number, &ended, wire);
        }
    }

    fn unpublish_by_name(&mut self, command: &Command, wire: &mut Wire<Queued>) {
        acknowledge(command, wire);
        notify("onFCUnpublish", "NetStream.Unpublish.Success", command, wire);
        if let Some(message_stream) = self.streams.published_as(command.text(0)) {
            self.close(message_stream, wire);
            let status = Status::good("NetStream.Unpublish.Success", "Stopped publishing.");
            wire.status(message_stream, &status);
        }
    }
}

fn tell_end(message_stream: u32, ended: &State, wire: &mut Wire<Queued>) {
    let event = match ended {
        State::Idle | State::Withdrawn => return,
        State::PublishAsked { .. } | State::Publishing { .. } => Event::Unpublish { message_stream },
        State::PlayAsked { .. } | State::Playing(_) => Event::StopPlay { message_stream },
    };
    wire.out.event(Queued::Event(event));
}

/// §7.2.1.1: the limits, then the result.
fn accept_connect(command: &Command, object_encoding: f64, config: &Config, wire: &mut Wire<Queued>) {
    wire.send(&Message::WindowSize(config.window_bytes), 0);
    let limit = BandwidthLimit::Dynamic;
    wire.send(&Message::SetPeerBandwidth { bytes: config.window_bytes, limit }, 0);
    wire.set_chunk_size(config.chunk_bytes);
    wire.user_control(UserControl::StreamBegin(0));
    let properties =
        [("fmsVer", SERVER_VERSION.into()), ("capabilities", CAPABILITIES.into()), ("mode", 1.0.into())];
    let information = [
        ("level", "status".into()),
        ("code", "NetConnection.Connect.Success".into()),
        ("description", "Connection succeeded.".into()),
        ("objectEncoding", object_encoding.into()),
    ];
    // The specification leaves open which of the two objects a client looks into.
    let properties = object(properties.into_iter().chain(enhanced::our_properties()));
    let information = object(information.into_iter().chain(enhanced::our_properties()));
    wire.command(0, Command::new("_result", command.transaction, properties, vec![information]));
}

fn object(properties: impl Iterator<Item = (&'static str, Value)>) -> Value {
    Value::Object(properties.map(|(key, value)| (key.into(), value)).collect())
}

/// Answers a call that always has an answer.
fn result(command: &Command, arguments: Vec<Value>, wire: &mut Wire<Queued>) {
    wire.command(0, Command::new("_result", command.transaction, Value::Null, arguments));
}

/// Answers a call, unless its transaction says that none is wanted.
fn answer(command: &Command, arguments: Vec<Value>, wire: &mut Wire<Queued>) {
    if command.transaction != 0.0 {
        result(command, arguments, wire);
    }
}

fn acknowledge(command: &Command, wire: &mut Wire<Queued>) {
    answer(command, vec![Value::Undefined], wire);
}

/// The calls that Flash Media Live Encoder waits for.
fn notify(name: &str, code: &str, command: &Command, wire: &mut Wire<Queued>) {
    let stream = command.text(0).map(|name| name.to_lossy().into_owned()).unwrap_or_default();
    let information = Value::object([("code", code.into()), ("description", stream.as_str().into())]);
    wire.command(0, Command::new(name, 0.0, Value::Null, vec![information]));
}

/// As Flash Media Server answers calls of methods that do not exist.
fn refuse_unknown(command: &Command, wire: &mut Wire<Queued>) {
    if command.transaction != 0.0 {
        let status = Status::error("NetConnection.Call.Failed", "There is no such method.");
        wire.command(0, Command::new("_error", command.transaction, Value::Null, vec![status.value()]));
    }
}

/// §7.2.2.1: -2 any, -1 live; FFmpeg and librtmp say these in milliseconds.
fn play_start(start: Option<f64>) -> PlayStart {
    match start {
        Some(start) if start == -1.0 || start == -1000.0 => PlayStart::Live,
        Some(start) if start >= 0.0 => PlayStart::At(start),
        _ => PlayStart::Any,
    }
}
