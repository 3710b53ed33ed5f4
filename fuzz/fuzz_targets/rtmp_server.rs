//! A server's session tells the same events however the bytes are cut, holds no more than they justify,
//! tells only what its own events have prepared, and stays dead once it is.
#![no_main]

use std::collections::BTreeSet;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use media::proto::rtmp::handshake::{Client, PACKET_BYTES, Seed, Style};
use media::proto::rtmp::server::{Config, Event, Output, Session, code};
use media::proto::rtmp::{ErrorKind, MediaKind};

/// What a peer can make us answer: some 400 bytes for a `play` of 8, and the greeting.
const ANSWER_BYTES_EACH: usize = 64;
const ANSWER_BYTES_MIN: usize = 8 << 10;

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (piece, policy, bytes) = input;
    let silent = Policy { answers: Answers::Never, decisions: 0 };
    let whole = run(bytes, bytes.len().max(1), silent);
    let cut = run(bytes, usize::from(piece).max(1), silent);
    assert_eq!(whole.error, cut.error);
    // Debug text, for a position may be NaN.
    assert_eq!(format!("{:?}", whole.events), format!("{:?}", cut.events));
    // Answers change what is legal next, so they are given at one cut only.
    run(bytes, usize::from(piece).max(1), Policy { answers: Answers::AtOnce, decisions: policy });
});

#[derive(Clone, Copy)]
struct Policy {
    answers: Answers,
    /// One bit a question, over and over.
    decisions: u8,
}

#[derive(Clone, Copy, PartialEq)]
enum Answers {
    Never,
    AtOnce,
}

struct Run {
    events: Vec<Event>,
    error: Option<ErrorKind>,
}

fn run(bytes: &[u8], piece: usize, mut policy: Policy) -> Run {
    let mut session = Session::new(Config::new(Seed([1; 32])));
    session.input(&handshake()).expect("an honest handshake");
    let mut run = Run { events: Vec::new(), error: None };
    let (mut sent, mut received, mut open) = (0, 0, BTreeSet::new());
    for input in bytes.chunks(piece) {
        let result = session.input(input);
        received += input.len();
        while let Some(output) = session.poll() {
            match output {
                Output::Send(bytes) => sent += bytes.len(),
                Output::Event(event) => {
                    check(&event, &mut open);
                    if policy.answers == Answers::AtOnce
                        && let Some(closed) = policy.answer(&mut session, &event)
                    {
                        assert!(open.remove(&closed));
                    }
                    run.events.push(event);
                }
            }
        }
        assert_eq!(session.queued_bytes(), 0);
        if let Err(error) = result {
            assert!(session.is_over());
            assert_eq!(session.input(b"more"), Err(error.clone()));
            run.error = Some(error.kind);
            break;
        }
    }
    let most = ANSWER_BYTES_MIN + ANSWER_BYTES_EACH * received;
    assert!(sent <= most, "{sent} bytes sent for {received}");
    run
}

/// Media and ends belong to a stream that was asked for.
fn check(event: &Event, open: &mut BTreeSet<u32>) {
    match event {
        Event::Publish(publish) => assert!(open.insert(publish.message_stream)),
        Event::Play(play) => assert!(open.insert(play.message_stream)),
        Event::Unpublish { message_stream } | Event::StopPlay { message_stream } => {
            assert!(open.remove(message_stream));
        }
        Event::Media { message_stream, payload, .. } => {
            assert!(open.contains(message_stream) && !payload.is_empty());
        }
        Event::Pause { message_stream, .. } | Event::Seek { message_stream, .. } => {
            assert!(open.contains(message_stream));
        }
        _ => {}
    }
}

impl Policy {
    /// Answers a question, and says which stream that closed.
    fn answer(&mut self, session: &mut Session, event: &Event) -> Option<u32> {
        self.decisions = self.decisions.rotate_left(1);
        let is_welcome = self.decisions & 1 == 0;
        match event {
            Event::Publish(publish) if is_welcome => {
                // The peer may have withdrawn the question within the same input.
                let _ = session.accept_publish(publish.message_stream);
                None
            }
            Event::Publish(publish) => {
                let stream = publish.message_stream;
                session.reject_publish(stream, code::PUBLISH_DENIED, "no").is_ok().then_some(stream)
            }
            Event::Play(play) if session.accept_play(play.message_stream).is_ok() => {
                let (stream, payload) = (play.message_stream, Bytes::from_static(b"media"));
                assert_eq!(session.send_media(stream, MediaKind::Video, 1, &payload), Ok(()));
                if is_welcome {
                    return None;
                }
                assert_eq!(session.stream_eof(stream), Ok(()));
                assert!(session.send_media(stream, MediaKind::Video, 1, &payload).is_err());
                Some(stream)
            }
            Event::Connect(_) if self.decisions == u8::MAX => {
                // What followed it within the same input may have been a fault.
                assert!(session.is_over() || session.reject_connect("no").is_ok());
                None
            }
            _ => None,
        }
    }
}

fn handshake() -> Vec<u8> {
    let mut bytes = Vec::new();
    Client::new(Style::Simple, &Seed([2; 32]), &mut bytes);
    bytes.resize(1 + 2 * PACKET_BYTES, 0);
    bytes
}
