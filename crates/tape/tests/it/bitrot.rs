//! A thousand bits flipped, one at a time, over all files of a tape: each is found, and none costs more than the part
//! it is in.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use media::{StreamName, WallTime};
use tape::log::{Finding, Io, StdIo, Written, verify_stream};
use tape::{Durability, EndReason, Hub, Piece, PublisherInfo, Stream, StreamId, TapeConfig};

use crate::source::{arrival, publish, tracks};

const FLIPS: usize = 1000;
/// Every so many flips a server opens the tape too.
const OPENED_EVERY: usize = 10;

fn config(dir: &Path) -> TapeConfig {
    TapeConfig {
        data: dir.to_owned(),
        part_ms: 500,
        extent_s: 4,
        segment_ms: 2000,
        durability: Durability::Part,
        ring_bytes: 32 << 20,
    }
}

fn record(dir: &Path) -> StreamId {
    let hub = Hub::open(config(dir)).unwrap();
    let name = StreamName::parse("live/cam1").unwrap();
    let info = PublisherInfo { protocol: "test", remote: "here".into(), key: None };
    let mut publisher = hub.publish(&name, info, arrival(0)).unwrap();
    publisher.tracks(tracks(), arrival(0));
    publish(&mut publisher, 0, 12);
    publisher.end(EndReason::Unpublished);
    hub.close();
    hub.stream(&name).unwrap().id()
}

fn files(dir: &Path, wanted: &[&str]) -> Vec<PathBuf> {
    let all = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let mut all: Vec<_> = all.filter(|p| wanted.iter().any(|w| p.to_string_lossy().ends_with(w))).collect();
    all.sort();
    all
}

fn findings(dir: &Path, id: StreamId) -> Vec<Finding> {
    let io: Arc<dyn Io> = Arc::new(StdIo);
    verify_stream(&io, &dir.join("tape"), id, Written::Nobody, &mut |_| ()).unwrap()
}

/// Flips a bit of a file.
fn flip(path: &Path, bit: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, bit / 8).unwrap();
    file.write_all_at(&[byte[0] ^ (1 << (bit % 8))], bit / 8).unwrap();
}

/// Checksums of all parts that a reader is told of.
fn parts(stream: &Arc<Stream>) -> Vec<u32> {
    let runs = stream.runs(WallTime::MIN..WallTime::MAX);
    let mut out = Vec::new();
    for extent in runs.iter().flat_map(|r| &r.extents) {
        for part in &stream.index(extent.no).unwrap().parts {
            let pieces = stream.read(extent.no, part.offset..part.offset + u64::from(part.len)).unwrap();
            let crc = pieces.into_iter().fold(0, |crc, piece| match piece {
                Piece::Mem(b) => crc32c::crc32c_append(crc, &b),
                Piece::File { file, range } => {
                    let mut buf = vec![0; (range.end - range.start) as usize];
                    file.read_exact_at(&mut buf, range.start).unwrap();
                    crc32c::crc32c_append(crc, &buf)
                }
            });
            out.push(crc);
        }
    }
    out
}

fn opened(dir: &Path) -> Vec<u32> {
    let copy = tempfile::tempdir().unwrap();
    let from = files(&dir.join("tape"), &[""]).pop().unwrap();
    let to = copy.path().join("tape").join(from.file_name().unwrap());
    std::fs::create_dir_all(&to).unwrap();
    for file in files(&from, &[""]) {
        std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
    let hub = Hub::open(config(copy.path())).unwrap();
    hub.streams().iter().flat_map(parts).collect()
}

#[test]
fn every_flipped_bit_is_found_and_costs_one_part_at_most() {
    let dir = tempfile::tempdir().unwrap();
    let id = record(dir.path());
    let folder = files(&dir.path().join("tape"), &[""]).pop().unwrap();
    assert_eq!(findings(dir.path(), id), vec![]);
    let sound = opened(dir.path());
    let mut rng = fastrand::Rng::with_seed(7);
    let kinds: [&[&str]; 3] = [&[".mp4"], &["journal"], &[".idx"]];
    for n in 0..FLIPS {
        let files = files(&folder, kinds[if n % 10 == 9 { 2 } else { n % 2 }]);
        let file = &files[rng.usize(0..files.len())];
        let bit = rng.u64(0..file.metadata().unwrap().len() * 8);
        flip(file, bit);
        let found = findings(dir.path(), id);
        assert!(!found.is_empty(), "bit {bit} of {} is not found", file.display());
        assert!(found.iter().any(|f| f.file == *file), "bit {bit} of {}: {found:?}", file.display());
        if n % OPENED_EVERY == 0 {
            let mut left = opened(dir.path());
            let intact = sound.iter().filter(|crc| match left.iter().position(|l| l == *crc) {
                Some(at) => {
                    left.swap_remove(at);
                    true
                }
                None => false,
            });
            let intact = intact.count();
            assert!(
                intact + 1 >= sound.len(),
                "bit {bit} of {}: {intact} of {} parts",
                file.display(),
                sound.len()
            );
        }
        flip(file, bit);
    }
    assert_eq!(findings(dir.path(), id), vec![]);
}
