//! FLV files that the real ffmpeg wrote, read here and by ffprobe: the same packets, to the byte and the
//! millisecond.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use media::container::flv::demux::{Event, Reader, Tag};
use media::container::flv::tracks::{Item, Sample, TrackReader};
use media::container::flv::{Ingest, Ingested, TagKind};
use media::time::RUN_ORIGIN;
use media::{CodecConfig, Packet, Rap, Timescale, TrackConfig, TrackId, TrackKind};

fn tool(name: &str, args: &[&str]) -> Vec<u8> {
    let output =
        Command::new(name).args(args).output().unwrap_or_else(|e| panic!("{name} must be installed: {e}"));
    assert!(output.status.success(), "{name} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A file drawn by ffmpeg with these arguments between the inputs and the output.
struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    const VIDEO: [&str; 4] = ["-f", "lavfi", "-i", "testsrc2=s=322x182:r=25:d=4"];
    const AUDIO: [&str; 4] = ["-f", "lavfi", "-i", "sine=440:d=4:r=44100"];

    fn draw(inputs: &[[&str; 4]], args: &[&str]) -> Self {
        let fixture = Self { dir: tempfile::tempdir().unwrap() };
        let path = fixture.path();
        let fixed = ["-v", "error", "-nostdin", "-threads", "1"];
        let all = [&fixed[..], inputs.as_flattened(), args, &["-f", "flv", path.to_str().unwrap()]].concat();
        tool("ffmpeg", &all);
        fixture
    }

    /// A file of pictures drawn by GStreamer, whose muxer writes no decode time below zero.
    fn draw_with_gstreamer(encoder: &[&str]) -> Self {
        let fixture = Self { dir: tempfile::tempdir().unwrap() };
        let source = ["-q", "videotestsrc", "num-buffers=90", "!"];
        let caps = ["video/x-raw,format=I420,width=64,height=48,framerate=30000/1001", "!", "x264enc"];
        let location = format!("location={}", fixture.path().display());
        let sink = ["!", "flvmux", "!", "filesink", &location];
        tool("gst-launch-1.0", &[&source[..], &caps, encoder, &sink].concat());
        fixture
    }

    /// A file kept beside the tests, for what this machine's ffmpeg cannot encode.
    fn kept(name: &str) -> Self {
        let fixture = Self { dir: tempfile::tempdir().unwrap() };
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
        std::fs::copy(data, fixture.path()).unwrap();
        fixture
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("x.flv")
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path()).unwrap()
    }
}

/// What ffprobe says of each packet, `key=value|…` a line.
fn probe(path: &Path, entries: &str) -> Vec<BTreeMap<String, String>> {
    let args = ["-v", "error", "-show_entries", entries, "-of", "compact=p=0", path.to_str().unwrap()];
    let text = String::from_utf8(tool("ffprobe", &args)).unwrap();
    let line = |line: &str| {
        let fields = line.split('|').filter_map(|field| field.split_once('='));
        fields.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    text.lines().map(line).filter(|fields: &BTreeMap<_, _>| !fields.is_empty()).collect()
}

fn tags(bytes: &[u8]) -> Vec<Tag> {
    let mut reader = Reader::new();
    let mut tags = Vec::new();
    for piece in bytes.chunks(1000) {
        reader.input(piece);
        while let Some(event) = reader.poll().unwrap() {
            tags.extend(tag(event));
        }
    }
    reader.finish();
    while let Some(event) = reader.poll().unwrap() {
        tags.extend(tag(event));
    }
    tags
}

fn tag(event: Event) -> Option<Tag> {
    match event {
        Event::Tag(tag) => Some(tag),
        Event::Header { .. } | Event::End { .. } => None,
        other => panic!("an undamaged file gives {other:?}"),
    }
}

/// The samples of a file with their timestamps, and its tracks as they were announced.
fn samples(bytes: &[u8]) -> (Vec<TrackConfig>, Vec<(u32, Sample)>) {
    let mut reader = TrackReader::new();
    let (mut tracks, mut samples) = (Vec::new(), Vec::new());
    for tag in tags(bytes) {
        for read in reader.input(tag.kind, tag.body).unwrap() {
            tracks.extend(read.track);
            match read.item {
                Some(Item::Sample(sample)) => samples.push((tag.timestamp_ms, sample)),
                Some(Item::Dropped { reason, .. }) => panic!("dropped: {reason}"),
                Some(Item::Data(_)) | None => {}
            }
        }
    }
    (tracks, samples)
}

/// `(kind, pts, dts, size)` of every packet.
type Row = (TrackKind, i64, i64, usize);

fn agrees_with_ffprobe(fixture: &Fixture) -> Vec<(u32, Sample)> {
    let rows: Vec<(Row, bool)> = probe(&fixture.path(), "packet=codec_type,pts,dts,size,flags")
        .iter()
        .map(|packet| {
            let kind = if packet["codec_type"] == "video" { TrackKind::Video } else { TrackKind::Audio };
            let number = |key: &str| packet[key].parse::<i64>().unwrap();
            ((kind, number("pts"), number("dts"), number("size") as usize), packet["flags"].contains('K'))
        })
        .collect();
    let (tracks, samples) = samples(&fixture.bytes());
    let kind = |id| tracks.iter().find(|track| track.id == id).unwrap().kind();
    let ours: Vec<(Row, bool)> = samples
        .iter()
        .map(|(ms, sample)| {
            let dts = i64::from(*ms);
            let row = (kind(sample.track), dts + i64::from(sample.cts_ms), dts, sample.data.len());
            (row, sample.rap.is_rap())
        })
        .collect();
    assert!(!rows.is_empty());
    assert_eq!(ours, rows);
    agrees_on_streams(fixture, &tracks);
    samples
}

fn agrees_on_streams(fixture: &Fixture, tracks: &[TrackConfig]) {
    let entries = "stream=codec_type,width,height,sample_aspect_ratio,sample_rate,channels";
    let streams = probe(&fixture.path(), entries);
    assert_eq!(streams.len(), tracks.len());
    for stream in streams {
        let video = stream["codec_type"] == "video";
        let track = tracks.iter().find(|track| (track.kind() == TrackKind::Video) == video).unwrap();
        match &track.codec {
            CodecConfig::H264 { width, height, sar, .. } => {
                assert_eq!((&stream["width"], &stream["height"]), (&width.to_string(), &height.to_string()));
                assert_eq!(stream["sample_aspect_ratio"], format!("{}:{}", sar.0, sar.1));
            }
            CodecConfig::Aac { sample_rate, channels, frame_samples, .. } => {
                assert_eq!(stream["sample_rate"], sample_rate.to_string());
                assert_eq!(stream["channels"], channels.to_string());
                assert!(matches!(frame_samples, 1024 | 2048));
                assert_eq!(track.timescale.hz(), *sample_rate);
            }
            other => panic!("{other:?}"),
        }
    }
}

fn count(samples: &[(u32, Sample)], rap: Rap) -> usize {
    samples.iter().filter(|(_, sample)| sample.track == TrackId::VIDEO && sample.rap == rap).count()
}

#[test]
fn b_frames_and_sound() {
    let args = ["-c:v", "libx264", "-bf", "3", "-g", "25", "-vf", "setsar=4/3", "-c:a", "aac"];
    let samples = agrees_with_ffprobe(&Fixture::draw(&[Fixture::VIDEO, Fixture::AUDIO], &args));
    assert_eq!((count(&samples, Rap::Closed), count(&samples, Rap::Open)), (4, 0));
    assert!(samples.iter().any(|(_, sample)| sample.cts_ms > 80));
}

#[test]
fn open_gops() {
    let params = "open-gop=1:bframes=3:keyint=30:scenecut=0";
    let args = ["-c:v", "libx264", "-x264-params", params, "-c:a", "aac"];
    let samples = agrees_with_ffprobe(&Fixture::draw(&[Fixture::VIDEO, Fixture::AUDIO], &args));
    assert_eq!((count(&samples, Rap::Closed), count(&samples, Rap::Open)), (1, 3));
}

#[test]
fn film_rate_with_mono_sound_at_48_khz() {
    let video = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=24000/1001:d=4"];
    let audio = ["-f", "lavfi", "-i", "sine=440:d=4:r=48000"];
    agrees_with_ffprobe(&Fixture::draw(&[video, audio], &["-c:v", "libx264", "-g", "48", "-c:a", "aac"]));
}

#[test]
fn sound_alone_in_one_and_in_six_channels() {
    for channels in ["1", "6"] {
        agrees_with_ffprobe(&Fixture::draw(&[Fixture::AUDIO], &["-c:a", "aac", "-ac", channels]));
    }
}

#[test]
fn pictures_alone_in_slices_and_all_intra() {
    let args = ["-c:v", "libx264", "-x264-params", "slices=4:keyint=20", "-tune", "zerolatency"];
    agrees_with_ffprobe(&Fixture::draw(&[Fixture::VIDEO], &args));
    let intra = agrees_with_ffprobe(&Fixture::draw(&[Fixture::VIDEO], &["-c:v", "libx264", "-g", "1"]));
    assert_eq!(count(&intra, Rap::Closed), intra.len());
}

#[test]
fn pictures_of_gstreamer_are_shown_when_it_says() {
    let fixture = Fixture::draw_with_gstreamer(&["bframes=2", "key-int-max=30"]);
    let source = agrees_with_ffprobe(&fixture);
    let pts = |(ms, sample): &(u32, Sample)| i64::from(*ms) + i64::from(sample.cts_ms);
    assert_eq!(source.iter().filter(|(ms, _)| *ms == 0).count(), 3, "decode times are held at zero");
    let (packets, _) = ingest(&fixture.bytes(), 0);
    let pictures: Vec<_> = packets.iter().filter(|packet| packet.track == TrackId::VIDEO).collect();
    assert!(pictures.is_sorted_by(|a, b| a.dts < b.dts));
    let origin = Timescale::VIDEO.ticks_ceil(RUN_ORIGIN);
    let shown: Vec<_> = pictures.iter().map(|packet| packet.pts() - origin).collect();
    assert_eq!(shown, source.iter().map(|sample| pts(sample) * 90).collect::<Vec<_>>());
}

/// Encoded by fdk-aac: HE-AAC signalled hierarchically, HE-AAC v2 backward compatibly.
#[test]
fn he_aac_lasts_2048_samples_of_the_output_a_packet() {
    for (name, object, rate) in [("he-aac.flv", 5, 48_000), ("he-aac-v2.flv", 29, 44_100)] {
        let fixture = Fixture::kept(name);
        agrees_with_ffprobe(&fixture);
        let (packets, tracks) = ingest(&fixture.bytes(), 0);
        let CodecConfig::Aac { object_type, sample_rate, channels, frame_samples, .. } = tracks[0].codec
        else {
            panic!("{tracks:?}");
        };
        assert_eq!((object_type, sample_rate, channels, frame_samples), (object, rate, 2, 2048));
        assert!(packets.len() > 18 && packets.windows(2).all(|pair| pair[1].dts - pair[0].dts == 2048));
    }
}

/// With gradual refresh ffmpeg marks packets as key whose picture is whole only frames later.
#[test]
fn gradual_refresh_has_no_entry_but_its_idr() {
    let args = ["-c:v", "libx264", "-x264-params", "intra-refresh=1:keyint=25"];
    let fixture = Fixture::draw(&[Fixture::VIDEO], &args);
    let flagged = probe(&fixture.path(), "packet=flags").iter().filter(|p| p["flags"].contains('K')).count();
    let (_, samples) = samples(&fixture.bytes());
    assert!(flagged > 1, "the source has no gradual refresh");
    assert_eq!((count(&samples, Rap::Closed), count(&samples, Rap::Open)), (1, 0));
}

/// Feeds the tags through an [`Ingest`] with the millisecond clock moved by `shift`.
fn ingest(bytes: &[u8], shift: u32) -> (Vec<Packet>, Vec<TrackConfig>) {
    let mut ingest = Ingest::new();
    let (mut packets, mut tracks) = (Vec::new(), Vec::new());
    for tag in tags(bytes) {
        ingest.input(tag.kind, tag.timestamp_ms.wrapping_add(shift), tag.body).unwrap();
        while let Some(ingested) = ingest.poll() {
            match ingested {
                Ingested::Packet(packet) => packets.push(packet),
                Ingested::Tracks(set) => tracks = set,
                other => panic!("an honest file gives {other:?}"),
            }
        }
    }
    (packets, tracks)
}

#[test]
fn packets_keep_video_exact_and_sound_on_its_samples_across_a_wrap() {
    let args = ["-c:v", "libx264", "-bf", "2", "-c:a", "aac"];
    let fixture = Fixture::draw(&[Fixture::VIDEO, Fixture::AUDIO], &args);
    let (_, samples) = samples(&fixture.bytes());
    let (packets, tracks) = ingest(&fixture.bytes(), u32::MAX - 2000);
    assert_eq!(tracks.iter().map(|track| track.id.0).collect::<Vec<_>>(), [1, 2, 3]);
    let of = |track| packets.iter().filter(move |packet| packet.track == track).collect::<Vec<_>>();
    let source: Vec<_> = samples.iter().filter(|(_, sample)| sample.track == TrackId::VIDEO).collect();
    let origin = Timescale::VIDEO.ticks_ceil(RUN_ORIGIN);
    let first = i64::from(samples[0].0);
    for (packet, (ms, sample)) in of(TrackId::VIDEO).iter().zip(&source) {
        assert_eq!(packet.dts, origin + (i64::from(*ms) - first) * 90);
        assert_eq!((packet.cts, &packet.data), (sample.cts_ms * 90, &sample.data));
    }
    assert_eq!(of(TrackId::VIDEO).len(), source.len());
    let sound = of(TrackId::AUDIO);
    assert!(sound.len() > 170 && sound.windows(2).all(|pair| pair[1].dts - pair[0].dts == 1024));
    assert_eq!(of(TrackId::DATA).len(), 1);
}

#[test]
fn a_file_cut_at_any_byte_gives_the_tags_before_the_cut() {
    let video = ["-f", "lavfi", "-i", "testsrc2=s=32x32:r=25:d=0.2"];
    let audio = ["-f", "lavfi", "-i", "sine=440:d=0.2:r=44100"];
    let bytes = Fixture::draw(&[video, audio], &["-c:v", "libx264", "-c:a", "aac", "-b:a", "32k"]).bytes();
    let whole = tags(&bytes);
    for cut in 0..bytes.len() {
        let mut reader = Reader::new();
        reader.input(&bytes[..cut]);
        reader.finish();
        let mut found = Vec::new();
        while let Some(event) = reader.poll().unwrap() {
            match event {
                Event::Tag(tag) => found.push(tag),
                Event::Damage { .. } | Event::Skipped { .. } => panic!("{event:?} in a file cut at {cut}"),
                _ => {}
            }
        }
        let readable = whole.iter().filter(|tag| tag.offset as usize + 11 + tag.body.len() <= cut).count();
        assert!(found == whole[..readable], "cut at {cut}");
    }
}

#[test]
fn a_damaged_file_is_read_around_the_damage() {
    let args = ["-c:v", "libx264", "-g", "25", "-c:a", "aac"];
    let bytes = Fixture::draw(&[Fixture::VIDEO, Fixture::AUDIO], &args).bytes();
    let whole = tags(&bytes);
    // A stretch of noise of 2000 bytes, wherever it lies, costs the tags it touches.
    let noise: Vec<u8> = (0..2000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for at in (100..bytes.len() - 2000).step_by(bytes.len() / 97) {
        let mut damaged = bytes.clone();
        damaged[at..at + noise.len()].copy_from_slice(&noise);
        let mut reader = Reader::new();
        reader.input(&damaged);
        reader.finish();
        let mut found = Vec::new();
        while let Some(event) = reader.poll().unwrap() {
            if let Event::Tag(tag) = event {
                found.push(tag);
            }
        }
        let sound = |tag: &&Tag| {
            let end = tag.offset as usize + 11 + tag.body.len();
            end <= at || tag.offset as usize >= at + noise.len()
        };
        let kept: Vec<_> = whole.iter().filter(sound).collect();
        let read: Vec<_> = found.iter().filter(sound).collect();
        assert!(read == kept, "noise at {at}: {} of {} tags", read.len(), kept.len());
    }
}

/// A 2-byte NAL length and Annex B, as some encoders send them, give the packets of the honest file.
#[test]
fn other_framings_give_the_same_packets() {
    let fixture = Fixture::draw(&[Fixture::VIDEO], &["-c:v", "libx264", "-g", "25", "-crf", "40"]);
    let (tracks, honest) = samples(&fixture.bytes());
    type Rewrite = fn(&[u8]) -> Vec<u8>;
    let rewrites: [Rewrite; 2] = [|nal| (nal.len() as u16).to_be_bytes().to_vec(), |_| vec![0, 0, 0, 1]];
    for (rewrite, length_size) in rewrites.into_iter().zip([2, 4]) {
        let mut reader = TrackReader::new();
        let (mut track, mut read) = (None, Vec::new());
        for tag in tags(&fixture.bytes()).into_iter().filter(|tag| tag.kind == TagKind::Video) {
            let mut body = tag.body.to_vec();
            match body[1] {
                0 => body[9] = 0xfc | (length_size - 1),
                1 => body = [&body[..5], &reframe(&body[5..], rewrite)].concat(),
                _ => {}
            }
            for got in reader.input(TagKind::Video, Bytes::from(body)).unwrap() {
                track = got.track.or(track);
                if let Some(Item::Sample(sample)) = got.item {
                    read.push((tag.timestamp_ms, sample));
                }
            }
        }
        assert_eq!(track.as_ref(), tracks.first());
        assert!(read == honest);
    }
}

fn reframe(mut units: &[u8], rewrite: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some((length, rest)) = units.split_first_chunk() {
        let (nal, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        out.extend(rewrite(nal));
        out.extend(nal);
        units = rest;
    }
    out
}
