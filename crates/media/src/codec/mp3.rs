//! MP3 (MPEG-1, 2 and 2.5 Audio Layer III) as far as a server must read it: the frame header, ISO/IEC 11172-3
//! §2.4.1.3 and 13818-3 §2.4.2.3. It has no other header; the first frame configures the track.

use thiserror::Error;

use crate::track::CodecConfig;

/// Bytes of a frame's header.
const HEADER_BYTES: usize = 4;
/// Kilobits per second by `bitrate_index` for Layer III: MPEG-1, then MPEG-2 and 2.5; 0 where it is free or
/// forbidden.
const BIT_RATES: [[u32; 16]; 2] = [
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0],
];
/// Sample rates of MPEG-1 by `sampling_frequency`; MPEG-2 has half of them, 2.5 a quarter.
const SAMPLE_RATES: [u32; 3] = [44_100, 48_000, 32_000];

/// Why a frame is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Mp3Error {
    /// It does not begin with a header that can be read.
    #[error("it does not begin with the header of an MPEG audio frame")]
    Header,
    /// Layer I or II.
    #[error("it is MPEG audio layer {0}; only layer 3 (MP3) is supported")]
    Layer(u8),
    /// A bit rate of "free format", which says nothing of the frame's length.
    #[error("it has a free-format bit rate, which is not supported")]
    FreeFormat,
    /// The frame is longer than its packet.
    #[error("the frame has {length} bytes where {there} are there")]
    Short {
        /// What the header says.
        length: usize,
        /// What came.
        there: usize,
    },
    /// A second frame behind the first.
    #[error("several frames came in one packet; send each in its own")]
    Several,
}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Sample rate in Hz.
    pub sample_rate: u32,
    /// Channels: 1 or 2.
    pub channels: u8,
    /// Samples of each channel in a frame: 1152, or 576 below MPEG-1.
    pub frame_samples: u16,
    /// Bytes of the frame, its header included.
    pub length: usize,
}

impl Frame {
    /// Reads the one frame of a packet. What follows it is passed over, unless it is another frame.
    pub fn parse(packet: &[u8]) -> Result<Self, Mp3Error> {
        let frame = Self::header(packet)?;
        match packet.get(frame.length..) {
            None => Err(Mp3Error::Short { length: frame.length, there: packet.len() }),
            Some(rest) if Self::header(rest).is_ok() => Err(Mp3Error::Several),
            Some(_) => Ok(frame),
        }
    }

    fn header(packet: &[u8]) -> Result<Self, Mp3Error> {
        let &[first, second, third, fourth] = packet.first_chunk::<HEADER_BYTES>().ok_or(Mp3Error::Header)?;
        if first != 0xff || second & 0xe0 != 0xe0 {
            return Err(Mp3Error::Header);
        }
        // MPEG-2.5 is 0, MPEG-2 is 2, MPEG-1 is 3.
        let (divisor, table) = match second >> 3 & 3 {
            0 => (4, 1),
            2 => (2, 1),
            3 => (1, 0),
            _ => return Err(Mp3Error::Header),
        };
        match second >> 1 & 3 {
            1 => {}
            0 => return Err(Mp3Error::Header),
            layer => return Err(Mp3Error::Layer(4 - layer)),
        }
        let index = usize::from(third >> 4);
        let sample_rate = SAMPLE_RATES.get(usize::from(third >> 2 & 3)).ok_or(Mp3Error::Header)? / divisor;
        let kbps = match (index, BIT_RATES[table][index]) {
            (0, _) => return Err(Mp3Error::FreeFormat),
            (_, 0) => return Err(Mp3Error::Header),
            (_, kbps) => kbps,
        };
        let frame_samples = frame_samples(sample_rate);
        let padding = u32::from(third >> 1 & 1);
        let length = u32::from(frame_samples) / 8 * kbps * 1000 / sample_rate + padding;
        let channels = if fourth >> 6 == 3 { 1 } else { 2 };
        Ok(Self { sample_rate, channels, frame_samples, length: length as usize })
    }

    /// The track's configuration.
    pub const fn codec(&self) -> CodecConfig {
        codec(self.sample_rate, self.channels)
    }
}

/// The configuration of a track of this rate and so many channels.
pub const fn codec(sample_rate: u32, channels: u8) -> CodecConfig {
    CodecConfig::Mp3 { sample_rate, channels, frame_samples: frame_samples(sample_rate) }
}

/// Only MPEG-1 has rates of 32 kHz and more.
const fn frame_samples(sample_rate: u32) -> u16 {
    if sample_rate >= 32_000 { 1152 } else { 576 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(header: [u8; 4], bytes: usize) -> Vec<u8> {
        let mut packet = header.to_vec();
        packet.resize(bytes, 0x55);
        packet
    }

    fn facts(header: [u8; 4]) -> Result<(u32, u8, u16, usize), Mp3Error> {
        let frame = Frame::parse(&packet(header, 2000))?;
        Ok((frame.sample_rate, frame.channels, frame.frame_samples, frame.length))
    }

    #[test]
    fn frames_of_each_version_are_read() {
        // LAME in FFmpeg 9: 48 kHz, 64 kbit/s, mono.
        assert_eq!(facts([0xff, 0xfb, 0x54, 0xc4]), Ok((48_000, 1, 1152, 192)));
        // 44.1 kHz, 128 kbit/s, joint stereo, padded.
        assert_eq!(facts([0xff, 0xfb, 0x92, 0x64]), Ok((44_100, 2, 1152, 418)));
        // MPEG-2: 22.05 kHz, 64 kbit/s. MPEG-2.5: 8 kHz, 8 kbit/s.
        assert_eq!(facts([0xff, 0xf3, 0x80, 0x00]), Ok((22_050, 2, 576, 208)));
        assert_eq!(facts([0xff, 0xe3, 0x18, 0xc0]), Ok((8_000, 1, 576, 72)));
    }

    #[test]
    fn what_is_no_frame_of_mp3_is_refused() {
        let cases = [
            ([0xff, 0x1b, 0x54, 0], Mp3Error::Header),
            ([0xff, 0xeb, 0x54, 0], Mp3Error::Header),
            ([0xff, 0xf9, 0x54, 0], Mp3Error::Header),
            ([0xff, 0xfd, 0x54, 0], Mp3Error::Layer(2)),
            ([0xff, 0xff, 0x54, 0], Mp3Error::Layer(1)),
            ([0xff, 0xfb, 0x04, 0], Mp3Error::FreeFormat),
            ([0xff, 0xfb, 0xf4, 0], Mp3Error::Header),
            ([0xff, 0xfb, 0x5c, 0], Mp3Error::Header),
        ];
        for (header, error) in cases {
            assert_eq!(facts(header), Err(error), "{header:x?}");
        }
        let header = [0xff, 0xfb, 0x54, 0xc4];
        assert_eq!(Frame::parse(&header[..3]), Err(Mp3Error::Header));
        assert_eq!(Frame::parse(&packet(header, 191)), Err(Mp3Error::Short { length: 192, there: 191 }));
        let two = [packet(header, 192), packet(header, 192)].concat();
        assert_eq!(Frame::parse(&two), Err(Mp3Error::Several));
    }

    proptest! {
        #[test]
        fn any_header_is_read_or_refused(header: [u8; 3]) {
            let header = [0xff, header[0] | 0xe0, header[1], header[2]];
            if let Ok((rate, channels, samples, length)) = facts(header) {
                prop_assert!((8_000..=48_000).contains(&rate) && matches!(channels, 1 | 2));
                prop_assert!(matches!(samples, 576 | 1152) && (24..=1441).contains(&length));
            }
        }
    }
}
