//! `gate`: before a deploy, a restart or an upgrade.

use super::{Failure, Outcome, status};
use crate::publish::status::{Connector, Status};
use crate::publish::table::sentence;
use wildmatch::WildMatch;

/// Which connectors are asked about.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Only connectors whose name matches this glob.
    #[arg(long, value_name = "GLOB", default_value = "*")]
    connector: String,
    /// Only connectors of this Connect cluster.
    #[arg(long, value_name = "NAME")]
    connect_cluster: Option<String>,
}

impl Which {
    fn includes(&self, connector: &Connector) -> bool {
        let cluster = self.connect_cluster.as_ref().is_none_or(|name| *name == connector.connect_cluster);
        cluster && WildMatch::new(&self.connector).matches(&connector.connector)
    }
}

/// Names every connector that would not survive a restart. A cluster that cannot be read may hold more of them.
pub(super) fn run(seen: &Status, which: &Which) -> Result<Outcome, Failure> {
    let asked: Vec<&Connector> =
        seen.connectors.iter().filter(|connector| which.includes(connector)).collect();
    let blind = seen
        .sources
        .iter()
        .filter(|s| s.source == "connect" && !s.up)
        .filter(|s| which.connect_cluster.as_ref().is_none_or(|name| *name == s.name));
    let mut outcome = if asked.is_empty() { Outcome::Unknown } else { Outcome::Done };
    for source in blind {
        outcome = Outcome::Unknown;
        let error = source.error.as_deref().unwrap_or("not read yet");
        status::print(&format!("unknown: Connect cluster {} cannot be read: {error}\n", source.name))?;
    }
    for connector in &asked {
        if connector.on_restart == "resumes" {
            continue;
        }
        let unknown = connector.on_restart == "unknown";
        if !unknown || outcome == Outcome::Done {
            outcome = if unknown { Outcome::Unknown } else { Outcome::Bad };
        }
        status::print(&(line(connector) + "\n"))?;
    }
    let conclusion = match (outcome, asked.is_empty()) {
        (Outcome::Done, _) => format!("go: all {} connectors would survive a restart\n", asked.len()),
        (_, true) => "unknown: no MongoDB source connector matches\n".to_owned(),
        (Outcome::Unknown, _) => "unknown: do not restart before the reasons above are cleared\n".to_owned(),
        _ => "stop: a restart would lose the connectors above\n".to_owned(),
    };
    status::print(&conclusion).map(|_| outcome)
}

fn line(connector: &Connector) -> String {
    let id = format!("{}/{}", connector.connect_cluster, connector.connector);
    match &connector.why {
        Some(why) => format!("{}: {id}: {}", connector.on_restart, sentence(why)),
        None => format!("{}: {id} ({})", connector.on_restart, connector.verdict),
    }
}
