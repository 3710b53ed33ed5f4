//! Faults planted on purpose, so that the simulator can be shown to find them. Without the `sim` feature no
//! fault can be chosen and every question is answered with a constant.

/// A planted fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bug {
    /// Parts are acknowledged without syncing their extent.
    SkipPartSync,
    /// Journal lines are acknowledged without syncing the journal.
    SkipJournalSync,
    /// A new extent's name is not made durable.
    SkipDirSync,
    /// A sealed extent is not synced any more.
    SealWithoutSync,
    /// Parts are acknowledged before they are synced.
    PublishBeforeCommit,
    /// Recovery cuts the torn tail one byte short of the last whole part.
    TruncateShort,
    /// Recovery accepts parts without looking at their checksum.
    SkipChecksum,
    /// Recovery takes the part number of the journal and not of the extents.
    ReusePartNumbers,
    /// A failed sync is tried again and believed.
    RetrySync,
    /// The torn tail of the journal is left where it is.
    KeepTornJournal,
    /// Journal lines whose sync failed are not written again.
    TrustJournal,
    /// A seal line is written before its extent is synced.
    SealEarly,
    /// An asset's file is acknowledged without syncing it.
    SkipAssetSync,
    /// An asset's file is acknowledged before its name is durable.
    SkipAssetDirSync,
    /// Journal lines that could not be written are forgotten.
    ForgetLines,
    /// The space that is kept for the journal is not let go on a full volume.
    KeepReserve,
    /// Media is written into the space that is kept for the journal.
    MediaInReserve,
    /// The space that is kept for the journal is never taken back, so that recording never goes on.
    StayFull,
    /// Retention takes extents that clips hold.
    ForgetPins,
    /// A deleted extent is unlinked before the journal says so.
    UnlinkEarly,
    /// The names of copies that stay of an erased extent are not durable before the journal tells of them.
    SkipCopyDirSync,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::SkipPartSync,
        Self::SkipJournalSync,
        Self::SkipDirSync,
        Self::SealWithoutSync,
        Self::PublishBeforeCommit,
        Self::TruncateShort,
        Self::SkipChecksum,
        Self::ReusePartNumbers,
        Self::RetrySync,
        Self::KeepTornJournal,
        Self::TrustJournal,
        Self::SealEarly,
        Self::SkipAssetSync,
        Self::SkipAssetDirSync,
        Self::ForgetLines,
        Self::KeepReserve,
        Self::MediaInReserve,
        Self::StayFull,
        Self::ForgetPins,
        Self::UnlinkEarly,
        Self::SkipCopyDirSync,
    ];
}

#[cfg(feature = "sim")]
std::thread_local! {
    static CHOSEN: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Chooses the fault of this thread.
#[cfg(feature = "sim")]
pub fn plant(bug: Option<Bug>) {
    CHOSEN.with(|c| c.set(bug));
}

#[cfg(feature = "sim")]
pub(crate) fn planted(bug: Bug) -> bool {
    CHOSEN.with(|c| c.get() == Some(bug))
}

#[cfg(not(feature = "sim"))]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}
