//! The real stack in a box, for the demo and for tests.
//!
//! Parts come from the package registries, pinned and checksummed ([`Parts`]); a stack is a folder in the [`Cache`]
//! with a [`Book`] of its processes.

mod acl;
mod broker;
mod browser;
mod cache;
mod certificates;
mod clock;
mod connect;
mod connector;
mod debian;
mod from_source;
mod guest;
mod identity;
mod kafka;
mod machine;
mod mongo;
mod monitoring;
mod older;
mod parts;
mod peers;
mod pins;
mod ports;
mod progress;
mod replica_set;
mod replica_set_spec;
mod roster;
mod router;
mod secured;
mod stack;
mod standalone;
mod sweep;
mod tls;
mod token;
mod tools;

pub use acl::{Acl, Acls};
pub use broker::Broker;
pub use browser::Browser;
pub use cache::Cache;
pub use certificates::Certificates;
pub use clock::{Deadline, Seen, Stopwatch, wait_until};
pub use connect::Connect;
pub use connector::{ConnectorStatus, Instance, StoredOffset, Task};
pub use debian::{alertmanager, prometheus, promtool};
pub use guest::{Guest, Said, Suite, debian, debian_with_compiler};
pub use identity::{Identity, stop, with_environment};
pub use machine::{Need, ensure, fuzzer, mutator, packager};
pub use mongo::Mongo;
pub use monitoring::{Alertmanager, Prometheus, Sample};
pub use older::Versions;
pub use parts::Parts;
pub use peers::Peers;
pub use pins::{Pins, sha256};
pub use ports::{free as free_ports, is_listening};
pub use progress::{Progress, Step};
pub use replica_set::ReplicaSet;
pub use replica_set_spec::{Credentials, MemberSpec, ReplicaSetSpec};
pub use roster::{Book, Process, Roster, Services, Start, demolish, processes_of, remains};
pub use router::{Router, ShardSpec};
pub use secured::Account;
pub use stack::{Stack, StackSpec, source_config};
pub use standalone::Standalone;
pub use sweep::{stacks, sweep};
pub use token::cluster_time;
pub use tools::{from_go, from_pypi, go_module};
