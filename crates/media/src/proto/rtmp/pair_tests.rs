//! Two engines talk: everything a client publishes reaches a client that plays, byte for byte, however the
//! network cuts it.

use bytes::Bytes;

use super::handshake::{Seed, Style};
use super::{MediaKind, RtmpError, client, server};

/// A seeded generator: the same run every time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

type Media = (MediaKind, u32, Bytes);

/// A client and a server, and what is under way between them.
struct Pair {
    client: client::Session,
    server: server::Session,
    to_client: Vec<u8>,
    to_server: Vec<u8>,
    client_events: Vec<client::Event>,
    server_events: Vec<server::Event>,
}

impl Pair {
    fn new(role: client::Role, style: Style, chunk_bytes: u32) -> Self {
        let location = client::Location::parse("rtmp://h/live/room/cam1?token=x").unwrap();
        let mut config = client::Config::new(location, role, Seed([1; 32]));
        config.style = style;
        config.chunk_bytes = chunk_bytes;
        let mut server_config = server::Config::new(Seed([2; 32]));
        server_config.chunk_bytes = chunk_bytes;
        Self {
            client: client::Session::new(config),
            server: server::Session::new(server_config),
            to_client: Vec::new(),
            to_server: Vec::new(),
            client_events: Vec::new(),
            server_events: Vec::new(),
        }
    }

    fn collect(&mut self) {
        while let Some(output) = self.client.poll() {
            match output {
                client::Output::Send(bytes) => self.to_server.extend_from_slice(&bytes),
                client::Output::Event(event) => self.client_events.push(event),
            }
        }
        while let Some(output) = self.server.poll() {
            match output {
                server::Output::Send(bytes) => self.to_client.extend_from_slice(&bytes),
                server::Output::Event(event) => self.server_events.push(event),
            }
        }
    }

    /// Carries bytes to and fro in random pieces until none are under way, answering every question yes.
    fn settle(&mut self, random: &mut Random) -> Result<(), RtmpError> {
        loop {
            self.collect();
            self.answer();
            self.collect();
            if self.to_client.is_empty() && self.to_server.is_empty() {
                return Ok(());
            }
            let piece = |random: &mut Random, bytes: &mut Vec<u8>| -> Vec<u8> {
                let most = [20, 3000][random.below(2)];
                let cut = random.below(most) + 1;
                bytes.drain(..cut.min(bytes.len())).collect()
            };
            let bytes = piece(random, &mut self.to_server);
            self.server.input(&bytes)?;
            let bytes = piece(random, &mut self.to_client);
            self.client.input(&bytes)?;
        }
    }

    fn answer(&mut self) {
        let server = &mut self.server;
        self.server_events.retain(|event| match event {
            server::Event::Publish(publish) => {
                assert_eq!(publish.target.path, "live/room/cam1");
                assert_eq!(publish.target.query, "token=x");
                server.accept_publish(publish.message_stream).unwrap();
                false
            }
            server::Event::Play(play) => {
                assert_eq!(play.target.path, "live/room/cam1");
                server.accept_play(play.message_stream).unwrap();
                false
            }
            server::Event::Connect(connect) => {
                assert_eq!(connect.app, "live/room");
                false
            }
            _ => true,
        });
    }
}

/// Media of every size around the limits of chunks, with times that jump, extend and wrap.
fn media(random: &mut Random) -> Vec<Media> {
    let sizes = [1, 5, 127, 128, 129, 255, 257, 4095, 4096, 4097, 65_536, 65_537, 200_000];
    let mut time = 0xff_ff00u32;
    (0..60)
        .map(|index| {
            let kind = [MediaKind::Video, MediaKind::Audio][index % 2];
            time = match index {
                30 => 0xffff_ff80,
                45 => 3,
                _ => time.wrapping_add(random.below(40) as u32),
            };
            let size = sizes[random.below(sizes.len())];
            let payload: Vec<u8> = (0..size).map(|_| random.below(256) as u8).collect();
            (kind, time, Bytes::from(payload))
        })
        .collect()
}

fn metadata() -> Media {
    (
        MediaKind::Data,
        0xff_ff00,
        Bytes::from_static(b"\x02\x00\x0aonMetaData\x08\x00\x00\x00\x00\x00\x00\x09"),
    )
}

#[test]
fn what_is_published_arrives_whatever_the_splits() {
    for (seed, style) in [(1, Style::Simple), (2, Style::Digest), (3, Style::Simple), (4, Style::Digest)] {
        for chunk_bytes in [128, 4096, 65_536] {
            let mut random = Random(seed);
            let mut pair = Pair::new(client::Role::Publish, style, chunk_bytes);
            pair.settle(&mut random).unwrap();
            assert_eq!(pair.client_events, [client::Event::Started]);
            let mut sent = media(&mut random);
            sent.insert(0, metadata());
            for (kind, time, payload) in &sent {
                pair.client.send_media(*kind, *time, payload).unwrap();
                if random.below(3) == 0 {
                    pair.settle(&mut random).unwrap();
                }
            }
            pair.client.close();
            pair.settle(&mut random).unwrap();
            let mut received = Vec::new();
            for event in &pair.server_events {
                if let server::Event::Media { message_stream: 1, kind, timestamp, payload } = event {
                    received.push((*kind, *timestamp, payload.clone()));
                }
            }
            assert_eq!(received, sent, "seed {seed}, {style:?}, chunks of {chunk_bytes}");
            assert_eq!(pair.server_events.last(), Some(&server::Event::Unpublish { message_stream: 1 }));
            assert_eq!(pair.client_events.last(), Some(&client::Event::Ended));
        }
    }
}

#[test]
fn what_is_sent_to_a_player_arrives_whatever_the_splits() {
    for (seed, style) in [(5, Style::Simple), (6, Style::Digest)] {
        for chunk_bytes in [128, 65_536] {
            let mut random = Random(seed);
            let mut pair = Pair::new(client::Role::Play, style, chunk_bytes);
            pair.settle(&mut random).unwrap();
            let mut sent = media(&mut random);
            sent.insert(0, metadata());
            for (kind, time, payload) in &sent {
                pair.server.send_media(1, *kind, *time, payload).unwrap();
                if random.below(3) == 0 {
                    pair.settle(&mut random).unwrap();
                }
            }
            pair.server.stream_eof(1).unwrap();
            pair.settle(&mut random).unwrap();
            let mut received = Vec::new();
            for event in &pair.client_events {
                if let client::Event::Media { kind, timestamp, payload } = event {
                    received.push((*kind, *timestamp, payload.clone()));
                }
            }
            assert_eq!(received, sent, "seed {seed}, {style:?}, chunks of {chunk_bytes}");
            let started = pair.client_events.iter().position(|event| *event == client::Event::Started);
            let first =
                pair.client_events.iter().position(|event| matches!(event, client::Event::Media { .. }));
            assert!(started < first);
            assert_eq!(pair.client_events.last(), Some(&client::Event::Eof));
        }
    }
}

#[test]
fn refusals_reach_the_client_with_their_reason() {
    for role in [client::Role::Publish, client::Role::Play] {
        let mut random = Random(7);
        let mut pair = Pair::new(role, Style::Simple, 4096);
        let why = "run tapeline token new --publish live/room/cam1";
        while !pair.client.is_over() {
            pair.collect();
            for event in std::mem::take(&mut pair.server_events) {
                match event {
                    server::Event::Publish(_) => {
                        pair.server.reject_publish(1, server::code::PUBLISH_DENIED, why).unwrap();
                    }
                    server::Event::Play(_) => {
                        pair.server.reject_play(1, server::code::PLAY_FAILED, why).unwrap();
                    }
                    _ => {}
                }
            }
            pair.collect();
            let bytes: Vec<u8> = pair.to_server.drain(..).collect();
            pair.server.input(&bytes).unwrap();
            let bytes: Vec<u8> = pair.to_client.drain(..).collect();
            pair.client.input(&bytes).unwrap();
        }
        pair.collect();
        let code = match role {
            client::Role::Publish => server::code::PUBLISH_DENIED,
            client::Role::Play => server::code::PLAY_FAILED,
        };
        let rejected = client::Event::Rejected { code: code.into(), description: why.into() };
        assert_eq!(pair.client_events, [rejected, client::Event::Ended]);
        let payload = Bytes::from_static(b"x");
        assert_eq!(pair.client.send_media(MediaKind::Video, 0, &payload), Err(client::NotStarted));
        assert_eq!(pair.settle(&mut random), Ok(()));
    }
}

#[test]
fn a_server_that_ends_tells_its_client() {
    let mut random = Random(8);
    let mut pair = Pair::new(client::Role::Publish, Style::Simple, 4096);
    pair.settle(&mut random).unwrap();
    pair.server.end("The server stops.");
    pair.settle(&mut random).unwrap();
    let status = client::Event::Status {
        level: "status".into(),
        code: "NetConnection.Connect.Closed".into(),
        description: "The server stops.".into(),
    };
    assert_eq!(pair.client_events[1..], [status, client::Event::Ended]);
    assert!(pair.client.is_over() && pair.server.is_over());
}

#[test]
fn pings_cross() {
    let mut random = Random(9);
    let mut pair = Pair::new(client::Role::Play, Style::Simple, 4096);
    pair.settle(&mut random).unwrap();
    pair.server.ping(5);
    pair.client.ping(6);
    pair.settle(&mut random).unwrap();
    assert_eq!(pair.server_events, [server::Event::Pong { timestamp: 5 }]);
    assert_eq!(pair.client_events.last(), Some(&client::Event::Pong { timestamp: 6 }));
}
