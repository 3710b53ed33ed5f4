//! `cargo xtask demo`: draws target/demo/demo.flv, which `tapeline serve --demo` loops: colour bars under light
//! noise, a strip that crosses in four seconds, the file's own running time burned in, a quiet tone, and each
//! second a flash and a beep at the same instant. Publishing it is the server's.
//!
//! It loops without a seam. 24 s are whole frames of video (600 at 25 fps), of AAC (1125 of 1024 samples at
//! 48 kHz) and whole cycles of everything that moves; the sound is cut out of the middle of a longer one, so
//! that its first frame follows its last as any other does.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// How long the file plays, in seconds.
const SECONDS: u32 = 24;

/// AAC frames in the file: 24 s × 48 000 Hz / 1024.
const AUDIO_FRAMES: usize = 1125;

/// A 220 Hz hum and 100 ms of 1 kHz at each full second.
const SOUND: &str = "aevalsrc=0.03*sin(2*PI*220*t)+0.2*sin(2*PI*1000*t)*lt(mod(t\\,1)\\,0.1):s=48000:c=mono,\
                     pan=stereo|c0=c0|c1=c0";

/// The split of the longer sound. An encoder's first packet holds the 1024 samples before the first, so the
/// packet that begins at 24 s is the one after the one that is stamped so: cut a little later.
const SOUND_CUTS: &str = "24.01,48.01";

/// Bars, the strip, the flash, the clock and a name, from two generators.
const PICTURE: &str = "[0:v]noise=alls=12:allf=t[bars];\
    [bars][1:v]overlay=x='mod(t\\,4)/4*W':shortest=1,\
    drawbox=x=0:y=ih-40:w=iw:h=40:c=white:t=fill:enable='lt(mod(t\\,1)\\,0.1)',\
    drawtext=font=monospace:text='%{pts\\:hms}':fontsize=88:fontcolor=white:\
    box=1:boxcolor=black@0.75:boxborderw=24:x=(w-tw)/2:y=(h-th)/2-40,\
    drawtext=font=monospace:text='tapeline demo':fontsize=36:fontcolor=white:\
    box=1:boxcolor=black@0.75:boxborderw=12:x=(w-tw)/2:y=h/2+60,\
    format=yuv420p[picture]";

/// A key frame every 2 s, no B-frames (so that decode order is presentation order over the seam).
const VIDEO_CODEC: &str = "-c:v libx264 -profile:v main -preset veryfast -bf 0 -g 50 -keyint_min 50 \
                           -sc_threshold 0 -b:v 2500k -maxrate 2500k -bufsize 2500k";

/// Draws the file unless the one that is there was drawn by this very recipe.
pub(crate) fn run(root: &Path) -> Result<()> {
    let folder = root.join("target/demo");
    let (file, stamp) = (folder.join("demo.flv"), folder.join("recipe"));
    if file.exists() && std::fs::read_to_string(&stamp).is_ok_and(|drawn_by| drawn_by == recipe()) {
        return Ok(());
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    draw(&folder)?;
    std::fs::rename(folder.join("drawing.flv"), &file).context("cannot put the demo file in place")?;
    std::fs::write(&stamp, recipe()).with_context(|| format!("cannot write {}", stamp.display()))?;
    println!("drew {}", file.display());
    Ok(())
}

/// What the file depends on.
fn recipe() -> String {
    [sound(), picture()].map(|arguments| arguments.join(" ")).join("\n")
}

fn words(line: &str) -> impl Iterator<Item = String> {
    line.split_whitespace().map(str::to_owned)
}

/// A second more than two turns, cut into what comes before, one turn, and the rest.
fn sound() -> Vec<String> {
    let length = (2 * SECONDS + 1).to_string();
    let mut arguments: Vec<String> = words("-f lavfi -i").collect();
    arguments.push(SOUND.to_owned());
    arguments.extend(words(&format!("-t {length} -c:a aac -b:a 128k -f segment -segment_format adts")));
    arguments.extend(words(&format!("-segment_times {SOUND_CUTS} sound%d.aac")));
    arguments
}

fn picture() -> Vec<String> {
    let source = |what: &str| format!("{what}:r=25:d={SECONDS}");
    let mut arguments: Vec<String> = words("-f lavfi -i").collect();
    arguments.push(source("smptehdbars=s=1280x720"));
    arguments.extend(words("-f lavfi -i"));
    arguments.push(source("color=c=white:s=40x720"));
    arguments.extend(words("-i sound1.aac -filter_complex"));
    arguments.push(PICTURE.to_owned());
    arguments.extend(words("-map [picture] -map 2:a"));
    arguments.extend(words(VIDEO_CODEC));
    arguments.extend(words("-c:a copy -bsf:a aac_adtstoasc -f flv drawing.flv"));
    arguments
}

fn draw(folder: &Path) -> Result<()> {
    ffmpeg(folder, &sound())?;
    let frames = adts_frames(&std::fs::read(folder.join("sound1.aac")).context("ffmpeg cut no sound")?);
    ensure!(
        frames == AUDIO_FRAMES,
        "ffmpeg cut {frames} frames of sound, not {AUDIO_FRAMES}: it would not loop"
    );
    ffmpeg(folder, &picture())?;
    for part in ["sound0.aac", "sound1.aac", "sound2.aac"] {
        std::fs::remove_file(folder.join(part)).with_context(|| format!("cannot remove {part}"))?;
    }
    Ok(())
}

fn ffmpeg(folder: &Path, arguments: &[String]) -> Result<()> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y"]).args(arguments).current_dir(folder);
    let status = command.status().context("cannot start ffmpeg; `scripts/setup build` installs it")?;
    ensure!(status.success(), "ffmpeg could not draw the demo ({status}); it said why above");
    Ok(())
}

/// How many ADTS frames a file holds: each states its length in 13 bits from bit 30 (ISO/IEC 13818-7 §6.2).
fn adts_frames(mut bytes: &[u8]) -> usize {
    let mut frames = 0;
    while let [0xff, _, _, high, middle, low, ..] = bytes {
        let length = usize::from(high & 3) << 11 | usize::from(*middle) << 3 | usize::from(low >> 5);
        if length < 7 || length > bytes.len() {
            break;
        }
        bytes = &bytes[length..];
        frames += 1;
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_whole_frames() {
        assert_eq!(u64::from(SECONDS) * 48_000, AUDIO_FRAMES as u64 * 1024);
    }

    #[test]
    fn adts_frames_are_counted_up_to_the_damage() {
        let frame = |length: usize| {
            let mut frame = vec![0u8; length];
            frame[..6].copy_from_slice(&[
                0xff,
                0xf1,
                0,
                (length >> 11) as u8,
                (length >> 3) as u8,
                (length << 5) as u8,
            ]);
            frame
        };
        let file = [frame(300), frame(2100), frame(7)].concat();
        assert_eq!(adts_frames(&file), 3);
        assert_eq!(adts_frames(&file[..500]), 1);
        assert_eq!(adts_frames(&[frame(300), vec![0; 20]].concat()), 1);
        assert_eq!(adts_frames(&[]), 0);
    }
}
