//! A tape of two hours in half a minute: the film, turn after turn, through the tape's own front door, with the
//! times of arrival that a publisher in real time would have had. It ends now.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use media::container::flv::demux::{Event, Reader};
use media::container::flv::{Ingest, Ingested};
use media::{Packet, StreamName, TrackConfig, TrackId, WallTime};
use tape::{Arrival, Durability, EndReason, Hub, Publisher, PublisherInfo, Stream, TapeConfig};

use crate::server::FILM;

/// The stream.
pub(crate) const NAME: &str = "live/long";
/// Length of the tape: two hours, and what the benches take until they have asked for the last two.
const SECONDS: i64 = 2 * 3600 + 900;
/// The film's length: whole pictures, whole packets of sound.
const TURN_S: i64 = 24;

/// A tape, removed when it is dropped.
pub(crate) struct Made {
    /// The data folder.
    pub(crate) data: PathBuf,
    /// Wall times of its first and last instant.
    pub(crate) start: WallTime,
    pub(crate) end: WallTime,
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

impl Made {
    /// Files of its streams with this ending, oldest first.
    pub(crate) fn files(&self, ending: &str) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for stream in std::fs::read_dir(self.data.join("tape"))? {
            for file in std::fs::read_dir(stream?.path())? {
                found.push(file?.path());
            }
        }
        found.retain(|path| path.extension().is_some_and(|e| e == ending));
        found.sort();
        Ok(found)
    }
}

/// Makes it in a folder under `dir`.
pub(crate) fn make(dir: &Path) -> Result<Made> {
    let data = dir.join("tape-of-two-hours");
    let _ = std::fs::remove_dir_all(&data);
    let begun = Instant::now();
    let end = now();
    let made = Made { data, start: end.plus_ns(-SECONDS * 1_000_000_000), end };
    let Film { tracks, packets } = film()?;
    let hub = Hub::open(TapeConfig {
        data: made.data.clone(),
        part_ms: 500,
        extent_s: 60,
        segment_ms: 2000,
        durability: Durability::Os,
        ring_bytes: 32 << 20,
    })?;
    let name = StreamName::parse(NAME).context("a name")?;
    let info = PublisherInfo { protocol: "bench", remote: "here".to_owned(), key: None };
    let arrival = |ms: i64| Arrival {
        mono: Duration::from_millis(ms.unsigned_abs()),
        wall: made.start.plus_ns(ms * 1_000_000),
    };
    let mut publisher = hub.publish(&name, info, arrival(0))?;
    publisher.tracks(tracks.clone(), arrival(0));
    for turn in 0..SECONDS / TURN_S {
        for (ms, packet) in &packets {
            let hz = hz(&tracks, packet.track)?;
            let dts = packet.dts + turn * TURN_S * hz;
            publisher.push(Packet { dts, ..packet.clone() }, arrival(turn * TURN_S * 1000 + ms))?;
        }
        written(&publisher)?;
    }
    let stream = publisher.stream().clone();
    publisher.end(EndReason::Unpublished);
    hub.close();
    ensure!(runs(&stream).len() == 1, "the tape is one run");
    rustix::fs::sync();
    println!("made {} s of tape in {:.0} s", SECONDS, begun.elapsed().as_secs_f64());
    Ok(made)
}

fn now() -> WallTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    WallTime::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn hz(tracks: &[TrackConfig], id: TrackId) -> Result<i64> {
    let track = tracks.iter().find(|t| t.id == id).context("a packet of a track that was announced")?;
    Ok(i64::from(track.timescale.hz()))
}

fn runs(stream: &Arc<Stream>) -> Vec<tape::RunInfo> {
    stream.runs(WallTime::MIN..WallTime::MAX)
}

/// Waits until the volume has taken everything: what is pushed faster ends the run.
fn written(publisher: &Publisher) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let run = runs(publisher.stream()).pop().context("a run has begun")?;
        ensure!(run.live, "the recording stopped");
        if run.durable_end >= run.closed_end {
            return Ok(());
        }
        if Instant::now() > until {
            bail!("the volume does not take the tape");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// One turn.
struct Film {
    tracks: Vec<TrackConfig>,
    /// In order of arrival, each with its milliseconds from the beginning.
    packets: Vec<(i64, Packet)>,
}

fn film() -> Result<Film> {
    let bytes =
        std::fs::read(FILM).with_context(|| format!("{FILM} is missing; draw it with cargo xtask demo"))?;
    let (mut reader, mut ingest) = (Reader::new(), Ingest::new());
    reader.input(&bytes);
    reader.finish();
    let (mut tracks, mut packets) = (Vec::new(), Vec::new());
    while let Some(event) = reader.poll()? {
        let Event::Tag(tag) = event else { continue };
        ingest.input(tag.kind, tag.timestamp_ms, tag.body)?;
        while let Some(item) = ingest.poll() {
            match item {
                Ingested::Tracks(announced) => tracks = announced,
                Ingested::Packet(packet) if packet.track != TrackId::DATA => packets.push(packet),
                _ => {}
            }
        }
    }
    tracks.retain(|track| track.id != TrackId::DATA);
    let ms = |p: &Packet| -> Result<i64> { Ok(p.dts * 1000 / hz(&tracks, p.track)?) };
    let first = packets.first().map(&ms).context("an empty film")??;
    let timed = packets.into_iter().map(|p| Ok((ms(&p)? - first, p))).collect::<Result<_>>()?;
    Ok(Film { tracks, packets: timed })
}
