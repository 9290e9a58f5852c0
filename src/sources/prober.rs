//! The lane in which servers are asked whether stored tokens resume: beside the passes, which never wait for it. What was
//! answered counts from the next pass on.

use super::access::Access;
use super::mongodb::{Asked, Question};
use super::{Meter, summary};
use crate::clock::Clock;
use mongodb::Client;
use resumeguard_core::assess::{ASK_AGAIN_AFTER, Ask};
use resumeguard_core::domain::{ConnectorId, Probe, ProbeAnswer};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// Questions under way at once, over all deployments; of one deployment there is one, so that its clients' connections
/// suffice for the passes as well.
const AT_ONCE: usize = 2;

/// Questions begun after one pass: two lanes get through them well before the next.
pub(super) const PER_PASS: usize = 8;

/// A question with those who are to answer it.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: ConnectorId,
    /// What it is about.
    pub(super) subject: Subject,
    pub(super) deployment: String,
    pub(super) question: Question,
    pub(super) members: Vec<(String, Client)>,
    /// How much headroom to ask about.
    pub(super) margin_seconds: Option<u32>,
}

/// What was asked about, and where: an answer counts for this stored text with this configuration only, and for the servers to
/// which this connection string leads. A deployment of the same name may be another one after a reload.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Subject {
    stored: String,
    asked_with: u64,
}

/// The text holds a document's key.
impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject").finish_non_exhaustive()
    }
}

impl Subject {
    pub(super) fn new(stored: &str, config: &BTreeMap<String, String>, access: Option<&Access>) -> Self {
        let mut hasher = DefaultHasher::new();
        config.hash(&mut hasher);
        access.map(|access| access.uri.expose()).hash(&mut hasher);
        Self { stored: stored.to_owned(), asked_with: hasher.finish() }
    }
}

/// What came back, and of what.
#[derive(Debug)]
struct Answered {
    subject: Subject,
    deployment: String,
    /// Uptime at which it was asked.
    at: Duration,
    took: Duration,
    asked: Asked,
}

/// Asks a few at a time and keeps the newest answer of each connector.
#[derive(Debug)]
pub(super) struct Prober {
    /// Bound of each question on the server.
    max_time: Duration,
    /// Bound of a connector's questions as a whole.
    deadline: Duration,
    places: Arc<Semaphore>,
    /// By deployment: one that does not answer holds up nobody else's.
    turns: HashMap<String, Arc<Semaphore>>,
    pending: BTreeSet<ConnectorId>,
    answers: BTreeMap<ConnectorId, Answered>,
    meters: BTreeMap<String, Meter>,
    send: mpsc::UnboundedSender<(ConnectorId, Answered)>,
    receive: mpsc::UnboundedReceiver<(ConnectorId, Answered)>,
}

impl Prober {
    /// All of it ends within the interval: two questions and two for a margin, each of those a quarter as long.
    pub(super) fn new(interval: Duration) -> Self {
        // At most one message a connector is under way: `pending` bounds the queue.
        let (send, receive) = mpsc::unbounded_channel();
        Self {
            max_time: (interval / 5).min(Duration::from_secs(3)),
            deadline: interval / 2,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            turns: HashMap::new(),
            pending: BTreeSet::new(),
            answers: BTreeMap::new(),
            meters: BTreeMap::new(),
            send,
            receive,
        }
    }

    /// Takes what has been answered since the last pass; forgets deployments that are gone.
    pub(super) fn collect(&mut self, clock: &Clock, deployments: &BTreeSet<&str>) {
        let mut problems: BTreeMap<String, Vec<String>> = BTreeMap::new();
        while let Ok((id, answered)) = self.receive.try_recv() {
            self.pending.remove(&id);
            let name = &answered.deployment;
            let meter = self.meters.entry(name.clone()).or_insert_with(|| Meter::new("probe", name));
            meter.count(answered.took, answered.asked.problem.is_none());
            let problem = answered.asked.problem.as_ref().map(|problem| format!("{id}: {problem}"));
            problems.entry(name.clone()).or_default().extend(problem);
            self.answers.insert(id, answered);
        }
        for (name, problems) in problems {
            if let Some(meter) = self.meters.get_mut(&name) {
                meter.conclude(clock, summary(&problems));
            }
        }
        self.meters.retain(|name, _| deployments.contains(name.as_str()));
        self.turns.retain(|name, _| deployments.contains(name.as_str()));
    }

    /// The answer for a connector, if it is about this.
    pub(super) fn answer(
        &self,
        id: &ConnectorId,
        subject: impl FnOnce() -> Option<Subject>,
        now: Duration,
    ) -> Option<Probe> {
        // Most connectors have none: what they store need not be looked at.
        let answered = self.answers.get(id)?;
        subject().filter(|subject| *subject == answered.subject)?;
        Some(Probe {
            answer: answered.asked.answer,
            age: now.saturating_sub(answered.at),
            margin_seconds: answered.asked.margin_seconds,
        })
    }

    /// Forgets connectors that are gone.
    pub(super) fn keep_only(&mut self, known: impl Fn(&ConnectorId) -> bool) {
        self.answers.retain(|id, _| known(id));
    }

    /// When a connector was last asked about; `None` sorts first.
    pub(super) fn asked_at(&self, id: &ConnectorId) -> Option<Duration> {
        self.answers.get(id).map(|answered| answered.at)
    }

    /// Whether it is this connector's turn to be asked about: a confirmed loss needs no second answer.
    pub(super) fn is_due(&self, id: &ConnectorId, subject: &Subject, ask: Ask, now: Duration) -> bool {
        if self.pending.contains(id) {
            return false;
        }
        match self.answers.get(id).filter(|answered| answered.subject == *subject) {
            None => true,
            Some(known) if ask == Ask::ToConfirm && known.asked.answer.refusal().is_some() => false,
            Some(known) => now.saturating_sub(known.at) >= ASK_AGAIN_AFTER,
        }
    }

    /// Asks in the background.
    pub(super) fn begin(&mut self, jobs: Vec<Job>, clock: Clock) {
        for job in jobs {
            self.pending.insert(job.id.clone());
            let turn =
                self.turns.entry(job.deployment.clone()).or_insert_with(|| Arc::new(Semaphore::new(1)));
            let (turn, places, send) = (Arc::clone(turn), Arc::clone(&self.places), self.send.clone());
            let (max_time, deadline) = (self.max_time, self.deadline);
            tokio::spawn(async move {
                let (at, id) = (clock.uptime(), job.id.clone());
                let (subject, deployment) = (job.subject.clone(), job.deployment.clone());
                let asked = ask_in_turn(job, turn, places, max_time, deadline).await;
                let took = clock.uptime().saturating_sub(at);
                // Nobody listens any more when the program ends.
                let _unheard = send.send((id, Answered { subject, deployment, at, took, asked })).is_err();
            });
        }
    }

    pub(super) fn meters(&self) -> impl Iterator<Item = &Meter> {
        self.meters.values()
    }
}

/// Waits for its turn and for a place, then asks. What runs into the deadline is left to end (the driver's futures must not
/// be dropped), and its deployment is not asked again until then.
async fn ask_in_turn(
    job: Job,
    turn: Arc<Semaphore>,
    places: Arc<Semaphore>,
    max_time: Duration,
    deadline: Duration,
) -> Asked {
    let patience = deadline * u32::try_from(PER_PASS).unwrap_or(1);
    let Ok(Ok(turn)) = tokio::time::timeout(patience, turn.acquire_owned()).await else {
        return no_answer(&job.members, "an earlier probe has not ended yet".to_owned());
    };
    let Ok(_place) = places.acquire().await else {
        return no_answer(&job.members, "the program is ending".to_owned());
    };
    bounded(job.question, job.members, (max_time, deadline), job.margin_seconds, turn).await
}

/// Asks, and does not wait longer than the deadline; `held` is let go when the asking has really ended.
pub(super) async fn bounded(
    question: Question,
    members: Vec<(String, Client)>,
    (max_time, deadline): (Duration, Duration),
    margin_seconds: Option<u32>,
    held: impl Send + 'static,
) -> Asked {
    let late = no_answer(&members, format!("did not answer within {deadline:.1?}"));
    let asking = tokio::spawn(async move {
        let asked = question.ask(&members, max_time, margin_seconds).await;
        drop(held);
        asked
    });
    match tokio::time::timeout(deadline, asking).await {
        Ok(Ok(asked)) => asked,
        Ok(Err(_)) | Err(_) => late,
    }
}

fn no_answer(members: &[(String, Client)], problem: String) -> Asked {
    Asked {
        answer: ProbeAnswer::Inconclusive,
        code: None,
        members: members.iter().map(|(host, _)| host.clone()).collect(),
        margin_seconds: None,
        problem: Some(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(stored: &str, namespace: &str) -> Subject {
        subject_at(stored, namespace, "mongodb://a/")
    }

    fn subject_at(stored: &str, namespace: &str, uri: &str) -> Subject {
        let access = Access::of_a_stranger(uri.to_owned().into(), None);
        let config = BTreeMap::from([("collection".to_owned(), namespace.to_owned())]);
        Subject::new(stored, &config, Some(&access))
    }

    fn answered(answer: ProbeAnswer, at: u64) -> Answered {
        let asked = Asked { answer, ..no_answer(&[], String::new()) };
        let (at, took) = (Duration::from_secs(at), Duration::ZERO);
        Answered { subject: subject("token", "c"), deployment: "rs0".into(), at, took, asked }
    }

    #[test]
    fn once_to_confirm_every_minute_to_know_and_anew_for_whatever_is_new() {
        let id = ConnectorId::new("main", "orders");
        let mut prober = Prober::new(Duration::from_secs(15));
        let due = |prober: &Prober, subject: Subject, ask, now| {
            prober.is_due(&id, &subject, ask, Duration::from_secs(now))
        };
        let same = || subject("token", "c");
        assert!(due(&prober, same(), Ask::ToConfirm, 0), "never asked");

        prober.answers.insert(id.clone(), answered(ProbeAnswer::of_code(286), 100));
        assert!(!due(&prober, same(), Ask::ToConfirm, 100_000), "what is gone does not come back");
        assert!(due(&prober, subject("newer", "c"), Ask::ToConfirm, 101), "another token");
        assert!(due(&prober, subject("token", "d"), Ask::ToConfirm, 101), "another configuration");
        assert!(
            due(&prober, subject_at("token", "c", "mongodb://b/"), Ask::ToConfirm, 101),
            "another server"
        );
        assert!(!due(&prober, same(), Ask::ToKnow, 159) && due(&prober, same(), Ask::ToKnow, 160));

        prober.answers.insert(id.clone(), answered(ProbeAnswer::Inconclusive, 100));
        assert!(!due(&prober, same(), Ask::ToConfirm, 159) && due(&prober, same(), Ask::ToConfirm, 160));
        prober.pending.insert(id.clone());
        assert!(!due(&prober, same(), Ask::ToKnow, 100_000), "one at a time");
    }

    #[test]
    fn an_answer_counts_for_what_it_was_about() {
        let id = ConnectorId::new("main", "orders");
        let mut prober = Prober::new(Duration::from_secs(15));
        prober.answers.insert(id.clone(), answered(ProbeAnswer::Resumes, 100));
        let at = |subject| prober.answer(&id, || Some(subject), Duration::from_secs(130));
        assert_eq!(at(subject("token", "c")).map(|probe| probe.age), Some(Duration::from_secs(30)));
        assert_eq!((at(subject("newer", "c")), at(subject("token", "d"))), (None, None));
        assert_eq!(at(subject_at("token", "c", "mongodb://b/")), None, "the name leads elsewhere now");
    }
}
