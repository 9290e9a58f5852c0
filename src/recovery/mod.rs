//! Carrying plans out.

pub mod freeze;
