//! Clips of made-up tapes, read back by a naive player and compared with what a naive reading of the
//! sources says must be shown.

mod cases;
mod exact;
mod made;
mod parsed;
mod source;
mod split;
