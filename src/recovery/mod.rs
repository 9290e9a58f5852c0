//! Carrying plans out: one step after the other, each looked at before, written down, taken, and waited for.
//!
//! The core says what comes next and whether it may be; nothing outside is changed but by `actions`, of which `edit` is the part for
//! a standalone worker's file, and `record` the part for the offsets topic.

mod actions;
mod away;
mod desk;
mod edit;
mod execute;
pub(crate) mod failpoint;
pub mod freeze;
mod hands;
mod hooks;
mod marker;
mod pace;
mod people;
mod prepare;
mod record;
mod rehearse;
mod still;
mod take;
mod verify;
mod wait;
mod walk;
pub mod whole;
mod worker;
mod world;

pub use away::standing;
pub use desk::{Desk, Matter, Refused, Standing};
pub use execute::{Executor, Settings};
pub use freeze::Freeze;
pub use hands::{Hands, Reach};
pub use worker::Worker;
