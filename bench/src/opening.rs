//! How long a tape of many days takes to open and how much memory it takes. The tape is fabricated: its journals tell of
//! extents as a server would have written them, and each extent is another name of one small file, which opening a
//! sealed extent does not read.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use media::{MediaTime, StreamName, WallTime};
use tape::journal::{EndReason, Record, SealFacts, encode};
use tape::{Durability, ExtentNo, Hub, InitId, PartNo, RunId, StreamId, TapeConfig};
use uuid::Uuid;

const EXTENT_NS: i64 = 60_000_000_000;
const EXTENTS_A_DAY: u64 = 24 * 60;
const PARTS: u64 = 120;
/// A file system allows so many names of one file: ext4 65 000.
const NAMES_MAX: u64 = 60_000;

/// Makes the tape, opens it and prints what that took.
pub(crate) fn run(data: &Path, streams: u64, days: u64) -> Result<()> {
    let dir = data.join("opening");
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    let extents = days * EXTENTS_A_DAY;
    for n in 0..streams {
        make(&dir, n, extents).context("the tape cannot be made")?;
    }
    let before = resident_kib()?;
    let begun = Instant::now();
    let hub = Hub::open(TapeConfig {
        data: dir.clone(),
        part_ms: 500,
        extent_s: 60,
        segment_ms: 2000,
        durability: Durability::Part,
        ring_bytes: 32 << 20,
    })?;
    let took = begun.elapsed();
    let resident = resident_kib()?.saturating_sub(before);
    let found = hub.streams().len();
    println!(
        "{}",
        serde_json::json!({
            "what": "opening", "streams": found, "extents": found as u64 * extents, "seconds": took.as_secs_f64(),
            "resident_mib": resident as f64 / 1024.0,
            "bytes_an_extent": resident as f64 * 1024.0 / (streams * extents) as f64,
        })
    );
    drop(hub);
    fs::remove_dir_all(&dir)?;
    Ok(())
}

fn make(dir: &Path, n: u64, extents: u64) -> Result<()> {
    let id = Uuid::from_u128(u128::from(n) + 1);
    let folder = dir.join("tape").join(StreamId(id).to_string());
    fs::create_dir_all(&folder)?;
    let mut journal = std::io::BufWriter::new(File::create(folder.join("journal"))?);
    let name = StreamName::parse(&format!("bench/{n}"))?;
    let mut line = |record: &Record| journal.write_all(&encode(record));
    for _ in 0..2 {
        line(&Record::Stream { format: 1, id: StreamId(id), name: name.clone(), created: WallTime(0) })?;
    }
    let run = RunId(1);
    line(&Record::Run { run, asset: id, part: PartNo(0), since: WallTime(0), protocol: "rtmp".into() })?;
    let anchor = serde_json::json!({"type": "anchor", "run": 1, "media": 0, "wall": 0, "ppb": 0});
    line(&serde_json::from_value(anchor)?)?;
    let init = InitId([7; 8]);
    for e in 0..extents {
        let (extent, part) = (ExtentNo(e + 1), PartNo(e * PARTS));
        line(&Record::Extent { extent, run, epoch: 1, part, init })?;
        let start = MediaTime(e as i64 * EXTENT_NS);
        let facts = SealFacts {
            start,
            end: start.plus_ns(EXTENT_NS),
            part: PartNo(part.0 + PARTS - 1),
            msn: e * 30 + 29,
            dsn: 0,
            entry: true,
        };
        line(&Record::Seal { extent, bytes: 30_000_000, facts: Some(facts), suspect: None })?;
        let first = folder.join(format!("{:010}.mp4", e / NAMES_MAX * NAMES_MAX + 1));
        match e % NAMES_MAX {
            0 => fs::write(&first, b"an extent")?,
            _ => fs::hard_link(&first, folder.join(format!("{:010}.mp4", e + 1)))?,
        }
    }
    let end = MediaTime(extents as i64 * EXTENT_NS);
    line(&Record::End { run, end, reason: EndReason::Unpublished })?;
    journal.flush()?;
    Ok(())
}

fn resident_kib() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.split_whitespace().next().context("no figure")?.parse()?)
}
