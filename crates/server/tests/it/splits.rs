//! Splits at random instants of one stream beside nineteen others: nothing of it is lost or doubled at a cut,
//! and nobody who watches notices.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::clips::epoch_ms;
use crate::server::{DEADLINE, Setup, TestServer, eventually};

/// Publishers beside each other; the first is split, the second is its twin that is not.
const PUBLISHERS: usize = 20;
/// Cuts.
const SPLITS: usize = 10;
/// Length of what is published.
const SECONDS: u32 = 24;
/// Samples per second of its sound.
const RATE: i64 = 48_000;
/// Samples of one packet of sound.
const FRAME: usize = 1024;
/// One timestamp of FLV.
const MS: i64 = 1_000_000;

/// Draws pictures and sound in which no two stretches are alike: B-frames in a pyramid and open GOPs, whose
/// pictures before a key frame are decoded after it; noise without substitution, whose random numbers would
/// depend on where decoding began.
fn source() -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fixtures");
    let path = dir.join("it-splits-1.flv");
    if path.is_file() {
        return path;
    }
    std::fs::create_dir_all(&dir).unwrap();
    let own = dir.join(format!("it-splits-{}.flv", std::process::id()));
    let pictures = format!("testsrc2=s=160x96:r=24000/1001:d={SECONDS},noise=alls=8:allf=t:all_seed=7");
    let sound = format!("anoisesrc=r={RATE}:d={SECONDS}:a=0.3:seed=7,lowpass=f=4000");
    let x264 = "bframes=3:b-pyramid=normal:b-adapt=0:open-gop=1:keyint=36:min-keyint=18:scenecut=0:ref=3";
    let drawn = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", &pictures, "-f", "lavfi", "-i", &sound])
        .args(["-c:v", "libx264", "-preset", "veryfast", "-x264-params", x264, "-pix_fmt", "yuv420p"])
        .args(["-c:a", "aac", "-b:a", "64k", "-ac", "1", "-aac_pns", "0"])
        .arg(&own)
        .status()
        .unwrap();
    assert!(drawn.success());
    std::fs::rename(&own, &path).unwrap();
    path
}

/// Publishes a file once, in real time.
fn publish_once(file: &Path, url: &str) -> Child {
    Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-re", "-i"])
        .arg(file)
        .args(["-c", "copy", "-f", "flv", url])
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

/// Publishers, ended with the test.
struct Publishers(Vec<Child>);

impl Drop for Publishers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A packet as a viewer gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    dts_ns: i64,
    pts_ns: i64,
    hash: String,
}

/// The two tracks of a viewer or of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Tracks {
    pictures: Vec<Seen>,
    sound: Vec<Seen>,
}

/// Reads FFmpeg's `framemd5` of one track, packets or decoded frames; a last line without its end is still
/// being written.
fn sums(text: &str) -> Vec<Seen> {
    let mut tick = (1, 1);
    let mut seen = Vec::new();
    for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        if let Some(scale) = line.strip_prefix("#tb 0: ") {
            let (num, den) = scale.split_once('/').unwrap();
            tick = (num.parse().unwrap(), den.parse().unwrap());
        }
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let ns = |field: &str| field.parse::<i64>().unwrap() * tick.0 * 1_000_000_000 / tick.1;
        seen.push(Seen { dts_ns: ns(fields[1]), pts_ns: ns(fields[2]), hash: fields[5].to_owned() });
    }
    seen
}

/// FFmpeg on a file, to the end.
fn tool(args: &[&str], file: &Path, output: &[&str]) -> Vec<u8> {
    let out = Command::new("timeout")
        .args(["60", "ffmpeg", "-nostdin", "-v", "error"])
        .args(args)
        .arg("-i")
        .arg(file)
        .args(output)
        .arg("-")
        .output()
        .unwrap();
    assert!(out.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&out.stderr));
    out.stdout
}

/// The packets of a file.
fn packets(file: &Path) -> Tracks {
    let of = |track| {
        let copy = ["-map", track, "-c", "copy", "-copyinkf", "-f", "framemd5"];
        sums(&String::from_utf8(tool(&["-copyts"], file, &copy)).unwrap())
    };
    Tracks { pictures: of("0:v"), sound: of("0:a") }
}

/// Hashes of the pictures that a player shows.
fn pictures(file: &Path) -> Vec<String> {
    let shown = tool(&[], file, &["-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5"]);
    sums(&String::from_utf8(shown).unwrap()).into_iter().map(|seen| seen.hash).collect()
}

/// The sound that a player plays.
fn sound(file: &Path) -> Vec<i16> {
    let raw = tool(&[], file, &["-map", "0:a", "-f", "s16le"]);
    raw.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
}

/// The duration that a file tells of itself.
fn seconds(file: &Path) -> f64 {
    let told = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0"])
        .arg(file)
        .output()
        .unwrap();
    String::from_utf8(told.stdout).unwrap().trim().parse().unwrap()
}

/// FFmpeg as a viewer that takes packets as they come and never ends by itself.
struct Viewer {
    name: &'static str,
    child: Child,
    dir: tempfile::TempDir,
}

impl Viewer {
    fn start(name: &'static str, input: &[String]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "error", "-copyts"]).args(input);
        // An output for each track: one for both would hold back the last packets until it can interleave them.
        for track in ["v", "a"] {
            command.args(["-map", &format!("0:{track}"), "-c", "copy", "-copyinkf"]);
            command.args(["-flush_packets", "1", "-f", "framemd5"]).arg(dir.path().join(track));
        }
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        Self { name, child, dir }
    }

    /// What came so far of a track.
    fn track(&self, track: &str) -> Vec<Seen> {
        std::fs::read_to_string(self.dir.path().join(track)).map(|text| sums(&text)).unwrap_or_default()
    }

    /// Waits for the last packets of both tracks, and gives what was seen.
    async fn all_of(&mut self, published: &Tracks) -> Tracks {
        let name = self.name;
        eventually(&format!("{name} has the last packets"), DEADLINE, async || {
            assert!(self.child.try_wait().unwrap().is_none(), "{name} ended by itself");
            let seen = Tracks { pictures: self.track("v"), sound: self.track("a") };
            let last = |track: &[Seen]| track.last().map(|packet| packet.hash.clone());
            let here = last(&seen.pictures) == last(&published.pictures)
                && last(&seen.sound) == last(&published.sound);
            here.then_some(seen)
        })
        .await
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number of the published packet that a viewer got first.
fn first_of(seen: &[Seen], published: &[Seen]) -> usize {
    published.iter().position(|p| p.hash == seen[0].hash).expect("a packet that was published")
}

/// Packets from the first one seen on are the published ones: the same payloads, none missing, none twice, and
/// the same distances in time. Sound runs on its sample clock, which a timestamp of FLV rounds.
fn assert_published(name: &str, seen: &Tracks, published: &Tracks) {
    let zero = seen.pictures[0].dts_ns;
    let offset = zero - published.pictures[first_of(&seen.pictures, &published.pictures)].dts_ns;
    let tracks =
        [("pictures", 0, &seen.pictures, &published.pictures), ("sound", MS, &seen.sound, &published.sound)];
    for (track, rounding, got, all) in tracks {
        let want = &all[first_of(got, all)..];
        let hashes = |packets: &[Seen]| packets.iter().map(|p| p.hash.clone()).collect::<Vec<_>>();
        assert!(hashes(got) == hashes(want), "{name}: {track}: {} packets of {}", got.len(), want.len());
        for (number, (got, want)) in got.iter().zip(want).enumerate() {
            // What came before the first picture is told as coming with it.
            let before = got.dts_ns == zero && want.dts_ns + offset < zero;
            let near = |got: i64, want: i64| (got - want - offset).abs() <= rounding;
            let same = near(got.dts_ns, want.dts_ns) && near(got.pts_ns, want.pts_ns);
            assert!(same || before, "{name}: {track}: packet {number}: {got:?}, {want:?} and {offset} ns");
        }
    }
    println!("{name}: {} and {} packets as published", seen.pictures.len(), seen.sound.len());
}

/// Two viewers of equal streams: of what both have seen, the times are the same.
fn assert_twins(name: &str, one: &Tracks, other: &Tracks) {
    let after = |tracks: &Tracks, zero: i64| -> BTreeMap<String, (i64, i64)> {
        let all = tracks.pictures.iter().chain(&tracks.sound).filter(|p| p.dts_ns > zero);
        all.map(|p| (p.hash.clone(), (p.dts_ns - zero, p.pts_ns - zero))).collect()
    };
    let common = |p: &Seen| Some((p.dts_ns, other.pictures.iter().find(|q| q.hash == p.hash)?.dts_ns));
    let (zero, other_zero) = one.pictures.iter().find_map(common).expect("both saw a picture");
    assert!(after(one, zero) == after(other, other_zero), "{name}: the unsplit twin's times are others");
}

/// All four saw what was published to the end, and those of the split stream the same as those of its twin.
async fn assert_unnoticed(viewers: &mut [Viewer; 4], published: &Tracks) {
    let mut seen = Vec::new();
    for viewer in viewers {
        let tracks = viewer.all_of(published).await;
        assert_published(viewer.name, &tracks, published);
        seen.push(tracks);
    }
    assert_twins("RTMP", &seen[0], &seen[2]);
    assert_twins("HLS", &seen[1], &seen[3]);
}

/// Where a piece of sound begins in the whole.
fn position(piece: &[i16], whole: &[i16]) -> usize {
    let head = &piece[..FRAME];
    let mut found = whole.windows(FRAME).enumerate().filter(|(_, w)| *w == head);
    let (at, _) = found.next().expect("sound that was published");
    assert!(found.next().is_none(), "no two stretches sound alike");
    at
}

/// Splits once. Where nothing was recorded since the last cut, as after one at a key frame that is not shown yet,
/// it waits for what comes.
async fn split(server: &TestServer, ask: &Value) -> (Value, Duration) {
    eventually("there is something to split", DEADLINE, async || {
        let begun = Instant::now();
        let (status, body) = server.post("/api/v1/streams/live/split/split", ask).await;
        match status {
            201 => Some((body, begun.elapsed())),
            409 => None,
            other => panic!("{other}: {body}"),
        }
    })
    .await
}

/// What a playlist says about media: everything but the names, which hold the content's hash.
fn grid(playlist: &str) -> Vec<&str> {
    let told = ["#EXTINF", "#EXT-X-DISCONTINUITY", "#EXT-X-TARGETDURATION", "#EXT-X-MEDIA-SEQUENCE"];
    playlist.lines().filter(|line| told.iter().any(|tag| line.starts_with(tag))).collect()
}

/// Ten cuts while all publish, each at a random packet. Gives the answers, and each asset as it was served at
/// once.
async fn cut_at_random(server: &TestServer, viewer: &Viewer, published: usize) -> Vec<(Value, Vec<u8>)> {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    // Four cuts wait for a key frame, of which there are still five after the last of these instants.
    let mut at: Vec<usize> = (0..SPLITS).map(|_| random.usize(30..published - 200)).collect();
    at.sort_unstable();
    let (mut told, mut fetches, mut took) = (Vec::new(), Vec::new(), Vec::new());
    for (number, picture) in at.into_iter().enumerate() {
        eventually("the picture is there", DEADLINE, async || {
            (viewer.track("v").len() >= picture).then_some(())
        })
        .await;
        let ask = if number % 3 == 0 { json!({"at": "key"}) } else { json!({}) };
        let (asset, duration) = split(server, &ask).await;
        let fetch = server.client.get(server.url(asset["url"].as_str().unwrap())).send();
        fetches.push(tokio::spawn(async move {
            let answer = fetch.await.unwrap();
            let (status, bytes) = (answer.status(), answer.bytes().await.unwrap());
            assert_eq!(status, 200, "readable at once: {}", String::from_utf8_lossy(&bytes));
            bytes.to_vec()
        }));
        told.push(asset);
        took.push(duration);
    }
    took.sort_unstable();
    println!("splits answered: p50 {:?}, p99 {:?}", took[SPLITS / 2], took[SPLITS - 1]);
    let mut served = Vec::new();
    for (asset, fetch) in told.into_iter().zip(fetches) {
        served.push((asset, fetch.await.unwrap()));
    }
    served
}

/// All recordings of the split stream, oldest first, once none grows any more.
async fn recordings(server: &TestServer) -> Vec<Value> {
    let list = eventually("every recording is durable", DEADLINE, async || {
        let found = server.json("/api/v1/assets?kind=recording&stream=live/split").await;
        let mut items = found["items"].as_array()?.clone();
        items.sort_by_key(|a| epoch_ms(a["start"].as_str().unwrap()));
        items.iter().all(|a| a["status"] == "ready").then_some(items)
    })
    .await;
    assert_eq!(list.len(), SPLITS + 1);
    for pair in list.windows(2) {
        assert_eq!(pair[0]["end"], pair[1]["start"], "each begins where the one before ends");
    }
    list
}

/// Samples that sound before the first picture is shown: priming, which the encoder put before what it was fed.
/// A recording begins with its first picture.
fn before_pictures(published: &Tracks) -> usize {
    let first = published.pictures.iter().map(|p| p.pts_ns).min().unwrap();
    let samples = usize::try_from((first - published.sound[0].pts_ns) * RATE / 1_000_000_000).unwrap();
    assert!(samples <= FRAME, "priming is one packet of AAC");
    samples
}

/// Decoded pictures joined, and decoded sound joined, are those of the published file.
fn assert_joined(files: &[PathBuf], list: &[Value], published: &Tracks, file: &Path) {
    let shown: Vec<Vec<String>> = files.iter().map(|f| pictures(f)).collect();
    let counts: Vec<usize> = shown.iter().map(Vec::len).collect();
    let whole = pictures(file);
    println!("pictures of each: {counts:?} of {}", whole.len());
    assert!(shown.concat() == whole, "the pictures joined are those published, {counts:?}");

    let whole = sound(file);
    let pieces: Vec<Vec<i16>> = files.iter().map(|f| sound(f)).collect();
    let mut begins: Vec<usize> = pieces.iter().map(|p| position(p, &whole)).collect();
    begins.push(whole.len());
    println!("sound of each begins at {begins:?}");
    assert_eq!(begins[0], before_pictures(published), "from the first picture on");
    for (number, (piece, range)) in pieces.iter().zip(begins.windows(2)).enumerate() {
        let (from, length) = (range[0], range[1] - range[0]);
        // An end is told to the sample, and players that do not heed it play their packet to its end.
        assert!((length..=length + FRAME).contains(&piece.len()), "{number}: {} of {length}", piece.len());
        assert!(piece[..length] == whole[from..from + length], "the sound of {number} is what was published");
        // The last one ends with its last picture.
        let told = [Some(seconds(&files[number])), list[number]["duration"].as_f64().filter(|_| number > 0)];
        for told in told.into_iter().flatten().filter(|_| number < SPLITS) {
            let off = told * RATE as f64 - length as f64;
            assert!(off.abs() <= 1.0, "{number}: told {told} s, {length} samples to the next");
        }
    }
}

/// The recordings of the split stream and their files, each the same as it was when its end was cut.
async fn fetched(server: &TestServer, served: &[(Value, Vec<u8>)], dir: &Path) -> (Vec<Value>, Vec<PathBuf>) {
    let list = recordings(server).await;
    let mut files = Vec::new();
    for (number, asset) in list.iter().enumerate() {
        let bytes = server.get(asset["url"].as_str().unwrap()).await.bytes().await.unwrap();
        if let Some((told, at_once)) = served.get(number) {
            assert_eq!(told["id"], asset["id"]);
            assert!(bytes == at_once[..], "{number}: the same bytes at once and later");
        }
        files.push(dir.join(format!("{number:02}.mp4")));
        std::fs::write(&files[number], bytes).unwrap();
    }
    (list, files)
}

#[tokio::test]
async fn splits_lose_nothing_and_no_viewer_notices() {
    let file = source();
    let published = packets(&file);
    // Cuts fall into files on disk and onto their borders.
    let mut server = Setup::new().env("TAPELINE_TAPE__EXTENT_S", "5").start().await;
    let names = (0..PUBLISHERS).map(|n| match n {
        0 => "live/split".to_owned(),
        1 => "live/twin".to_owned(),
        n => format!("live/beside{n}"),
    });
    let names: Vec<String> = names.collect();
    let mut publishers =
        Publishers(names.iter().map(|name| publish_once(&file, &server.rtmp_url(name))).collect());
    for name in &names[..2] {
        server.live(name).await;
    }
    let rtmp = |name: &str| ["-i".to_owned(), server.rtmp_url(name)];
    let hls = |name: &str| {
        let url = server.url(&format!("/{name}.m3u8"));
        ["-live_start_index", "0", "-i", &url].map(str::to_owned)
    };
    let mut viewers = [
        Viewer::start("RTMP", &rtmp("live/split")),
        Viewer::start("HLS", &hls("live/split")),
        Viewer::start("RTMP of the twin", &rtmp("live/twin")),
        Viewer::start("HLS of the twin", &hls("live/twin")),
    ];
    for viewer in &viewers {
        eventually(&format!("{} plays", viewer.name), DEADLINE, async || {
            (!viewer.track("v").is_empty()).then_some(())
        })
        .await;
    }
    for name in &names[2..] {
        server.live(name).await;
    }

    let served = cut_at_random(&server, &viewers[0], published.pictures.len()).await;
    for pair in served.windows(2) {
        assert_eq!(pair[0].0["next"], pair[1].0["id"]);
    }
    assert_unnoticed(&mut viewers, &published).await;
    let mut playlists = Vec::new();
    for name in &names[..2] {
        playlists.push(server.get(&format!("/{name}/-/media.m3u8")).await.text().await.unwrap());
    }
    assert_eq!(grid(&playlists[0]), grid(&playlists[1]));
    assert!(!playlists[0].contains("#EXT-X-DISCONTINUITY\n"), "{}", playlists[0]);

    for child in &mut publishers.0 {
        let ended = eventually("the publisher ends", DEADLINE, async || child.try_wait().unwrap()).await;
        assert!(ended.success(), "{ended}");
    }
    let dir = tempfile::tempdir().unwrap();
    let (list, files) = fetched(&server, &served, dir.path()).await;
    assert_joined(&files, &list, &published, &file);

    drop(viewers);
    server.signal("TERM");
    server.ended(DEADLINE).await;
    let again = Setup::new().data(&server.data).start().await;
    assert_eq!(recordings(&again).await.len(), list.len());
    for (file, asset) in files.iter().zip(&list) {
        let bytes = again.get(asset["url"].as_str().unwrap()).await.bytes().await.unwrap();
        assert!(bytes == std::fs::read(file).unwrap(), "the same bytes after a restart");
    }
}
