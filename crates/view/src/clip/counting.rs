//! One track over all extents of a clip while it is being counted: its configurations and what they allow,
//! its samples so far. Times and boxes come later.

use bytes::{BufMut, Bytes, BytesMut};
use media::codec::h265;
use media::{CodecConfig, Timescale, TrackConfig};
use tape::ExtentIndex;

use super::cut::{AudioGrid, RunCut};
use super::error::PlanError;
use super::planner::Grids;
use super::take::{Facts, Pick, Take, VIDEO, lane};

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
    chunks: u32,
}

/// Where a take belongs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Belongs {
    pub(super) stretch: usize,
    pub(super) base: i64,
    pub(super) config: usize,
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
            chunks: 0,
        }
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
        let Belongs { stretch, base, config } = belongs;
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
