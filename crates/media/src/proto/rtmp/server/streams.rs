//! The message streams of one connection and what each is doing. Which messages move them is the commands'
//! knowledge.

use thiserror::Error;

use crate::proto::amf::Text;
use crate::proto::rtmp::MediaKind;
use crate::proto::rtmp::error::ErrorKind;

/// Most message streams of one connection at a time. Real clients use one; some leak a few.
pub const MESSAGE_STREAMS_MAX: usize = 16;

/// An answer to a question that is not open: the peer has closed the stream meanwhile, or was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("message stream {0} has no open question: the peer withdrew it or it was answered")]
pub struct NotAsked(pub u32);

/// Media for a message stream that is not playing: the peer has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("message stream {0} is not playing: the peer stopped it or was never accepted")]
pub struct NotPlaying(pub u32);

/// What a message stream does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Idle,
    /// Its publisher waits for an answer.
    PublishAsked {
        name: Text,
    },
    Publishing {
        name: Text,
    },
    /// Its player waits for an answer.
    PlayAsked {
        reset: Reset,
    },
    Playing(Wants),
    /// The peer withdrew its question before the caller answered it. The answer is still to come, and must not
    /// be taken for that to another question; until then nothing is asked here.
    Withdrawn,
}

impl State {
    pub(super) fn is_asked(&self) -> bool {
        matches!(self, Self::PublishAsked { .. } | Self::PlayAsked { .. } | Self::Withdrawn)
    }
}

/// Whether a player wants to hear that its playlist was emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reset {
    Reset,
    Append,
}

/// Which media a player wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wants {
    pub(super) audio: bool,
    pub(super) video: bool,
}

impl Wants {
    pub(super) const ALL: Self = Self { audio: true, video: true };

    pub(super) fn kind(self, kind: MediaKind) -> bool {
        match kind {
            MediaKind::Audio => self.audio,
            MediaKind::Video => self.video,
            MediaKind::Data => true,
        }
    }
}

/// The message streams there are.
#[derive(Debug)]
pub(super) struct Streams {
    streams: Vec<(u32, State)>,
    /// Numbers are never used twice, so that late events cannot mean another stream. The first is 1, which
    /// many clients expect without looking.
    next: u32,
}

impl Default for Streams {
    fn default() -> Self {
        Self { streams: Vec::new(), next: 1 }
    }
}

impl Streams {
    pub(super) fn create(&mut self) -> Result<u32, ErrorKind> {
        if self.streams.len() == MESSAGE_STREAMS_MAX {
            return Err(ErrorKind::MessageStreams);
        }
        let number = self.next;
        self.next = number.checked_add(1).ok_or(ErrorKind::MessageStreams)?;
        self.streams.push((number, State::Idle));
        Ok(number)
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut State> {
        self.streams.iter_mut().find(|(known, _)| *known == number).map(|(_, state)| state)
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<State> {
        let index = self.streams.iter().position(|(known, _)| *known == number)?;
        Some(self.streams.remove(index).1)
    }

    /// The stream published under this name; or, as some encoders say another name at the end, the only one
    /// published at all.
    pub(super) fn published_as(&self, wanted: Option<&Text>) -> Option<u32> {
        let published = || {
            self.streams.iter().filter_map(|(number, state)| match state {
                State::PublishAsked { name } | State::Publishing { name } => Some((*number, name)),
                _ => None,
            })
        };
        let named = published().find(|(_, name)| Some(*name) == wanted);
        let only = published().next().filter(|_| published().count() == 1);
        named.or(only).map(|(number, _)| number)
    }
}
