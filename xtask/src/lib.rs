//! The real stack in a box, for the demo and for tests.
//!
//! Parts come from the package registries, pinned and checksummed ([`Parts`]); a stack is a folder in the [`Cache`]
//! with a [`Book`] of its processes.

mod cache;
mod clock;
mod identity;
mod machine;
mod parts;
mod pins;
mod ports;
mod progress;
mod roster;
mod sweep;

pub use cache::Cache;
pub use clock::{Deadline, Seen, Stopwatch, wait_until};
pub use identity::{Identity, stop, with_environment};
pub use machine::{Need, ensure, promtool};
pub use parts::Parts;
pub use pins::{Pins, sha256};
pub use ports::{free as free_ports, is_listening};
pub use progress::{Progress, Step};
pub use roster::{Book, Process, Roster, Services, Start, demolish, processes_of, remains};
pub use sweep::{stacks, sweep};
