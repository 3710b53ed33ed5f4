//! The ADTS header, ISO/IEC 13818-7 §6.2: frames a raw access unit where no container does, and is sent
//! inside containers by encoders that should not.

use super::asc::SAMPLE_RATES;

/// Bytes of a header without CRC.
pub const ADTS_HEADER_BYTES_MIN: usize = 7;

/// A fixed and variable ADTS header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdtsHeader {
    /// Object type of the core, 1 to 4.
    pub object_type: u8,
    /// Sample rate of the core in Hz.
    pub core_rate: u32,
    /// `channel_configuration`; 0 where a program config element in the payload tells.
    pub channel_configuration: u8,
    /// Bytes of the header, the CRC included.
    pub header_bytes: usize,
    /// Bytes of the whole frame, the header included.
    pub frame_bytes: usize,
    /// Access units in the frame, 1 to 4; nearly always 1.
    pub blocks: u8,
}

impl AdtsHeader {
    /// Reads the header at the beginning of `data`; `None` where none stands.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let head: &[u8; ADTS_HEADER_BYTES_MIN] = data.first_chunk()?;
        // Sync word of 12 ones, any ID, layer 0.
        if head[0] != 0xff || head[1] & 0xf6 != 0xf0 {
            return None;
        }
        let header_bytes = if head[1] & 1 == 1 { ADTS_HEADER_BYTES_MIN } else { ADTS_HEADER_BYTES_MIN + 2 };
        let frame_bytes =
            usize::from(head[3] & 3) << 11 | usize::from(head[4]) << 3 | usize::from(head[5] >> 5);
        let header = Self {
            object_type: (head[2] >> 6) + 1,
            core_rate: *SAMPLE_RATES.get(usize::from(head[2] >> 2 & 15))?,
            channel_configuration: (head[2] & 1) << 2 | head[3] >> 6,
            header_bytes,
            frame_bytes,
            blocks: (head[6] & 3) + 1,
        };
        (frame_bytes >= header_bytes).then_some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::h264::samples::hex;
    use shiguredo_mp4::bitstream::aac::parse_adts_frame;

    #[test]
    fn a_header_of_ffmpeg_is_read_as_another_reader_reads_it() {
        // LC, 44.1 kHz, stereo, a frame of 371 bytes.
        let data = [hex("fff150802e7ffc"), vec![0x21; 364]].concat();
        let header = AdtsHeader::parse(&data).unwrap();
        let expected = AdtsHeader {
            object_type: 2,
            core_rate: 44_100,
            channel_configuration: 2,
            header_bytes: 7,
            frame_bytes: 371,
            blocks: 1,
        };
        assert_eq!(header, expected);
        let (oracle, raw) = parse_adts_frame(&data).unwrap();
        assert_eq!(usize::from(oracle.frame_length), header.frame_bytes);
        assert_eq!(raw.len(), header.frame_bytes - header.header_bytes);
        // The same with a CRC.
        assert_eq!(AdtsHeader::parse(&hex("fff050802e7ffc")).unwrap().header_bytes, 9);
    }

    #[test]
    fn what_is_no_header_is_seen() {
        for data in
            ["", "fff150802e7f", "fef150802e7ffc", "fff350802e7ffc", "fff17c802e7ffc", "fff1508000dffc"]
        {
            assert_eq!(AdtsHeader::parse(&hex(data)), None, "{data}");
        }
    }
}
