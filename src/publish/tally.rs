//! What pages count, counted once a pass: whoever looks pays for the rows that are shown, and not for the fleet.

use super::headline::{Clause, VERDICTS, clauses};
use super::status::{Connector, Status};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Counts of one pass.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// By verdict, as `VERDICTS` has them.
    verdicts: [usize; VERDICTS.len()],
    /// Connect clusters, by name.
    pub(super) clusters: Vec<String>,
    /// Deployments, those with the worst connectors first.
    pub(super) deployments: Vec<String>,
    /// How many deployments have an oplog that is read.
    pub(super) with_oplog: usize,
    /// Connectors of each deployment, by their place in the list.
    of_deployment: HashMap<String, Vec<usize>>,
    /// Connectors that each rule matches.
    rules: BTreeMap<String, usize>,
    /// Plans by how far they are.
    pub(super) plans: BTreeMap<String, usize>,
    /// Plans by what keeps them; one may be kept by several things.
    pub(super) blockers: BTreeMap<String, usize>,
    /// What is said first.
    pub(super) clauses: Vec<Clause>,
    /// What is looked through for a name, by a connector's place in the list.
    haystacks: Vec<String>,
}

impl Tally {
    /// Counts.
    #[must_use]
    pub(super) fn of(status: &Status) -> Self {
        let mut tally = Self { clauses: clauses(status), ..Self::default() };
        let (mut clusters, mut known) = (BTreeSet::new(), BTreeSet::new());
        for (place, one) in status.connectors.iter().enumerate() {
            if let Some(verdict) = VERDICTS.iter().position(|verdict| *verdict == one.verdict) {
                tally.verdicts[verdict] += 1;
            }
            clusters.insert(one.connect_cluster.clone());
            if let Some(deployment) = &one.deployment {
                if known.insert(deployment.clone()) {
                    tally.deployments.push(deployment.clone());
                }
                tally.of_deployment.entry(deployment.clone()).or_default().push(place);
            }
            let rules: BTreeSet<&String> = one.findings.iter().map(|found| &found.rule).collect();
            rules.into_iter().for_each(|rule| *tally.rules.entry(rule.clone()).or_default() += 1);
            if let Some(plan) = &one.plan {
                *tally.plans.entry(plan.state.clone()).or_default() += 1;
                let kinds: BTreeSet<&String> = plan.blockers.iter().map(|why| &why.blocker).collect();
                kinds.into_iter().for_each(|kind| *tally.blockers.entry(kind.clone()).or_default() += 1);
            }
            tally.haystacks.push(haystack(one));
        }
        let with_oplog: BTreeSet<&String> = status.oplogs.iter().map(|oplog| &oplog.deployment).collect();
        tally.with_oplog = with_oplog.len();
        let others = with_oplog.into_iter().filter(|name| !known.contains(*name)).cloned();
        tally.deployments.extend(others.collect::<Vec<_>>());
        tally.clusters = clusters.into_iter().collect();
        tally
    }

    /// Connectors with this verdict.
    pub(super) fn verdict(&self, verdict: &str) -> usize {
        VERDICTS.iter().position(|known| *known == verdict).map_or(0, |place| self.verdicts[place])
    }

    /// Connectors that this rule matches.
    pub(super) fn rule(&self, rule: &str) -> usize {
        self.rules.get(rule).copied().unwrap_or(0)
    }

    /// Plans that a person is asked about.
    pub(super) fn waiting(&self) -> usize {
        self.plans.get("awaits_approval").copied().unwrap_or(0)
    }

    /// Connectors of a deployment, worst first.
    pub(super) fn at<'a>(
        &'a self,
        deployment: &str,
        status: &'a Status,
    ) -> impl Iterator<Item = &'a Connector> {
        let places = self.of_deployment.get(deployment).into_iter().flatten();
        places.filter_map(|place| status.connectors.get(*place))
    }

    /// Whether a name, namespace or deployment has this in it, in small letters.
    pub(super) fn names(&self, place: usize, wanted: &str) -> bool {
        wanted.is_empty() || self.haystacks.get(place).is_some_and(|haystack| haystack.contains(wanted))
    }
}

/// Lines cannot be typed into a field: what stands in two of them is not found as one.
fn haystack(one: &Connector) -> String {
    let deployment = one.deployment.as_deref().unwrap_or_default();
    format!("{}/{}\n{}\n{deployment}", one.connect_cluster, one.connector, one.mongodb_namespace)
        .to_lowercase()
}
