//! One file a command, and what they share.

mod cargo;
pub(crate) mod ci;
pub(crate) mod demo;
pub(crate) mod interrupt;
pub(crate) mod stack;
pub(crate) mod test;
