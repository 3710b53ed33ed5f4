//! The tape through its public face: a hub in a folder, packets in, runs, indexes and bytes out.

#![cfg(test)]

mod bitrot;
mod hub;
mod retention;
mod source;
