//! One file a command.

pub(crate) mod interrupt;
pub(crate) mod stack;
