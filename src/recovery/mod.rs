//! Carrying plans out: one step after the other, each looked at before, written down, taken, and waited for.
//!
//! The core says what comes next and whether it may be; nothing outside is changed but by `actions`.

mod actions;
mod away;
mod desk;
mod execute;
mod failpoint;
pub mod freeze;
mod hands;
mod hooks;
mod marker;
mod pace;
mod prepare;
mod rehearse;
mod take;
mod verify;
mod wait;
mod walk;
mod world;

pub use away::standing;
pub use desk::{Desk, Refused};
pub use execute::{Executor, Settings};
pub use freeze::Freeze;
pub use hands::{Hands, Reach};
