//! What resumeguard knows, and what follows from it.
//!
//! Nothing here reads a clock, a socket or a file: the sources hand in [`domain::Facts`], [`assess::assess`]
//! turns them into a [`domain::Snapshot`], and everything a person or a program sees is rendered from that.

pub mod assess;
pub mod domain;
pub mod recovery;
