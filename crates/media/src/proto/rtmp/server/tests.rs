//! What a server's session answers and tells, message by message.

use super::*;
use crate::proto::amf::amf0::Value;
use crate::proto::rtmp::chunk::{self, Reader, Writer};
use crate::proto::rtmp::handshake::{self, Style};
use crate::proto::rtmp::message::{Command, Message, UserControl, type_id};
use crate::proto::rtmp::outbox::{Item, Outbox};
use crate::proto::rtmp::{ErrorKind, RtmpError};

/// A hand-driven client of one session.
struct Peer {
    session: Session,
    writer: Writer,
    reader: Reader,
    /// What the session had to say and has not been looked at.
    events: Vec<Event>,
    messages: Vec<Message>,
    /// Pieces of the last answer.
    pieces: usize,
}

impl Peer {
    /// Behind the handshake.
    fn new() -> Self {
        let mut hello = Vec::new();
        handshake::Client::new(Style::Simple, &Seed([2; 32]), &mut hello);
        hello.extend([0; handshake::PACKET_BYTES]);
        let mut session = Session::new(Config::new(Seed([1; 32])));
        session.input(&hello).unwrap();
        let mut answer = 0;
        while let Some(Output::Send(bytes)) = session.poll() {
            answer += bytes.len();
        }
        assert_eq!(answer, 1 + 2 * handshake::PACKET_BYTES);
        let (writer, reader) = (Writer::default(), Reader::new(0));
        Self { session, writer, reader, events: vec![], messages: vec![], pieces: 0 }
    }

    /// Behind `connect`, with message stream 1.
    fn connected() -> Self {
        let mut peer = Self::new();
        peer.send(0, Command::new("connect", 1.0, Value::object([("app", "live".into())]), vec![])).unwrap();
        peer.call(0, "createStream", 2.0, vec![]);
        peer.forget();
        peer
    }

    fn publishing() -> Self {
        let mut peer = Self::connected();
        peer.call(1, "publish", 3.0, vec!["cam1".into(), "live".into()]);
        peer.session.accept_publish(1).unwrap();
        peer.drain();
        peer.forget();
        peer
    }

    fn playing() -> Self {
        let mut peer = Self::connected();
        peer.call(1, "play", 3.0, vec!["cam1".into()]);
        peer.session.accept_play(1).unwrap();
        peer.drain();
        peer.forget();
        peer
    }

    fn forget(&mut self) {
        self.events.clear();
        self.messages.clear();
    }

    fn send(&mut self, message_stream: u32, command: Command) -> Result<(), RtmpError> {
        self.write(Message::Command(command).write(message_stream).unwrap())
    }

    fn call(&mut self, message_stream: u32, name: &str, transaction: f64, arguments: Vec<Value>) {
        self.send(message_stream, Command::new(name, transaction, Value::Null, arguments)).unwrap();
    }

    fn raw(
        &mut self,
        message_stream: u32,
        type_id: u8,
        timestamp: u32,
        payload: &[u8],
    ) -> Result<(), RtmpError> {
        let payload = Bytes::copy_from_slice(payload);
        self.write(chunk::Message { chunk_stream: 8, timestamp, type_id, message_stream, payload })
    }

    fn write(&mut self, message: chunk::Message) -> Result<(), RtmpError> {
        let bytes = self.bytes_of(message);
        let result = self.session.input(&bytes);
        self.drain();
        result
    }

    fn bytes_of(&mut self, message: chunk::Message) -> Vec<u8> {
        let mut out = Outbox::<()>::default();
        self.writer.write(&message, &mut out);
        let mut bytes = Vec::new();
        while let Some(Item::Bytes(piece)) = out.pop() {
            bytes.extend_from_slice(&piece);
        }
        bytes
    }

    fn drain(&mut self) {
        self.pieces = 0;
        while let Some(output) = self.session.poll() {
            match output {
                Output::Send(bytes) => {
                    self.pieces += 1;
                    self.hear(&bytes);
                }
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    fn hear(&mut self, mut bytes: &[u8]) {
        while let Some(message) = self.reader.read(&mut bytes).unwrap() {
            self.messages.push(Message::read(message).unwrap());
        }
    }

    /// The commands heard: name, transaction, and the code or the first argument.
    fn commands(&self) -> Vec<(&str, f64, String)> {
        let told = |command: &Command| {
            let last = command.arguments.last();
            match last.and_then(|value| value.get("code")).and_then(Value::as_str) {
                Some(code) => code.to_owned(),
                None => format!("{:?}", last.unwrap_or(&Value::Null)),
            }
        };
        self.messages
            .iter()
            .filter_map(|message| match message {
                Message::Command(command) => {
                    Some((command.name.as_str(), command.transaction, told(command)))
                }
                _ => None,
            })
            .collect()
    }

    fn codes(&self) -> Vec<String> {
        self.commands().into_iter().map(|(_, _, code)| code).collect()
    }
}

fn kind(result: Result<(), RtmpError>) -> ErrorKind {
    result.unwrap_err().kind
}

#[test]
fn connect_is_told_and_answered_in_one_piece() {
    let mut peer = Peer::new();
    let properties = Value::object([
        ("app", "live".into()),
        ("tcUrl", "rtmp://h/live?x=1".into()),
        ("flashVer", "FMLE/3.0".into()),
        ("objectEncoding", 3.0.into()),
        ("fourCcList", Value::StrictArray(vec!["hvc1".into()])),
    ]);
    peer.send(0, Command::new("connect", 1.0, properties.clone(), vec![])).unwrap();
    let Event::Connect(connect) = &peer.events[0] else { panic!() };
    assert_eq!((connect.app.as_str(), connect.tc_url.as_str()), ("live", "rtmp://h/live?x=1"));
    assert_eq!((connect.flash_ver.as_str(), connect.object_encoding), ("FMLE/3.0", 3.0));
    assert_eq!(connect.properties, properties.properties().unwrap());

    assert_eq!(peer.pieces, 1);
    assert_eq!(peer.messages[0], Message::WindowSize(2_500_000));
    assert!(matches!(peer.messages[1], Message::SetPeerBandwidth { bytes: 2_500_000, .. }));
    assert_eq!(peer.messages[2], Message::UserControl(UserControl::StreamBegin(0)));
    let Message::Command(result) = &peer.messages[3] else { panic!() };
    assert_eq!((result.name.as_str(), result.transaction), ("_result", 1.0));
    assert_eq!(result.arguments[0].get("code"), Some(&"NetConnection.Connect.Success".into()));
    assert_eq!(result.arguments[0].get("objectEncoding"), Some(&Value::Number(3.0)));
}

#[test]
fn an_amf3_connect_is_understood() {
    let mut peer = Peer::new();
    let command = Command::new("connect", 1.0, Value::object([("app", "live".into())]), vec![]);
    let amf0 = Message::Command(command).write(0).unwrap().payload;
    peer.raw(0, type_id::COMMAND_AMF3, 0, &[&[0], &amf0[..]].concat()).unwrap();
    assert!(matches!(&peer.events[0], Event::Connect(connect) if connect.app == "live"));
    assert_eq!(peer.codes(), ["NetConnection.Connect.Success"]);
}

#[test]
fn a_connect_can_be_rejected_until_its_answer_is_polled() {
    let command = Command::new("connect", 1.0, Value::object([("app", "live".into())]), vec![]);
    for reject in [true, false] {
        let mut peer = Peer::new();
        let mut bytes = peer.bytes_of(Message::Command(command.clone()).write(0).unwrap());
        let create = Command::new("createStream", 2.0, Value::Null, vec![]);
        bytes.extend(peer.bytes_of(Message::Command(create).write(0).unwrap()));
        peer.session.input(&bytes).unwrap();
        assert!(matches!(peer.session.poll(), Some(Output::Event(Event::Connect(_)))));
        if reject {
            peer.session.reject_connect("no such app").unwrap();
            peer.drain();
            assert_eq!(peer.codes(), ["NetConnection.Connect.Rejected"], "and nothing else");
            assert_eq!(peer.events, [Event::Ended]);
            assert!(peer.session.is_over());
            assert_eq!(peer.session.input(&bytes), Ok(()), "dropped");
        } else {
            peer.drain();
            assert_eq!(peer.session.reject_connect("too late"), Err(ConnectAnswered));
            assert_eq!(peer.codes().len(), 2);
        }
    }
}

#[test]
fn commands_are_illegal_before_connect_and_connect_after_it() {
    let create = || Command::new("createStream", 2.0, Value::Null, vec![]);
    let mut peer = Peer::new();
    let error = peer.send(0, create()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::BeforeConnect("createStream".into()));
    assert_eq!((error.chunk_stream, error.message_type), (Some(3), Some(20)));
    assert_eq!(peer.send(0, create()), Err(error), "the session stays dead");

    let mut peer = Peer::connected();
    assert_eq!(
        kind(peer.send(0, Command::new("connect", 1.0, Value::Null, vec![]))),
        ErrorKind::SecondConnect
    );
}

/// What OBS, FFmpeg and librtmp do.
#[test]
fn a_publisher_is_led_through_its_whole_life() {
    let mut peer = Peer::new();
    peer.send(0, Command::new("connect", 1.0, Value::object([("app", "live".into())]), vec![])).unwrap();
    peer.forget();
    peer.call(0, "releaseStream", 2.0, vec!["cam1".into()]);
    peer.call(0, "FCPublish", 3.0, vec!["cam1".into()]);
    peer.call(0, "createStream", 4.0, vec![]);
    let codes: Vec<_> =
        peer.commands().into_iter().map(|(name, transaction, _)| (name, transaction)).collect();
    assert_eq!(codes, [("_result", 2.0), ("_result", 3.0), ("onFCPublish", 0.0), ("_result", 4.0)]);
    peer.forget();

    peer.call(1, "publish", 5.0, vec!["cam1?token=x".into(), "live".into()]);
    let Event::Publish(publish) = peer.events.remove(0) else { panic!() };
    assert_eq!((publish.target.path.as_str(), publish.target.query.as_str()), ("live/cam1", "token=x"));
    assert_eq!((publish.message_stream, publish.kind), (1, PublishKind::Live));
    assert_eq!((publish.app.as_str(), publish.name.as_str()), ("live", "cam1?token=x"));
    assert!(peer.messages.is_empty(), "the answer is the caller's");
    peer.session.accept_publish(1).unwrap();
    peer.drain();
    assert_eq!(peer.pieces, 1);
    assert_eq!(peer.messages[0], Message::UserControl(UserControl::StreamBegin(1)));
    assert_eq!(peer.commands(), [("onStatus", 0.0, "NetStream.Publish.Start".to_owned())]);
    peer.forget();

    peer.raw(1, 9, 40, b"video").unwrap();
    let payload = Bytes::from_static(b"video");
    let media = Event::Media { message_stream: 1, kind: MediaKind::Video, timestamp: 40, payload };
    assert_eq!(peer.events, [media]);
    peer.forget();

    peer.call(0, "FCUnpublish", 6.0, vec!["cam1?token=x".into()]);
    peer.call(0, "deleteStream", 7.0, vec![1.0.into()]);
    assert_eq!(peer.events, [Event::Unpublish { message_stream: 1 }], "told once");
    peer.raw(1, 9, 80, b"late").unwrap();
    assert_eq!(peer.events.len(), 1);
}

/// What Flash Media Live Encoder does: no transaction wants an answer, arguments are left out.
#[test]
fn transactions_of_zero_get_no_answer_but_their_notices() {
    let mut peer = Peer::connected();
    peer.call(0, "releaseStream", 0.0, vec!["cam1".into()]);
    peer.call(0, "_checkbw", 0.0, vec![]);
    peer.call(0, "unheardOf", 0.0, vec![]);
    assert!(peer.messages.is_empty());
    peer.call(0, "FCPublish", 0.0, vec!["cam1".into()]);
    assert_eq!(peer.commands(), [("onFCPublish", 0.0, "NetStream.Publish.Start".to_owned())]);
    peer.call(1, "publish", 0.0, vec!["cam1".into()]);
    assert!(matches!(&peer.events[0], Event::Publish(publish) if publish.kind == PublishKind::Live));
}

#[test]
fn unknown_calls_fail_and_known_ones_that_mean_nothing_succeed() {
    let mut peer = Peer::connected();
    peer.call(0, "unheardOf", 7.0, vec![]);
    peer.call(0, "_checkbw", 8.0, vec![]);
    peer.call(0, "getStreamLength", 9.0, vec!["cam1".into()]);
    peer.call(0, "FCSubscribe", 10.0, vec!["cam1".into()]);
    peer.call(0, "_result", 11.0, vec![]);
    let expected = [
        ("_error", 7.0, "NetConnection.Call.Failed".to_owned()),
        ("_result", 8.0, "Undefined".to_owned()),
        ("_result", 9.0, "Number(0.0)".to_owned()),
        ("_result", 10.0, "Undefined".to_owned()),
        ("onFCSubscribe", 0.0, "NetStream.Play.Start".to_owned()),
    ];
    assert_eq!(peer.commands(), expected);
}

#[test]
fn media_sent_before_the_answer_counts_only_if_it_is_yes() {
    for accepted in [true, false] {
        let mut peer = Peer::connected();
        let publish = Command::new("publish", 3.0, Value::Null, vec!["cam1".into()]);
        let mut bytes = peer.bytes_of(Message::Command(publish).write(1).unwrap());
        let payload = Bytes::from_static(b"header");
        let video = chunk::Message { chunk_stream: 6, timestamp: 0, type_id: 9, message_stream: 1, payload };
        bytes.extend(peer.bytes_of(video));
        peer.session.input(&bytes).unwrap();
        assert!(matches!(peer.session.poll(), Some(Output::Event(Event::Publish(_)))));
        if accepted {
            peer.session.accept_publish(1).unwrap();
        } else {
            peer.session.reject_publish(1, code::PUBLISH_DENIED, "tapeline token new …").unwrap();
        }
        peer.drain();
        assert_eq!(peer.events.len(), usize::from(accepted));
        let code = if accepted { "NetStream.Publish.Start" } else { code::PUBLISH_DENIED };
        assert_eq!(peer.codes(), [code]);
    }
}

#[test]
fn a_withdrawn_question_cannot_be_answered_and_blocks_the_next_until_it_was() {
    let mut peer = Peer::connected();
    peer.call(1, "publish", 3.0, vec!["allowed".into()]);
    peer.call(1, "closeStream", 0.0, vec![]);
    peer.call(1, "publish", 4.0, vec!["forbidden".into()]);
    assert_eq!(peer.events.len(), 2, "one question, withdrawn");
    assert_eq!(peer.codes(), ["NetStream.Failed"]);
    assert_eq!(peer.session.accept_publish(1), Err(NotAsked(1)));
    peer.raw(1, 9, 0, b"video").unwrap();
    assert_eq!(peer.events[1..], [Event::Unpublish { message_stream: 1 }]);
    peer.call(1, "publish", 5.0, vec!["next".into()]);
    assert!(matches!(&peer.events[2], Event::Publish(publish) if publish.name == "next"));
}

#[test]
fn answers_to_what_was_not_asked_are_refused() {
    let mut peer = Peer::connected();
    assert_eq!(peer.session.accept_publish(1), Err(NotAsked(1)));
    assert_eq!(peer.session.accept_play(9), Err(NotAsked(9)));
    peer.call(1, "publish", 3.0, vec!["cam1".into()]);
    assert_eq!(peer.session.accept_play(1), Err(NotAsked(1)));
    assert_eq!(peer.session.accept_publish(1), Ok(()));
    assert_eq!(peer.session.reject_publish(1, code::PUBLISH_DENIED, ""), Err(NotAsked(1)));
    assert_eq!(peer.session.stream_eof(1), Err(NotPlaying(1)));
}

#[test]
fn publishing_where_it_cannot_be_is_refused_without_a_question() {
    let mut peer = Peer::publishing();
    peer.call(1, "publish", 3.0, vec!["again".into()]);
    peer.call(7, "publish", 3.0, vec!["nowhere".into()]);
    peer.call(7, "play", 3.0, vec!["nowhere".into()]);
    assert_eq!(peer.codes(), ["NetStream.Failed"; 3]);
    let mut peer = Peer::connected();
    let name = Value::String(b"\xff"[..].into());
    peer.call(1, "publish", 3.0, vec![name.clone()]);
    peer.call(1, "play", 3.0, vec![name]);
    assert_eq!(peer.codes(), [code::PUBLISH_BAD_NAME, code::PLAY_STREAM_NOT_FOUND]);
    assert!(peer.events.is_empty());
}

#[test]
fn every_way_to_stop_publishing_ends_it_once() {
    let ways: [(u32, &str, Vec<Value>); 5] = [
        (1, "closeStream", vec![]),
        (0, "deleteStream", vec![1.0.into()]),
        (1, "publish", vec![false.into()]),
        (0, "FCUnpublish", vec!["cam1".into()]),
        (0, "FCUnpublish", vec!["not its name".into()]),
    ];
    for (message_stream, name, arguments) in ways {
        let mut peer = Peer::publishing();
        peer.call(message_stream, name, 0.0, arguments.clone());
        peer.call(message_stream, name, 0.0, arguments);
        assert_eq!(peer.events, [Event::Unpublish { message_stream: 1 }], "{name}");
    }
}

#[test]
fn of_two_publications_the_named_one_ends() {
    let mut peer = Peer::publishing();
    peer.call(0, "createStream", 4.0, vec![]);
    peer.call(2, "publish", 5.0, vec!["cam2".into()]);
    peer.session.accept_publish(2).unwrap();
    peer.forget();
    peer.call(0, "FCUnpublish", 0.0, vec!["neither".into()]);
    assert!(peer.events.is_empty());
    peer.call(0, "FCUnpublish", 0.0, vec!["cam2".into()]);
    assert_eq!(peer.events, [Event::Unpublish { message_stream: 2 }]);
}

#[test]
fn data_comes_without_its_wrapping() {
    let mut peer = Peer::publishing();
    peer.raw(1, 18, 0, b"\x02\x00\x0d@setDataFrame\x02\x00\x0aonMetaData\x05").unwrap();
    peer.raw(1, 18, 10, b"\x02\x00\x0aonCuePoint\x05").unwrap();
    peer.raw(1, 15, 20, b"\x00\x02\x00\x01n\x11\x01").unwrap();
    peer.raw(1, 18, 30, b"\x02\x00\x0f@clearDataFrame\x02\x00\x0aonMetaData").unwrap();
    peer.raw(1, 18, 40, b"\x05").unwrap();
    peer.raw(1, 8, 50, b"").unwrap();
    let media = |timestamp, payload: &'static [u8]| Event::Media {
        message_stream: 1,
        kind: MediaKind::Data,
        timestamp,
        payload: Bytes::from_static(payload),
    };
    let expected = [
        media(0, b"\x02\x00\x0aonMetaData\x05"),
        media(10, b"\x02\x00\x0aonCuePoint\x05"),
        media(20, b"\x02\x00\x01n\x05"),
        Event::ClearData { message_stream: 1, name: "onMetaData".into() },
    ];
    assert_eq!(peer.events, expected);
}

#[test]
fn an_aggregate_is_the_media_it_holds() {
    let mut peer = Peer::publishing();
    let audio = b"\x08\x00\x00\x01\x00\x00\x05\x00\x00\x00\x00a\x00\x00\x00\x0c";
    let video = b"\x09\x00\x00\x01\x00\x00\x1c\x00\x00\x00\x00v\x00\x00\x00\x0c";
    peer.raw(1, 22, 1000, &[&audio[..], video].concat()).unwrap();
    let media = |kind, timestamp, payload| Event::Media {
        message_stream: 1,
        kind,
        timestamp,
        payload: Bytes::from_static(payload),
    };
    assert_eq!(peer.events, [media(MediaKind::Audio, 1000, b"a"), media(MediaKind::Video, 1023, b"v")]);
}

#[test]
fn a_player_hears_everything_it_waits_for_at_once_and_in_order() {
    let mut peer = Peer::connected();
    peer.call(1, "play", 3.0, vec!["cam1?delay=30s".into(), (-2000.0).into(), (-1.0).into()]);
    let Event::Play(play) = &peer.events[0] else { panic!() };
    assert_eq!((play.target.path.as_str(), play.target.query.as_str()), ("live/cam1", "delay=30s"));
    assert_eq!((play.start, play.duration, play.reset), (PlayStart::Any, None, true));
    peer.session.accept_play(1).unwrap();
    let payload = Bytes::from(vec![7; 1000]);
    peer.session.send_media(1, MediaKind::Video, 5, &payload).unwrap();
    peer.drain();
    assert_eq!(peer.pieces, 2, "the greeting with the first header, and a payload");
    assert_eq!(peer.messages[0], Message::UserControl(UserControl::StreamBegin(1)));
    assert_eq!(peer.codes(), ["NetStream.Play.Reset", "NetStream.Play.Start"]);
    let media: Vec<_> = peer.messages[3..].iter().collect();
    let Message::Media(MediaKind::Data, access) = media[0] else { panic!() };
    assert!(access.starts_with(b"\x02\x00\x11|RtmpSampleAccess"));
    let Message::Media(MediaKind::Data, started) = media[1] else { panic!() };
    assert!(started.starts_with(b"\x02\x00\x08onStatus"));
    assert_eq!(*media[2], Message::Media(MediaKind::Video, payload));
}

#[test]
fn where_to_begin_is_understood_in_seconds_and_milliseconds() {
    let cases = [
        (vec![], PlayStart::Any),
        (vec![(-2.0).into()], PlayStart::Any),
        (vec![(-1.0).into()], PlayStart::Live),
        (vec![(-1000.0).into()], PlayStart::Live),
        (vec![0.0.into()], PlayStart::At(0.0)),
        (vec![90.5.into()], PlayStart::At(90.5)),
        (vec![f64::NAN.into()], PlayStart::Any),
    ];
    for (arguments, expected) in cases {
        let mut peer = Peer::connected();
        peer.call(1, "play", 3.0, [vec!["cam1".into()], arguments].concat());
        assert!(matches!(&peer.events[0], Event::Play(play) if play.start == expected), "{expected:?}");
    }
}

#[test]
fn a_player_gets_only_the_media_it_wants() {
    let mut peer = Peer::playing();
    let payload = Bytes::from_static(b"media");
    peer.call(1, "receiveAudio", 0.0, vec![false.into()]);
    for kind in [MediaKind::Audio, MediaKind::Video, MediaKind::Data] {
        peer.session.send_media(1, kind, 0, &payload).unwrap();
    }
    peer.drain();
    let media = |kind| Message::Media(kind, payload.clone());
    assert_eq!(peer.messages, [media(MediaKind::Video), media(MediaKind::Data)]);
    peer.forget();
    peer.call(1, "receiveAudio", 0.0, vec![true.into()]);
    peer.call(1, "receiveVideo", 0.0, vec![false.into()]);
    for kind in [MediaKind::Audio, MediaKind::Video] {
        peer.session.send_media(1, kind, 0, &payload).unwrap();
    }
    peer.drain();
    assert_eq!(peer.messages, [media(MediaKind::Audio)]);
}

#[test]
fn pause_is_answered_and_seek_is_asked() {
    let mut peer = Peer::playing();
    peer.call(1, "pause", 0.0, vec![true.into(), 1500.0.into()]);
    peer.call(1, "pause", 0.0, vec![false.into(), 1500.0.into()]);
    peer.call(1, "seek", 0.0, vec![9000.0.into()]);
    let pause = |state| Event::Pause { message_stream: 1, state, position_ms: 1500.0 };
    let seek = Event::Seek { message_stream: 1, position_ms: 9000.0 };
    assert_eq!(peer.events, [pause(PauseState::Paused), pause(PauseState::Resumed), seek]);
    assert_eq!(peer.codes(), ["NetStream.Pause.Notify", "NetStream.Unpause.Notify"]);
    peer.forget();
    peer.session.accept_seek(1).unwrap();
    peer.session.reject_seek(1, "not on the tape").unwrap();
    peer.drain();
    assert_eq!(peer.codes(), ["NetStream.Seek.Notify", "NetStream.Play.Start", "NetStream.Seek.Failed"]);
    assert_eq!(peer.session.accept_seek(2), Err(NotPlaying(2)));
}

#[test]
fn the_end_of_a_stream_leaves_its_player_free_to_play_another() {
    let mut peer = Peer::playing();
    peer.session.stream_eof(1).unwrap();
    peer.drain();
    assert_eq!(peer.messages[0], Message::UserControl(UserControl::StreamEof(1)));
    assert_eq!(peer.codes(), ["NetStream.Play.UnpublishNotify", "NetStream.Play.Stop"]);
    let payload = Bytes::from_static(b"late");
    assert_eq!(peer.session.send_media(1, MediaKind::Video, 0, &payload), Err(NotPlaying(1)));
    peer.call(1, "play", 3.0, vec!["cam2".into()]);
    assert!(matches!(&peer.events[0], Event::Play(play) if play.name == "cam2"));
}

#[test]
fn playing_another_stream_stops_the_first() {
    let mut peer = Peer::playing();
    peer.call(1, "play", 3.0, vec!["cam2".into()]);
    assert_eq!(peer.events[0], Event::StopPlay { message_stream: 1 });
    assert!(matches!(&peer.events[1], Event::Play(play) if play.name == "cam2"));
    peer.session.reject_play(1, code::PLAY_STREAM_NOT_FOUND, "no such stream").unwrap();
    peer.drain();
    assert_eq!(peer.codes(), [code::PLAY_STREAM_NOT_FOUND]);
}

#[test]
fn message_streams_are_limited_and_deleted_ones_do_not_count() {
    let mut peer = Peer::connected();
    for number in 2..=100u32 {
        peer.call(0, "createStream", 2.0, vec![]);
        peer.call(0, "deleteStream", 0.0, vec![f64::from(number).into()]);
    }
    for _ in 1..MESSAGE_STREAMS_MAX {
        peer.call(0, "createStream", 2.0, vec![]);
    }
    let one_more = Command::new("createStream", 2.0, Value::Null, vec![]);
    assert_eq!(kind(peer.send(0, one_more)), ErrorKind::MessageStreams);
}

#[test]
fn pings_are_answered_both_ways() {
    let mut peer = Peer::connected();
    peer.write(Message::UserControl(UserControl::PingRequest(77)).write(0).unwrap()).unwrap();
    assert_eq!(peer.messages, [Message::UserControl(UserControl::PingResponse(77))]);
    peer.session.ping(78);
    peer.write(Message::UserControl(UserControl::PingResponse(78)).write(0).unwrap()).unwrap();
    assert_eq!(peer.messages[1], Message::UserControl(UserControl::PingRequest(78)));
    assert_eq!(peer.events, [Event::Pong { timestamp: 78 }]);
}

#[test]
fn received_bytes_are_acknowledged_by_the_peers_window() {
    let mut peer = Peer::publishing();
    peer.write(Message::WindowSize(10_000).write(0).unwrap()).unwrap();
    for _ in 0..25 {
        peer.raw(1, 9, 0, &[0; 1000]).unwrap();
    }
    let acknowledged: Vec<_> = peer
        .messages
        .iter()
        .filter_map(|message| match message {
            Message::Acknowledgement(bytes) => Some(*bytes),
            _ => None,
        })
        .collect();
    assert_eq!(acknowledged.len(), 2);
    assert!(acknowledged[1] - acknowledged[0] >= 10_000 && acknowledged[1] < 40_000);
}

#[test]
fn another_peer_bandwidth_is_answered_by_its_window() {
    let mut peer = Peer::connected();
    let limit = crate::proto::rtmp::message::BandwidthLimit::Hard;
    for bytes in [2_500_000, 9] {
        peer.write(Message::SetPeerBandwidth { bytes, limit }.write(0).unwrap()).unwrap();
    }
    assert_eq!(peer.messages, [Message::WindowSize(9)]);
}

#[test]
fn ending_tells_the_peer_why() {
    let mut peer = Peer::publishing();
    peer.session.end("The server stops.");
    peer.session.end("Twice is once.");
    peer.drain();
    assert_eq!(peer.codes(), ["NetConnection.Connect.Closed", "Null"]);
    assert_eq!(peer.commands()[1].0, "close");
    assert_eq!(peer.events, [Event::Ended]);
    let mut stranger = Peer::new();
    stranger.session.end("Too late.");
    stranger.drain();
    assert_eq!((stranger.events, stranger.messages.len()), (vec![Event::Ended], 0));
}

#[test]
fn an_undrained_session_stops_reading() {
    let mut peer = Peer::connected();
    let name = Value::LongString("x".repeat(60_000).into());
    let notice = Command::new("FCPublish", 0.0, Value::Null, vec![name]);
    let bytes = peer.bytes_of(Message::Command(notice).write(0).unwrap());
    let error = (0..100).find_map(|_| peer.session.input(&bytes).err()).unwrap();
    assert_eq!(error.kind, ErrorKind::Backlog);
}

#[test]
fn a_deeply_nested_command_ends_the_connection() {
    let mut peer = Peer::connected();
    let nested = [b"\x02\x00\x01c".to_vec(), [0x0a, 0, 0, 0, 1].repeat(13_000)].concat();
    let error = kind(peer.raw(0, 20, 0, &nested));
    assert!(matches!(error, ErrorKind::Amf(_)), "{error}");
    let long = vec![5; 70_000];
    let expected = ErrorKind::MessageLength { length: 70_000, limit: 64 << 10 };
    assert_eq!(kind(Peer::connected().raw(0, 20, 0, &long)), expected);
}

#[test]
fn another_protocol_is_refused_at_its_first_byte() {
    let mut session = Session::new(Config::new(Seed([1; 32])));
    let error = session.input(b"GET / HTTP/1.1\r\n").unwrap_err();
    assert_eq!(error.position, 0);
    assert!(error.to_string().contains("version byte 71"), "{error}");
    assert_eq!(session.input(b""), Err(error));
}
