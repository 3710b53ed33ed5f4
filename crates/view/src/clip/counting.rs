//! One track over all extents of a clip while it is being counted: its configurations and what they allow,
//! its samples so far. Times and boxes come later.

use bytes::{BufMut, Bytes, BytesMut};
use media::codec::h265;
use media::{CodecConfig, Timescale, TrackConfig};
use tape::ExtentIndex;

use super::cut::{AudioGrid, RunCut};
use super::error::PlanError;
use super::planner::Grids;
use super::silence::{self, Filler, Silence};
use super::take::{AUDIO, Facts, Pick, Take, VIDEO, lane};

/// Most configurations of one track in a clip; a camera that changes more often than this is broken, and
/// their parameter sets are held in memory.
const CONFIGS_MAX: usize = 1024;

/// How audio of this configuration is cut.
pub(super) fn audio_grid(track: &TrackConfig) -> AudioGrid {
    let frame = track.codec.sound().map_or(1, |sound| i64::from(sound.frame_samples));
    AudioGrid { scale: track.timescale, frame: frame.max(1), preroll: track.codec.priming_packets().into() }
}

/// One run's stretch of a lane.
#[derive(Debug, Clone, Copy)]
pub(super) struct LanePart {
    /// Number of the run among those of the clip.
    pub(super) stretch: usize,
    /// Clip time minus run time, in the lane's ticks.
    pub(super) base: i64,
    pub(super) facts: Facts,
}

/// A lane, while counting.
pub(super) struct Counting {
    /// Distinct configurations in order of appearance.
    pub(super) configs: Vec<TrackConfig>,
    /// Per configuration, its parameter sets; empty where one configuration serves all.
    pub(super) in_band: Vec<Bytes>,
    pub(super) scale: Timescale,
    /// How many first samples lose their time.
    pub(super) squeezed: u32,
    pub(super) samples: u32,
    pub(super) parts: Vec<LanePart>,
    /// Silence in held gaps.
    pub(super) silences: Vec<Silence>,
    /// A silent frame; empty until one is needed.
    pub(super) silent: Bytes,
    filler: Option<Filler>,
    frame: i64,
    chunks: u32,
}

/// Where a take belongs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Belongs {
    pub(super) stretch: usize,
    pub(super) base: i64,
    pub(super) config: usize,
    /// Extents of the clip before it.
    pub(super) extents: u32,
}

impl Counting {
    pub(super) fn new(number: usize, cut: &RunCut, grids: Grids, config: &TrackConfig) -> Self {
        let squeezed = match number {
            VIDEO => cut.video.as_ref().map_or(0, |v| v.squeezed.len()),
            _ => cut.audio.map_or(0, |a| a.preroll as usize),
        };
        let scale = if number == VIDEO { grids.video } else { grids.audio.map(|a| a.scale) };
        Self {
            configs: Vec::new(),
            in_band: Vec::new(),
            scale: scale.unwrap_or(config.timescale),
            squeezed: u32::try_from(squeezed).unwrap_or(u32::MAX),
            samples: 0,
            parts: Vec::new(),
            silences: Vec::new(),
            silent: Bytes::new(),
            filler: None,
            frame: grids.audio.map_or(1, |a| a.frame),
            chunks: 0,
        }
    }

    /// Sound is to fill the gaps.
    pub(super) fn fill_gaps(&mut self) {
        self.filler = Some(Filler::new(self.frame));
    }

    /// Notes a configuration; the error says what one MP4 cannot carry.
    pub(super) fn see(&mut self, config: &TrackConfig) -> Result<(), &'static str> {
        if config.timescale != self.scale {
            return Err("a track's timescale");
        }
        if self.configs.contains(config) {
            return Ok(());
        }
        let family = in_band_family(&config.codec);
        let all_in_band = family.is_some() && self.configs.iter().all(|c| in_band_family(&c.codec) == family);
        if !(self.configs.is_empty() || all_in_band) {
            return Err("the audio configuration or the codec");
        }
        if self.configs.len() == CONFIGS_MAX {
            return Err("the video configuration, too often,");
        }
        self.configs.push(config.clone());
        Ok(())
    }

    /// With several configurations, their parameter sets travel with the key frames.
    pub(super) fn set_in_band(&mut self) -> Result<(), PlanError> {
        if self.configs.len() > 1 {
            self.in_band = self.configs.iter().map(parameter_sets).collect::<Result<_, _>>()?;
        }
        Ok(())
    }

    /// Whether pixels are not equally wide in all configurations.
    pub(super) fn aspect_changes(&self) -> bool {
        let aspect = |config: &TrackConfig| match config.codec {
            CodecConfig::H264 { sar, .. } => Some(sar),
            _ => None,
        };
        self.configs.windows(2).any(|pair| aspect(&pair[0]) != aspect(&pair[1]))
    }

    pub(super) fn config_number(&self, config: &TrackConfig) -> usize {
        self.configs.iter().position(|c| c == config).unwrap_or(0)
    }

    /// Counts what is picked from an extent.
    pub(super) fn take(
        &mut self,
        index: &ExtentIndex,
        number: usize,
        pick: Pick,
        belongs: Belongs,
    ) -> Result<Option<(Take, Facts)>, PlanError> {
        let Some(track) = lane(index, number) else { return Ok(None) };
        let Belongs { stretch, base, config, extents } = belongs;
        if let Some(first) = pick.samples(track).next().filter(|_| number == AUDIO) {
            self.fill_up_to(first.dts.saturating_add(base), stretch, extents)?;
        }
        let prefix = self.in_band.get(config).map_or(0, |p| u32::try_from(p.len()).unwrap_or(u32::MAX));
        let so_far = (self.samples, self.chunks);
        let Some((mut take, facts)) = Take::count(track, pick, so_far, self.squeezed, prefix)? else {
            return Ok(None);
        };
        take.config =
            u16::try_from(config).map_err(|_| PlanError::Damaged("too many codec configurations"))?;
        self.samples += take.count;
        self.chunks = self.chunks.saturating_add(take.chunks);
        match self.parts.last_mut().filter(|part| part.stretch == stretch) {
            Some(part) => part.facts.join(&facts),
            None => self.parts.push(LanePart { stretch, base, facts }),
        }
        Ok(Some((take, facts)))
    }

    /// Puts silence before a stretch that begins at a clip time.
    fn fill_up_to(&mut self, at: i64, stretch: usize, extents: u32) -> Result<(), PlanError> {
        let (Some(before), Some(filler)) = (self.parts.last(), &mut self.filler) else { return Ok(()) };
        if before.stretch == stretch {
            return Ok(());
        }
        let gap = at - before.sounds_until(self.frame);
        match filler.fill(gap)? {
            Some(fill) => self.add_silence(fill, extents),
            None => Ok(()),
        }
    }

    /// Puts silence behind everything, up to a clip time. Whether there is any.
    pub(super) fn fill_to_end(&mut self, at: i64, extents: u32) -> Result<bool, PlanError> {
        let (Some(last), Some(filler)) = (self.parts.last(), &self.filler) else { return Ok(false) };
        match filler.cover(at - last.sounds_until(self.frame))? {
            Some(fill) => self.add_silence(fill, extents).map(|()| true),
            None => Ok(false),
        }
    }

    /// Bytes of all silence.
    pub(super) fn silent_bytes(&self) -> u64 {
        self.silences.iter().map(|s| u64::from(s.count) * self.silent.len() as u64).sum()
    }

    fn add_silence(&mut self, (count, last): (u32, u32), extents: u32) -> Result<(), PlanError> {
        self.silent = silence::unit(&self.configs[0])?;
        let frame =
            u32::try_from(self.frame).map_err(|_| PlanError::Damaged("an audio frame is too long"))?;
        let (number, chunk) = (self.samples, self.chunks);
        self.silences.push(Silence { before: extents, number, chunk, count, frame, last, data: 0 });
        self.samples = self.samples.checked_add(count).ok_or(super::take::TOO_MANY)?;
        self.chunks = self.chunks.saturating_add(1);
        Ok(())
    }
}

impl LanePart {
    /// Clip time that its last frame of sound ends at. A run's last sample repeats the duration of the one before,
    /// which may have been a hole.
    fn sounds_until(&self, frame: i64) -> i64 {
        self.facts.last_dts + self.base + frame
    }
}

/// The sample entry of a codec whose parameter sets may change within a track, travelling with the key frames
/// (ISO/IEC 14496-15 §5.3.3 and §8.3.2); `None` for codecs without such an entry.
pub(super) fn in_band_family(codec: &CodecConfig) -> Option<[u8; 4]> {
    match codec {
        CodecConfig::H264 { .. } => Some(*b"avc3"),
        CodecConfig::H265 { .. } => Some(*b"hev1"),
        _ => None,
    }
}

/// The parameter sets of a configuration as length-prefixed NAL units: SPS and PPS of an `avcC`
/// (ISO/IEC 14496-15 §5.3.3.1), VPS, SPS and PPS of an `hvcC`.
fn parameter_sets(config: &TrackConfig) -> Result<Bytes, PlanError> {
    let avcc = match &config.codec {
        CodecConfig::H264 { avcc, .. } => avcc,
        CodecConfig::H265 { hvcc, .. } => {
            return h265::parameter_sets(hvcc).ok_or(PlanError::Damaged("an hvcC is cut short"));
        }
        _ => return Err(PlanError::Damaged("parameter sets of a codec that has none")),
    };
    let sets = || {
        let mut out = BytesMut::new();
        let mut rest = avcc.get(5..)?;
        for mask in [0x1f, 0xff] {
            let (count, mut sets) = rest.split_first()?;
            for _ in 0..count & mask {
                let len = u16::from_be_bytes([*sets.first()?, *sets.get(1)?]);
                let set = sets.get(2..2 + usize::from(len))?;
                out.put_u32(u32::from(len));
                out.put_slice(set);
                sets = &sets[2 + set.len()..];
            }
            rest = sets;
        }
        Some(out.freeze())
    };
    sets().ok_or(PlanError::Damaged("an avcC is cut short"))
}
