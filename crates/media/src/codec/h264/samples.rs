//! Decoder configurations that x264 wrote, and a bit writer, for tests.

/// `(avcC, width, height, sar)` as ffprobe tells them.
pub(crate) const RECORDS: [(&str, u16, u16, (u32, u32)); 6] = [
    (
        "01640028ffe1001b67640028acd940780227e5c044000003000400000300c83c60c65801000668ebe3cb22c0fdf8f800",
        1920,
        1080,
        (1, 1),
    ),
    ("0142c01effe100186742c01ed900a02fea6c0440000003004000000c83c58b9201000568cb83cb20", 638, 358, (1, 1)),
    (
        "0164001effe1001c6764001eacd940b424dff8020001688000000300800000190f8a14cb01000668fba3cb22c0fdf8f800",
        720,
        576,
        (64, 45),
    ),
    (
        "01f4000dffe1001967f4000d90d9b28283f61c20000003002000000641e28532c001000668ebe3c44844fffafa00",
        320,
        240,
        (4, 3),
    ),
    (
        "017a0015ffe1001b677a0015bcd941510f1111808800000300080000030190f8a14cb001000768fba3cb3002c0fef8f800",
        322,
        242,
        (1, 1),
    ),
    (
        "0164000affe100176764000af365109b016c800000030080000019078912cb01000668ebe3cb22c0fcf8f800",
        64,
        64,
        (1, 1),
    ),
];

/// Bytes from hexadecimal digits.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<_> = digits.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

/// Writes what [`crate::codec::bits::BitReader`] reads.
#[derive(Default)]
pub(crate) struct BitWriter {
    bits: Vec<bool>,
}

impl BitWriter {
    pub(crate) fn bits(&mut self, value: u32, count: u32) -> &mut Self {
        self.bits.extend((0..count).rev().map(|shift| value >> shift & 1 == 1));
        self
    }

    pub(crate) fn ue(&mut self, value: u32) -> &mut Self {
        let length = 64 - (u64::from(value) + 1).leading_zeros();
        self.bits.extend((1..length).map(|_| false));
        self.bits.extend((0..length).rev().map(|shift| (u64::from(value) + 1) >> shift & 1 == 1));
        self
    }

    /// The bytes, padded with zero bits.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bits
            .chunks(8)
            .map(|byte| (0..8).fold(0, |v, i| v << 1 | u8::from(byte.get(i) == Some(&true))))
            .collect()
    }

    /// A NAL unit: header, the bits, the stop bit, emulation prevention.
    pub(crate) fn nal(&self, header: u8) -> Vec<u8> {
        let mut stopped = Self { bits: self.bits.clone() };
        stopped.bits.push(true);
        let mut nal = vec![header];
        let mut zeros = 0;
        for byte in stopped.bytes() {
            if zeros >= 2 && byte <= 3 {
                nal.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            nal.push(byte);
        }
        nal
    }
}

/// A baseline SPS of whole macroblocks.
pub(crate) fn sps(id: u32, columns: u32, rows: u32) -> Vec<u8> {
    let mut bits = BitWriter::default();
    bits.bits(0x42_c0_1e, 24).ue(id).ue(0).ue(2).ue(1).bits(0, 1).ue(columns - 1).ue(rows - 1);
    bits.bits(0b1_0_0_0, 4).nal(0x67)
}

/// A picture parameter set that names an SPS.
pub(crate) fn pps(id: u32, sps: u32) -> Vec<u8> {
    BitWriter::default().ue(id).ue(sps).bits(0b0011, 4).bits(0, 12).nal(0x68)
}

/// A configuration record with lengths of `length_size` bytes.
pub(crate) fn record(length_size: u8, sps: &[Vec<u8>], pps: &[Vec<u8>]) -> Vec<u8> {
    let mut record = vec![1, 0x42, 0xc0, 0x1e, 0xfc | (length_size - 1)];
    for (reserved, sets) in [(0xe0, sps), (0, pps)] {
        record.push(reserved | sets.len() as u8);
        for set in sets {
            record.extend((set.len() as u16).to_be_bytes());
            record.extend(set);
        }
    }
    record
}

/// A slice of a type (0 P, 1 B, 2 I) in a NAL unit with this header.
pub(crate) fn slice(header: u8, slice_type: u32) -> Vec<u8> {
    BitWriter::default().ue(0).ue(slice_type).ue(0).bits(0xabcd, 16).nal(header)
}

/// NAL units behind lengths of `size` bytes.
pub(crate) fn with_lengths(size: usize, nals: &[Vec<u8>]) -> Vec<u8> {
    let mut payload = Vec::new();
    for nal in nals {
        payload.extend(&(nal.len() as u32).to_be_bytes()[4 - size..]);
        payload.extend(nal);
    }
    payload
}

/// NAL units behind start codes.
pub(crate) fn with_codes(nals: &[Vec<u8>]) -> Vec<u8> {
    nals.iter().flat_map(|nal| [&[0, 0, 0, 1], &nal[..]].concat()).collect()
}
