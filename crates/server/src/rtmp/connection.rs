//! One RTMP connection: the loop between its socket, its session and what it does, with the deadlines that end
//! it when it stands still. Whatever goes wrong ends this connection, with a reason in the log, and nothing
//! else.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use media::proto::rtmp::enhanced::Announced;
use media::proto::rtmp::server::{Config, Event, Output, Session};
use tape::{EndReason, LiveItem};
use tokio_util::sync::CancellationToken;

use super::outgoing::{Outgoing, QUEUE_BYTES_MAX};
use super::play::{self, NotSent, Player};
use super::publish::{self, Ended, Publication};
use super::transport::Transport;
use crate::app::App;
use crate::clock;
use crate::http::redact::redact;

/// How long the handshake and `connect` may take.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// How long a connection may do nothing once it is connected, and a publisher may send nothing: encoders on
/// bad links stall for seconds and come back; half a minute is gone.
const IDLE_DEADLINE: Duration = Duration::from_secs(30);
/// How long a peer may take none of what waits for it.
const BLOCKED_DEADLINE: Duration = Duration::from_secs(30);
/// How long a peer that was told the end may take to read it.
const GOODBYE_DEADLINE: Duration = Duration::from_secs(1);
/// How often deadlines and revocations are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes read at once: before a connection publishes, and while it does.
const READ_BYTES_IDLE: usize = 4 << 10;
const READ_BYTES_PUBLISHING: usize = 64 << 10;
/// Media is handed to the session while less than this waits for the socket: one write's worth.
const PLAY_AHEAD_BYTES: usize = 64 << 10;

/// The other end, for logs and rules.
#[derive(Debug, Clone, Copy)]
pub(super) struct Who {
    /// Counts up over the life of the process.
    pub(super) id: u64,
    pub(super) peer: SocketAddr,
}

/// What a connection does.
enum Role {
    /// It has not asked yet, or its last wish ended.
    Idle,
    Publishing(Box<Publication>),
    Playing(Box<Player>),
}

/// Why the loop ends.
enum Over {
    /// The peer closed.
    Closed,
    /// The peer broke the protocol or sent what cannot be carried.
    Fault(String),
    /// A deadline passed.
    Timeout(&'static str),
    /// We want it to end: kicked, revoked, shutting down. The peer is told.
    Ours(String, EndReason),
    /// The socket failed.
    Io(io::Error),
}

/// What woke the loop.
enum Woken {
    Readable,
    Writable,
    Removed(String),
    Live(Option<LiveItem>),
    Look,
    Stop,
}

/// See the module.
pub(super) struct Connection {
    app: Arc<App>,
    stream: Transport,
    who: Who,
    session: Session,
    out: Outgoing,
    role: Role,
    read: Box<[u8]>,
    connected: bool,
    /// Which codecs it can be sent in enhanced form.
    announced: Announced,
    /// When bytes last came.
    heard: Duration,
    /// When the peer last took bytes, or nothing waited for it.
    taken: Duration,
    /// When it was accepted, connected, or its last role ended: since when it has had no role.
    idle_since: Duration,
    /// Bytes received.
    position: u64,
}

impl Connection {
    /// A connection that was just accepted.
    pub(super) fn new(app: Arc<App>, stream: Transport, peer: SocketAddr, id: u64) -> Self {
        let now = clock::mono();
        Self {
            app,
            stream,
            who: Who { id, peer },
            session: Session::new(Config::new(super::seed())),
            out: Outgoing::default(),
            role: Role::Idle,
            read: vec![0; READ_BYTES_IDLE].into_boxed_slice(),
            connected: false,
            announced: Announced::default(),
            heard: now,
            taken: now,
            idle_since: now,
            position: 0,
        }
    }

    /// Serves it to its end.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let over = self.serve(&stop).await;
        self.finish(over).await;
    }

    async fn serve(&mut self, stop: &CancellationToken) -> Over {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let woken = tokio::select! {
                // A peer that does not take its answers is not read either.
                ready = self.stream.readable(), if self.out.len() < PLAY_AHEAD_BYTES => match ready {
                    Ok(()) => Woken::Readable,
                    Err(error) => return Over::Io(error),
                },
                ready = self.stream.writable(), if !self.out.is_empty() => match ready {
                    Ok(()) => Woken::Writable,
                    Err(error) => return Over::Io(error),
                },
                woken = self.role.woken(), if self.out.len() < PLAY_AHEAD_BYTES => woken,
                _ = look.tick() => Woken::Look,
                () = stop.cancelled() => Woken::Stop,
            };
            if let Err(over) = self.handle(woken).await {
                return over;
            }
        }
    }

    async fn handle(&mut self, woken: Woken) -> Result<(), Over> {
        match woken {
            Woken::Readable => self.receive().await?,
            Woken::Writable => {}
            Woken::Removed(reason) => return Err(Over::Ours(reason, EndReason::Kicked)),
            Woken::Live(None) => return Err(Over::Ours("the stream is gone".into(), EndReason::Kicked)),
            Woken::Live(Some(item)) => self.play(item),
            Woken::Look => self.look()?,
            Woken::Stop => return Err(Over::Ours("the server is shutting down".into(), EndReason::Shutdown)),
        }
        self.write()
    }

    /// Writes what the socket takes. A queue that grows past its bound belongs to a peer that does not read.
    fn write(&mut self) -> Result<(), Over> {
        if self.out.is_empty() {
            self.taken = clock::mono();
            return Ok(());
        }
        let sent = self.out.write(&self.stream).map_err(Over::Io)?;
        if sent > 0 {
            self.app.meter.rtmp.sent_bytes.add_many(sent as u64);
            self.taken = clock::mono();
        }
        match self.out.len() > QUEUE_BYTES_MAX {
            true => Err(Over::Timeout("it does not read what it asked for")),
            false => Ok(()),
        }
    }

    async fn receive(&mut self) -> Result<(), Over> {
        let n = match self.stream.try_read(&mut self.read) {
            Ok(0) => return Err(Over::Closed),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(Over::Io(error)),
        };
        self.heard = clock::mono();
        self.position += n as u64;
        self.app.meter.rtmp.received_bytes.add_many(n as u64);
        let taken = self.session.input(&self.read[..n]);
        // What came before a fault still counts, and the peer's questions are answered.
        self.drain().await?;
        taken.map_err(|error| Over::Fault(error.to_string()))
    }

    /// Does what the session has for us.
    async fn drain(&mut self) -> Result<(), Over> {
        while let Some(output) = self.session.poll() {
            match output {
                Output::Send(bytes) => self.out.push(bytes),
                Output::Event(event) => self.event(event).await?,
            }
        }
        Ok(())
    }

    async fn event(&mut self, event: Event) -> Result<(), Over> {
        match event {
            Event::Connect(asked) => {
                self.connected = true;
                self.announced = asked.announced.clone();
                self.idle_since = clock::mono();
                let (app, software) = (redact(&asked.app), asked.flash_ver.as_str());
                tracing::debug!(conn = self.who.id, peer = %self.who.peer, app, software, "rtmp connected");
            }
            Event::Publish(asked) => self.publish(*asked).await,
            Event::Play(asked) => self.begin_play(*asked),
            Event::Media { message_stream, kind, timestamp, payload } => {
                if let Role::Publishing(publication) = &mut self.role
                    && publication.message_stream == message_stream
                {
                    let now = self.app.hub.now();
                    publication.media(&self.app, kind, timestamp, payload, now).map_err(
                        |ended| match ended {
                            Ended::Removed(reason) => Over::Ours(reason, EndReason::Kicked),
                            Ended::Unreadable(error) => Over::Fault(error.to_string()),
                        },
                    )?;
                }
            }
            Event::Unpublish { message_stream } => {
                if let Role::Publishing(publication) = &self.role
                    && publication.message_stream == message_stream
                {
                    self.leave(EndReason::Unpublished);
                }
            }
            Event::StopPlay { message_stream } => {
                if let Role::Playing(player) = &self.role
                    && player.message_stream == message_stream
                {
                    self.leave(EndReason::Unpublished);
                }
            }
            Event::Pause { message_stream, state, .. } => {
                if let Role::Playing(player) = &mut self.role
                    && player.message_stream == message_stream
                {
                    player.pause(state);
                }
            }
            Event::Seek { message_stream, .. } => {
                // The player may have stopped meanwhile; then nobody waits for the answer.
                let _ = self
                    .session
                    .reject_seek(message_stream, "seeking over RTMP is not there in this version");
            }
            Event::ClearData { .. } | Event::Pong { .. } => {}
            Event::Ended => return Err(Over::Closed),
        }
        Ok(())
    }

    async fn publish(&mut self, asked: media::proto::rtmp::server::Publish) {
        let begun = match self.role {
            Role::Idle => publish::begin(&self.app, &self.who, &asked).await,
            _ => Err(publish::NotLetIn {
                code: media::proto::rtmp::server::code::PUBLISH_BAD_NAME,
                kind: None,
                words: "one stream a connection; open another connection".into(),
            }),
        };
        let (conn, peer) = (self.who.id, self.who.peer);
        // An answer that the peer no longer waits for is an error of no consequence.
        match begun {
            Ok(publication) => {
                tracing::info!(event = "publish", protocol = "rtmp", conn, %peer, stream = %publication.name, "publisher came");
                if self.session.accept_publish(asked.message_stream).is_ok() {
                    self.read = vec![0; READ_BYTES_PUBLISHING].into_boxed_slice();
                    self.role = Role::Publishing(Box::new(publication));
                }
            }
            Err(publish::NotLetIn { code, kind, words }) => {
                self.tell_refused("publish", kind, &words);
                let _ = self.session.reject_publish(asked.message_stream, code, &words);
            }
        }
    }

    fn begin_play(&mut self, asked: media::proto::rtmp::server::Play) {
        let begun = match self.role {
            Role::Idle => play::begin(&self.app, &self.who, &self.announced, &asked),
            _ => Err(play::NotLetIn {
                code: media::proto::rtmp::server::code::PLAY_FAILED,
                kind: None,
                words: "one stream a connection; open another connection".into(),
            }),
        };
        let (conn, peer) = (self.who.id, self.who.peer);
        match begun {
            Ok(player) => {
                tracing::info!(event = "play", protocol = "rtmp", conn, %peer, stream = %player.name, "player came");
                if self.session.accept_play(asked.message_stream).is_ok() {
                    self.role = Role::Playing(Box::new(player));
                }
            }
            Err(play::NotLetIn { code, kind, words }) => {
                self.tell_refused("play", kind, &words);
                let _ = self.session.reject_play(asked.message_stream, code, &words);
            }
        }
    }

    /// One line for one that is not let in, as long as strangers do not ask too often.
    fn tell_refused(&self, wish: &'static str, kind: Option<&'static str>, words: &str) {
        let Some(unsaid) = self.app.refusals.say() else { return };
        let (conn, peer, r#type) = (self.who.id, self.who.peer, kind.unwrap_or("none"));
        let event = "refused";
        tracing::warn!(event, protocol = "rtmp", wish, conn, %peer, r#type, unsaid, "refused: {words}");
    }

    /// Hands media to the session until one write's worth waits. Events come only from input, so that only
    /// bytes are drained here.
    fn play(&mut self, first: LiveItem) {
        let Role::Playing(player) = &mut self.role else { return };
        let mut item = Some(first);
        while let Some(next) = item.take() {
            match player.send(&self.app, &mut self.session, next) {
                Ok(()) => {}
                Err(NotSent::NotPlaying) => break,
                Err(NotSent::Codec(words)) => {
                    let (conn, peer) = (self.who.id, self.who.peer);
                    tracing::warn!(conn, %peer, stream = %player.name, "player stopped: {words}");
                    let _ = self.session.stream_eof(player.message_stream);
                    self.leave(EndReason::Unpublished);
                    return;
                }
            }
            while let Some(Output::Send(bytes)) = self.session.poll() {
                self.out.push(bytes);
            }
            if self.out.len() < PLAY_AHEAD_BYTES {
                item = player.try_next();
            }
        }
    }

    /// Deadlines and revocations.
    fn look(&mut self) -> Result<(), Over> {
        let now = clock::mono();
        let (quiet, idle) = (now.saturating_sub(self.heard), now.saturating_sub(self.idle_since));
        if !self.out.is_empty() && now.saturating_sub(self.taken) > BLOCKED_DEADLINE {
            return Err(Over::Timeout("it takes no bytes"));
        }
        let caller = match &self.role {
            Role::Idle if !self.connected && idle > HANDSHAKE_DEADLINE => {
                return Err(Over::Timeout("its handshake does not end"));
            }
            Role::Idle if idle > IDLE_DEADLINE => return Err(Over::Timeout("it asks for nothing")),
            Role::Idle => return Ok(()),
            Role::Publishing(_) if quiet > IDLE_DEADLINE => {
                return Err(Over::Timeout("its publisher is silent"));
            }
            Role::Publishing(publication) => &publication.caller,
            Role::Playing(player) => &player.caller,
        };
        match self.app.gate.still_stands(caller) {
            true => Ok(()),
            false => {
                self.app.meter.access.cut_off.add();
                tracing::info!(event = "cut_off", protocol = "rtmp", peer = %self.who.peer, "cut off: its token was revoked or has expired");
                Err(Over::Ours("its token was revoked or has expired".into(), EndReason::Kicked))
            }
        }
    }

    /// Ends what the connection does; it may ask again.
    fn leave(&mut self, reason: EndReason) {
        self.idle_since = clock::mono();
        if let Role::Publishing(publication) = std::mem::replace(&mut self.role, Role::Idle) {
            publication.end(reason);
        }
    }

    /// Tells the log and, where there is something to tell, the peer.
    async fn finish(mut self, over: Over) {
        let (conn, peer, position) = (self.who.id, self.who.peer, self.position);
        let reason = match &over {
            Over::Closed => EndReason::Disconnected,
            Over::Fault(fault) => {
                self.app.meter.rtmp.protocol_errors.add();
                tracing::warn!(conn, %peer, position, "rtmp connection ended: {fault}");
                self.session.end(fault);
                EndReason::Disconnected
            }
            Over::Timeout(why) => {
                self.app.meter.rtmp.timeouts.add();
                tracing::warn!(conn, %peer, position, "rtmp connection ended: {why}");
                EndReason::Disconnected
            }
            Over::Ours(why, reason) => {
                tracing::info!(conn, %peer, position, "rtmp connection ended: {why}");
                self.session.end(why);
                *reason
            }
            Over::Io(error) => {
                tracing::debug!(conn, %peer, position, %error, "rtmp connection failed");
                EndReason::Disconnected
            }
        };
        self.leave(reason);
        while let Some(output) = self.session.poll() {
            if let Output::Send(bytes) = output {
                self.out.push(bytes);
            }
        }
        if !matches!(over, Over::Io(_) | Over::Timeout(_)) {
            // Whether the peer reads its goodbye is its business.
            let _ = tokio::time::timeout(GOODBYE_DEADLINE, self.flush()).await;
        }
        tracing::debug!(conn, %peer, position, "rtmp connection closed");
    }

    async fn flush(&mut self) -> io::Result<()> {
        while !self.out.is_empty() {
            self.stream.writable().await?;
            self.out.write(&self.stream)?;
        }
        Ok(())
    }
}

impl Role {
    /// Waits for what the role waits for; for ever where it waits for nothing.
    async fn woken(&mut self) -> Woken {
        match self {
            Self::Idle => std::future::pending().await,
            Self::Publishing(publication) => Woken::Removed(publication.removed().await),
            Self::Playing(player) => Woken::Live(player.next().await),
        }
    }
}
