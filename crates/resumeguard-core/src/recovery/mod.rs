//! What would be done about a connector in trouble, and how far it has come: pure values and functions.
//!
//! [`plan`] turns what one pass has concluded into a [`Plan`] of [`Step`]s; `blockers` says why it is not carried out;
//! [`check`] compares the world that was read again with the plan, immediately before each step; `fold` turns the
//! journal's entries into attempts, and says what comes next. Whoever executes knows only steps.

mod attempt;
mod blockers;
pub mod check;
mod entry;
mod fold;
mod forget;
mod own;
mod plan;
mod policy;
mod resolve;
mod round;
mod seen;
mod sightings;
mod situation;
mod step;
mod stood;
mod strategy;
#[cfg(test)]
mod tests;
mod trigger;
mod unsettled;
mod words;
mod world;

pub use attempt::{Attempt, Next, ROUNDS, Taken};
pub use blockers::{Blocker, PASSES, Surroundings, blockers, blockers_of_history};
pub use entry::{AttemptId, Ended, Entry, Event, Lost, Outcome, Saved, Stretch, Will};
pub use fold::{Ledger, Word};
pub use forget::{LEAST_KEPT_MS, Tally, forgettable};
pub use own::name_our_own;
pub use plan::{DECISIVE, Expects, Fingerprint, Loses, Plan, PlanId, StoredToken};
pub use policy::{Policies, Policy, Rule, TolerateSettings};
pub use round::{Around, Details, Planned, round};
pub use sightings::{Sighting, Sightings};
pub use situation::{Capabilities, ConnectFacts, Oplog, Situation, WorkerFacts, WritesTopic};
pub use step::{Mark, Phase, Step};
pub use strategy::{plan, suited};
pub use trigger::{Trigger, trigger};
pub use words::{Actor, ManagedBy, Mode, Strategy};
pub use world::{RawOffset, TopicRecord, World};
