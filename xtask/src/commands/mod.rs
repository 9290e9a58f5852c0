//! One file a command, and what they share.

pub(crate) mod bench_tokens;
mod cargo;
pub(crate) mod ci;
mod daemon;
pub(crate) mod demo;
pub(crate) mod forecast;
pub(crate) mod fuzz;
pub(crate) mod interrupt;
pub(crate) mod matrix;
pub(crate) mod stack;
pub(crate) mod test;
