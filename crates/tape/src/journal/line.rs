//! Records to lines and back.

use thiserror::Error;

use super::Record;

/// Longest line: a record of a stream with every track at its largest configuration is below 16 KiB.
pub(super) const LINE_BYTES_MAX: usize = 64 * 1024;

/// Why a journal ends before its last byte.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JournalError {
    /// The last line has no end or a wrong checksum: it was being written.
    #[error("the journal's tail is torn at byte {at}")]
    Torn {
        /// Where the intact part ends.
        at: usize,
    },
    /// A line in the middle is damaged: intact lines follow it.
    #[error("the journal is damaged from byte {at} to {end}")]
    Damaged {
        /// Where the damaged bytes begin.
        at: usize,
        /// Where the next intact line begins.
        end: usize,
    },
}

/// The line of a record, newline included.
pub fn encode(record: &Record) -> Vec<u8> {
    let json = serde_json::to_vec(record).expect("records have string keys and no foreign maps");
    let mut line = format!("{:08x} ", crc32c::crc32c(&json)).into_bytes();
    line.extend_from_slice(&json);
    line.push(b'\n');
    line
}

/// Reads all lines. Gives the intact records, the length up to the end of the last intact line, and what is
/// wrong. Lines of a type that this program does not know are skipped: a newer one wrote them.
pub fn decode(bytes: &[u8]) -> (Vec<Record>, usize, Vec<JournalError>) {
    let (mut records, mut errors) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < bytes.len() {
        if let Some((record, end)) = line_at(bytes, at) {
            records.extend(record);
            at = end;
            continue;
        }
        match next_intact(bytes, at) {
            Some(end) => {
                errors.push(JournalError::Damaged { at, end });
                at = end;
            }
            None => {
                errors.push(JournalError::Torn { at });
                break;
            }
        }
    }
    (records, at, errors)
}

/// The record of the line that begins at `at` (`None` inside for an unknown type) and where the next begins.
fn line_at(bytes: &[u8], at: usize) -> Option<(Option<Record>, usize)> {
    let window = &bytes[at..bytes.len().min(at + LINE_BYTES_MAX)];
    let len = window.iter().position(|b| *b == b'\n')?;
    let line = &window[..len];
    let json = line.get(9..)?;
    // Compared as text: a flipped bit can make a capital of a letter, which would be the same number.
    if line[..9] != *format!("{:08x} ", crc32c::crc32c(json)).as_bytes() {
        return None;
    }
    Some((serde_json::from_slice(json).ok(), at + len + 1))
}

/// The next intact line after `at`, wherever it begins: the newline before it may be damaged too.
fn next_intact(bytes: &[u8], at: usize) -> Option<usize> {
    let looks_like = |s: &usize| bytes.get(s + 8..s + 10) == Some(b" {");
    (at + 1..bytes.len()).filter(looks_like).find(|s| line_at(bytes, *s).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ExtentNo;

    fn seal(no: u64) -> Record {
        Record::Seal { extent: ExtentNo(no), bytes: 10 * no, facts: None, suspect: None }
    }

    #[test]
    fn every_torn_tail_leaves_the_lines_before_it() {
        let lines: Vec<Vec<u8>> = (0..3).map(|n| encode(&seal(n))).collect();
        let whole = lines.concat();
        for cut in 0..=whole.len() {
            let (records, len, errors) = decode(&whole[..cut]);
            let intact = lines
                .iter()
                .scan(0, |end, l| {
                    *end += l.len();
                    Some(*end)
                })
                .filter(|e| *e <= cut);
            let (count, end) = intact.fold((0, 0), |(n, _), e| (n + 1, e));
            assert_eq!((records.len(), len), (count, end), "cut at {cut}");
            assert_eq!(errors.is_empty(), end == cut, "cut at {cut}");
        }
    }

    #[test]
    fn damage_in_the_middle_is_told_from_a_torn_tail() {
        let mut bytes = [encode(&seal(1)), encode(&seal(2)), encode(&seal(3))].concat();
        let at = encode(&seal(1)).len();
        bytes[at + 12] ^= 1;
        let end = bytes.len() - encode(&seal(3)).len();
        let errors = vec![JournalError::Damaged { at, end }];
        assert_eq!(decode(&bytes), (vec![seal(1), seal(3)], bytes.len(), errors));
    }

    #[test]
    fn a_line_after_a_damaged_newline_is_found() {
        let mut bytes = [encode(&seal(1)), encode(&seal(2)), encode(&seal(3))].concat();
        let (at, end) = (encode(&seal(1)).len(), encode(&seal(1)).len() + encode(&seal(2)).len());
        bytes[at + 20..end].fill(0);
        assert_eq!(decode(&bytes).0, [seal(1), seal(3)]);
    }

    #[test]
    fn a_line_of_a_newer_program_is_skipped() {
        let json = br#"{"type":"hologram","x":1}"#;
        let mut bytes = format!("{:08x} ", crc32c::crc32c(json)).into_bytes();
        bytes.extend_from_slice(json);
        bytes.push(b'\n');
        bytes.extend(encode(&seal(4)));
        assert_eq!(decode(&bytes), (vec![seal(4)], bytes.len(), vec![]));
    }
}
