//! What FFmpeg makes of it: every picture of the source, and all of its sound, over two runs.

use std::path::Path;
use std::process::Command;

use media::WallTime;
use media::container::flv::demux::{Event, Reader};
use media::container::flv::{Ingest, Ingested};
use view::hls::{Child, HlsConfig, MediaRequest, Playlists, init, segment};
use view::path::ChildName;
use view::query::GapPolicy;

use crate::model::List;
use crate::source::{World, read};

fn run(program: &str, arguments: &[&str], dir: &Path) -> String {
    let out = Command::new(program).args(arguments).current_dir(dir).output();
    let out = out.unwrap_or_else(|e| panic!("{program} is needed for this test: {e}"));
    assert!(out.status.success(), "{program}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// Six seconds with B-frames and sound.
fn make_source(dir: &Path) {
    let filter = "testsrc2=size=320x180:rate=25:duration=6";
    let sound = "sine=frequency=440:sample_rate=44100:duration=6";
    let encode =
        "-c:v libx264 -preset ultrafast -bf 2 -g 50 -pix_fmt yuv420p -c:a aac -b:a 64k -f flv source.flv";
    let mut arguments = vec!["-v", "error", "-y", "-f", "lavfi", "-i", filter, "-f", "lavfi", "-i", sound];
    arguments.extend(encode.split(' '));
    run("ffmpeg", &arguments, dir);
}

/// Publishes the file as its tags would arrive.
fn publish(world: &mut World, dir: &Path) {
    let (mut reader, mut ingest) = (Reader::new(), Ingest::new());
    reader.input(&std::fs::read(dir.join("source.flv")).unwrap());
    reader.finish();
    let mut publisher = world.publisher();
    let from = world.ms;
    while let Some(event) = reader.poll().unwrap() {
        let Event::Tag(tag) = event else { continue };
        world.ms = from + i64::from(tag.timestamp_ms);
        ingest.input(tag.kind, tag.timestamp_ms, tag.body).unwrap();
        while let Some(item) = ingest.poll() {
            match item {
                Ingested::Tracks(tracks) => publisher.tracks(tracks, world.now()),
                Ingested::Packet(packet) => publisher.push(packet, world.now()).unwrap(),
                other => panic!("{other:?}"),
            }
        }
    }
    drop(publisher);
    world.ms += 3_000;
}

/// Writes a playlist of everything from `start` on, and all it lists, into a folder.
fn write_out(world: &World, start: WallTime, dir: &Path) {
    let (start, end) = (Some(start), Some(world.wall()));
    let request = MediaRequest {
        start,
        end,
        shift_ns: None,
        gaps: GapPolicy::Collapse,
        skip: None,
        clock: world.wall(),
    };
    let stream = world.stream();
    let text = Playlists::new(HlsConfig::default()).media(&stream, &request).unwrap().to_bytes();
    std::fs::write(dir.join("media.m3u8"), &text).unwrap();
    let list = List::parse(std::str::from_utf8(&text).unwrap());
    for name in list.segments.iter().flat_map(|s| [Some(s.uri.clone()), s.map.clone()]).flatten() {
        let body = match Child::parse(&ChildName::parse(&name).unwrap()) {
            Some(Child::Segment(name)) => segment(&stream, &name),
            Some(Child::Init(id)) => init(&stream, &id),
            other => panic!("{other:?}"),
        };
        std::fs::write(dir.join(name), read(&body.unwrap())).unwrap();
    }
}

/// The checksums of all decoded pictures.
fn pictures(input: &str, dir: &Path) -> Vec<String> {
    let arguments =
        ["-v", "error", "-i", input, "-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-"];
    let lines = run("ffmpeg", &arguments, dir);
    let rows = lines.lines().filter(|l| !l.starts_with('#'));
    rows.map(|l| l.rsplit(',').next().unwrap().trim().to_owned()).collect()
}

/// How many packets a stream of a kind has: `v` or `a`.
fn packets(kind: &str, input: &str, dir: &Path) -> u64 {
    let entries = "stream=nb_read_packets";
    let of = [
        "-v",
        "error",
        "-select_streams",
        kind,
        "-count_packets",
        "-show_entries",
        entries,
        "-of",
        "csv=p=0",
    ];
    let arguments: Vec<&str> = of.into_iter().chain([input]).collect();
    run("ffprobe", &arguments, dir).lines().next().unwrap().trim().trim_end_matches(',').parse().unwrap()
}

#[test]
fn every_picture_and_all_sound_of_two_runs_is_there() {
    let dir = tempfile::tempdir().unwrap();
    make_source(dir.path());
    let mut world = World::new();
    let first = world.wall();
    publish(&mut world, dir.path());
    write_out(&world, first, dir.path());
    let source = pictures("source.flv", dir.path());
    let sound = packets("a", "source.flv", dir.path());
    assert_eq!((source.len(), sound > 250), (150, true));
    assert_eq!(pictures("media.m3u8", dir.path()), source);
    assert_eq!(packets("a", "media.m3u8", dir.path()), sound);

    let second = world.wall();
    publish(&mut world, dir.path());
    write_out(&world, second, dir.path());
    assert_eq!(pictures("media.m3u8", dir.path()), source);
    write_out(&world, first, dir.path());
    assert_eq!(packets("v", "media.m3u8", dir.path()), 300);
    assert_eq!(packets("a", "media.m3u8", dir.path()), 2 * sound);
}
