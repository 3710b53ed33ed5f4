//! A reading position in an AMF message, with errors that say where. No AMF type is known here.

use super::{AmfError, AmfErrorKind};

/// The bytes of one message and how far they are read.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], position: usize) -> Self {
        Self { bytes, position }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// The next byte, left where it is.
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    pub(super) fn fail(&self, kind: AmfErrorKind) -> AmfError {
        AmfError { offset: self.position, kind }
    }

    pub(super) fn take(&mut self, needed: usize) -> Result<&'a [u8], AmfError> {
        let left = self.left();
        if needed > left {
            return Err(self.fail(AmfErrorKind::Truncated { needed, left }));
        }
        let taken = &self.bytes[self.position..self.position + needed];
        self.position += needed;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], AmfError> {
        let taken = self.take(N)?;
        Ok(taken.try_into().expect("take gives exactly N bytes"))
    }

    pub(super) fn u8(&mut self) -> Result<u8, AmfError> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, AmfError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, AmfError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn f64(&mut self) -> Result<f64, AmfError> {
        Ok(f64::from_be_bytes(self.array()?))
    }

    /// A declared count of elements of at least `bytes_each` bytes, refused where the bytes left cannot
    /// hold them, so that nobody reserves room on a peer's word.
    pub(super) fn count(&self, declared: usize, bytes_each: usize) -> Result<usize, AmfError> {
        let left = self.left();
        if declared.checked_mul(bytes_each).is_none_or(|bytes| bytes > left) {
            return Err(self.fail(AmfErrorKind::Count { declared, left }));
        }
        Ok(declared)
    }
}
