//! A player at the live edge: from the hub's cursor to messages on one rising time base. A player that reads
//! slowly loses whole stretches up to a key frame, never a part of one, and costs nobody else anything.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use control::access::Act;
use media::container::flv::{TagKind, mux};
use media::proto::rtmp::MediaKind;
use media::proto::rtmp::enhanced::Announced;
use media::proto::rtmp::server::{NotPlaying, PauseState, Play, Session, code};
use media::{StreamName, TrackConfig};
use tape::{LiveCursor, LiveItem, RunId, Stream};

use super::ask::{self, Granted, Refused, says_times};
use super::connection::Who;
use crate::access::Caller;
use crate::app::App;
use crate::meter::Held;

/// Milliseconds between the last packet of one run and the first of the next, as a player is told: about one
/// frame. The gap itself is not played.
const JOINT_MS: i64 = 40;

/// One player of a connection.
pub(super) struct Player {
    pub(super) message_stream: u32,
    pub(super) name: StreamName,
    pub(super) caller: Caller,
    cursor: LiveCursor,
    /// A run that had ended when the player came: what the ring still holds of it is not live.
    stale: Option<RunId>,
    paused: bool,
    time: TimeBase,
    announced: Announced,
    /// The tracks whose headers the player has.
    headers: Option<Arc<[TrackConfig]>>,
    _watching: Watching,
    _counted: Option<Held>,
}

/// Counts a viewer for as long as it watches.
struct Watching(Arc<Stream>);

impl Watching {
    fn new(stream: &Arc<Stream>) -> Self {
        stream.viewers().fetch_add(1, Relaxed);
        Self(Arc::clone(stream))
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.viewers().fetch_sub(1, Relaxed);
    }
}

/// Why a player is not let in: the status code and the words it is told.
pub(super) struct NotLetIn {
    pub(super) code: &'static str,
    /// The type of the refusal, where the policy point or the name's grammar refused.
    pub(super) kind: Option<&'static str>,
    pub(super) words: String,
}

/// Why an item was not handed on.
pub(super) enum NotSent {
    /// The player has stopped.
    NotPlaying,
    /// The stream went on in a codec that the player has not announced; these words say so.
    Codec(String),
}

impl From<NotPlaying> for NotSent {
    fn from(_: NotPlaying) -> Self {
        Self::NotPlaying
    }
}

/// Whether a player can be sent these tracks, in words where not (Enhanced RTMP v2: codecs with four characters
/// for a name go only to those who announced them).
fn check(announced: &Announced, tracks: &[TrackConfig]) -> Result<(), String> {
    let missing = TrackConfig::main_ones(tracks).find_map(|track| {
        let four = mux::four_cc(&track.codec)?;
        (!announced.takes(four)).then(|| (track.codec.name(), four.escape_ascii().to_string()))
    });
    match missing {
        None => Ok(()),
        Some((name, four)) => Err(format!(
            "the stream has {name}, and this player did not announce {four} in connect (fourCcList, \
             videoFourCcInfoMap or audioFourCcInfoMap); with FFmpeg say -rtmp_enhanced_codecs {four}, or play HLS"
        )),
    }
}

/// Lets a player in, or says why not.
pub(super) fn begin(
    app: &Arc<App>,
    who: &Who,
    announced: &Announced,
    asked: &Play,
) -> Result<Player, NotLetIn> {
    let failed = |kind, words: String| NotLetIn { code: code::PLAY_FAILED, kind, words };
    let act = |query: &view::query::MediaQuery| if says_times(query) { Act::Timeshift } else { Act::Play };
    let Granted { name, caller, query } = ask::granted(app, who.peer.ip(), &asked.target, act)
        .map_err(|refused: Refused| failed(Some(refused.kind()), refused.words().to_owned()))?;
    if says_times(&query) {
        let words =
            "time queries over RTMP are not there in this version; HLS has them: .m3u8?start=… over HTTP";
        return Err(failed(None, words.to_owned()));
    }
    let Some(stream) = app.hub.stream(&name) else {
        let words = format!("nothing has been published as {name} yet");
        return Err(NotLetIn { code: code::PLAY_STREAM_NOT_FOUND, kind: None, words });
    };
    let stats = stream.stats(app.hub.now().mono);
    let offline = stats.publisher.is_none();
    if !offline {
        check(announced, &stats.tracks).map_err(|words| failed(None, words))?;
    }
    Ok(Player {
        message_stream: asked.message_stream,
        name,
        caller,
        stale: stream.edge().map(|(run, _, _)| run).filter(|_| offline),
        cursor: stream.live_cursor(),
        paused: false,
        time: TimeBase::default(),
        announced: announced.clone(),
        headers: None,
        _watching: Watching::new(&stream),
        _counted: app.meter.rtmp.players.enter(u64::MAX),
    })
}

impl Player {
    /// The next of the live edge; never while paused.
    pub(super) async fn next(&mut self) -> Option<LiveItem> {
        match self.paused {
            true => std::future::pending().await,
            false => self.cursor.next().await,
        }
    }

    /// What is there now.
    pub(super) fn try_next(&mut self) -> Option<LiveItem> {
        self.cursor.try_next().filter(|_| !self.paused)
    }

    /// Stands still, or goes on at the live edge.
    pub(super) fn pause(&mut self, state: PauseState) {
        self.paused = state == PauseState::Paused;
        if !self.paused {
            self.cursor = self.cursor.stream().live_cursor();
        }
    }

    /// Hands one item to the session.
    pub(super) fn send(&mut self, app: &App, session: &mut Session, item: LiveItem) -> Result<(), NotSent> {
        let packet = match item {
            LiveItem::Packet(packet) => packet,
            LiveItem::Skipped(packets) => {
                app.meter.rtmp.player_skips.add();
                app.meter.rtmp.player_packets_skipped.add_many(packets);
                tracing::debug!(stream = %self.name, packets, "a slow player was moved to the newest key frame");
                return Ok(());
            }
        };
        if self.stale == Some(packet.run) {
            return Ok(());
        }
        // Players are sent the main tracks: what lies beside them they could not tell apart.
        let main = TrackConfig::main_ones(&packet.tracks).find(|t| t.id == packet.packet.track);
        let Some(track) = main else { return Ok(()) };
        let timestamp = self.time.of(packet.run, mux::timestamp_ms(track.timescale, packet.packet.dts));
        if self.headers.as_ref().is_none_or(|known| !Arc::ptr_eq(known, &packet.tracks)) {
            check(&self.announced, &packet.tracks).map_err(NotSent::Codec)?;
            self.send_headers(session, &packet.tracks, timestamp)?;
        }
        let (kind, body) = mux::body(track, &packet.packet);
        session.send_media(self.message_stream, media_kind(kind), timestamp, &body)?;
        self.headers = Some(Arc::clone(&packet.tracks));
        Ok(())
    }

    fn send_headers(
        &self,
        session: &mut Session,
        tracks: &[TrackConfig],
        timestamp: u32,
    ) -> Result<(), NotPlaying> {
        let main: Vec<TrackConfig> = TrackConfig::main_ones(tracks).cloned().collect();
        session.send_media(self.message_stream, MediaKind::Data, timestamp, &mux::metadata(&main))?;
        for (kind, body) in main.iter().filter_map(mux::header) {
            session.send_media(self.message_stream, media_kind(kind), timestamp, &body)?;
        }
        Ok(())
    }
}

fn media_kind(kind: TagKind) -> MediaKind {
    match kind {
        TagKind::Audio => MediaKind::Audio,
        TagKind::Video => MediaKind::Video,
        TagKind::Script => MediaKind::Data,
    }
}

/// The clock of one connection: begins at zero, never goes back, whatever runs come and go.
#[derive(Debug, Default)]
struct TimeBase {
    run: Option<(RunId, i64)>,
    newest: i64,
}

impl TimeBase {
    /// The timestamp of a packet of a run at `ms` of that run. It wraps at 32 bits, as RTMP does.
    fn of(&mut self, run: RunId, ms: i64) -> u32 {
        let offset = match self.run {
            Some((known, offset)) if known == run => offset,
            Some(_) => self.newest.saturating_add(JOINT_MS).saturating_sub(ms),
            None => ms.saturating_neg(),
        };
        self.run = Some((run, offset));
        // Sound that began a little before the first picture is told as beginning with it.
        let at = ms.saturating_add(offset).max(0);
        self.newest = self.newest.max(at);
        (at & i64::from(u32::MAX)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_begins_at_zero_and_goes_on_over_runs() {
        let mut time = TimeBase::default();
        assert_eq!(time.of(RunId(1), 10_000), 0);
        assert_eq!(time.of(RunId(1), 9_980), 0, "sound before the first picture");
        assert_eq!(time.of(RunId(1), 10_040), 40);
        assert_eq!(time.of(RunId(2), 5_000), 80, "a new run follows without its gap");
        assert_eq!(time.of(RunId(2), 5_040), 120);
        let (mut long, day) = (TimeBase::default(), 86_400_000);
        long.of(RunId(1), 0);
        assert_eq!(
            long.of(RunId(1), 50 * day),
            (50 * day - (1 << 32)) as u32,
            "it wraps as the protocol does"
        );
    }
}
