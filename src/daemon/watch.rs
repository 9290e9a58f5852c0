//! One pass after the other, with the memory between them.

use crate::clock::Clock;
use crate::config::Config;
use crate::history::{Happening, History, Reader};
use crate::publish::status::{Status, Tokens};
use crate::publish::{InForce, Published, metrics};
use crate::recovery::{Desk, Hands};
use crate::sources::Observer;
use resumeguard_core::assess::{Memory, Thresholds, assess};
use resumeguard_core::domain::{LossCause, Snapshot};
use std::collections::BTreeSet;
use std::sync::Arc;

/// One pass after the other, with the memory between them.
#[derive(Debug)]
pub struct Watch {
    clock: Clock,
    observer: Observer,
    thresholds: Thresholds,
    memory: Arc<Memory>,
    history: Option<History>,
    desk: Option<Desk>,
    own: metrics::Own,
    in_force: InForce,
}

impl Watch {
    /// A watch that has seen nothing.
    ///
    /// # Errors
    /// Where no HTTP client can be made.
    pub fn new(config: &Config, clock: Clock) -> anyhow::Result<Self> {
        Ok(Self {
            clock,
            observer: Observer::new(config)?,
            thresholds: config.thresholds.clone(),
            memory: Arc::default(),
            history: None,
            desk: None,
            own: metrics::Own::default(),
            in_force: InForce::of(config),
        })
    }

    /// A watch that keeps what it sees, where the configuration says where, and goes on with what an earlier one remembered; with
    /// the clock that goes on as well.
    ///
    /// # Errors
    /// Where no HTTP client can be made.
    pub async fn resumed(config: &Config, clock: Clock) -> anyhow::Result<(Self, Clock)> {
        let Some(kept) = &config.history else {
            tracing::info!("no history is kept: judgement begins anew; set history.directory to keep one");
            return Ok((Self::new(config, clock)?, clock));
        };
        let (mut history, restored) = History::open(kept, clock).await;
        let memory = if restored.is_some() { "restored" } else { "none" };
        let detail = serde_json::json!({ "version": env!("CARGO_PKG_VERSION"), "memory": memory });
        history.tell(Happening { connector: None, kind: "started", detail });
        tracing::info!(directory = %kept.directory.display(), memory, "a history is kept");
        let (clock, memory) = match restored {
            Some(restored) => (Clock::resumed(restored.uptime, restored.since_1970), restored.memory),
            None => (clock, Memory::default()),
        };
        let watch = Self { memory: Arc::new(memory), history: Some(history), ..Self::new(config, clock)? };
        Ok((watch, clock))
    }

    /// Another configuration holds from the next pass on; what was seen and counted stays. The history stays where it is.
    ///
    /// # Errors
    /// Where no HTTP client can be made of it: the old one holds then, whole.
    pub fn reconfigure(&mut self, config: &Config) -> anyhow::Result<()> {
        self.observer.reconfigure(config)?;
        self.thresholds = config.thresholds.clone();
        self.in_force = InForce::of(config);
        if let Some(desk) = &self.desk {
            desk.reconfigure(config);
        }
        Ok(())
    }

    /// Connect clusters in which an attempt is open.
    #[must_use]
    pub fn busy(&self) -> BTreeSet<String> {
        self.desk.as_ref().map(Desk::busy).unwrap_or_default()
    }

    /// How the configuration was last read goes into the metrics, and into the history where it was read again.
    pub fn tell_reload(&mut self, reload: metrics::Reload, again: Option<&str>) {
        self.own.reload = Some(reload);
        if let (Some(history), Some(by)) = (&mut self.history, again) {
            let detail = serde_json::json!({ "by": by, "successful": reload.successful });
            history.tell(Happening { connector: None, kind: "reloaded", detail });
        }
    }

    /// Makes plans after each pass, and has carried out what may be.
    #[must_use]
    pub fn recovering(mut self, desk: Desk) -> Self {
        for attempt in desk.ledger().open_attempts() {
            if let Some(saved) = &attempt.saved {
                self.observer.assume(&attempt.plan.connector, &saved.config);
            }
        }
        Self { desk: Some(desk), ..self }
    }

    /// Who answers what was seen, where that is kept.
    #[must_use]
    pub fn reader(&self) -> Option<Reader> {
        self.history.as_ref().map(History::reader)
    }

    /// One pass.
    pub async fn pass(&mut self) -> Snapshot {
        let begun = self.clock.uptime();
        let mut facts = self.observer.observe(&self.clock).await;
        facts.sources.extend(self.history.as_mut().map(|history| history.settle(&self.clock)));
        let now = self.clock.now();
        let (mut snapshot, memory) = assess(&self.memory, &facts, &self.thresholds, now);
        self.memory = Arc::new(memory);
        if let Some(desk) = &self.desk {
            desk.name_our_own(&mut snapshot);
        }
        self.in_force = self.in_force.seen(&facts);
        if let Some(history) = &mut self.history {
            happenings(&snapshot).for_each(|happening| history.tell(happening));
            history.keep(&snapshot, &self.memory, now);
        }
        if let Some(desk) = &self.desk {
            desk.plan(&snapshot, &facts, self.observer.details(&self.clock));
        }
        self.own.passes += 1;
        self.own.durations.observe(self.clock.uptime().saturating_sub(begun).as_secs_f64());
        snapshot
    }

    /// Asks servers about what this pass could not settle, in the background: the next pass knows the answers. Not for a
    /// pass that is the only one.
    pub fn ask(&mut self, snapshot: &Snapshot) {
        self.observer.ask(snapshot, &self.thresholds, &self.clock);
    }

    /// Has begun, or gone on with, what may be done after the last pass.
    pub fn recover(&self) {
        self.lend_hands();
        if let Some(desk) = &self.desk {
            desk.act();
        }
    }

    /// Lets the desk reach the connectors that it has to do with. Nothing is begun by that.
    pub fn lend_hands(&self) {
        let Some(desk) = &self.desk else { return };
        let wanted = desk.wants_hands().into_iter();
        desk.reach(wanted.filter_map(|id| Some((id.clone(), Hands::of(&self.observer, &id)?))).collect());
    }

    /// Renders a pass.
    #[must_use]
    pub fn render(&self, snapshot: &Snapshot) -> Published {
        let overview = self.desk.as_ref().map(|desk| desk.show(|seen| seen.all_plans())).unwrap_or_default();
        let seen = Status::new(snapshot, Tokens::Shown).with_plans(&overview);
        let meters = self.observer.meters().chain(self.history.as_ref().map(History::meter));
        let plans = self.desk.as_ref().map(|desk| desk.show(metrics::plans)).unwrap_or_default();
        let recovery = self.desk.as_ref().map(|desk| desk.show(metrics::recovery)).unwrap_or_default();
        let subjects = [metrics::subjects(snapshot), plans].concat();
        let own = [metrics::own(meters, &self.own), recovery, metrics::process()].concat();
        Published::new(self.clock.uptime(), seen, subjects, own)
            .judged_by(self.own.passes, self.in_force.clone())
    }
}

/// What the history keeps besides samples and changes.
fn happenings(snapshot: &Snapshot) -> impl Iterator<Item = Happening> {
    snapshot.connectors.iter().flat_map(|report| {
        report.new_discontinuities().iter().map(|found| Happening {
            connector: Some(report.id.clone()),
            kind: found.outcome.code(),
            detail: serde_json::json!({
                "cause": found.outcome.cause().map(LossCause::code),
                "from": { "t": found.from.t, "i": found.from.i },
                "to": { "t": found.to.t, "i": found.to.i },
                "seconds": found.seconds(),
                "tolerance": found.tolerance.code(),
                "startup_mode": found.startup_mode.code(),
            }),
        })
    })
}
