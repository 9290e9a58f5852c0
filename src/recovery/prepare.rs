//! What is decided and asked about a step at the last moment, when nothing has been written down yet.

use super::walk::{Turn, Walk};
use super::{Hands, world};
use crate::sources::mongodb::Question;
use crate::sources::mongodb::reach::to_its_end;
use resumeguard_core::domain::FailureClass;
use resumeguard_core::recovery::check::{Check, check};
use resumeguard_core::recovery::{Attempt, Outcome, Phase, Step, Will, World};
use std::time::Duration;

/// How long a server may look for what a mark points at. It reads on until something comes or its oplog ends.
const ASKED: Duration = Duration::from_secs(3);
/// Two questions at the most, with what connecting takes.
const ANSWERED: Duration = Duration::from_secs(10);

/// So many marks in a row that the server refuses: this round is lost.
const MARKS: u32 = 4;

/// Whether a step is taken.
pub(super) enum Prepared {
    /// It is, and stores this, in this world.
    Go(Will, Box<World>),
    /// It ends before it is begun.
    Ends(Outcome),
    /// Nothing can be said at the moment.
    LookAgain,
}

/// What a server says of a mark.
enum Mark {
    /// It may be written; why it could not be asked about, where it could not.
    Good(Option<String>),
    Gone,
    Refused(String),
}

impl Walk<'_> {
    pub(super) async fn prepare(
        &mut self,
        attempt: &Attempt,
        turn: &Turn,
        hands: &Hands,
        mut world: World,
    ) -> Prepared {
        for _ in 0..MARKS {
            let margin = self.margin_seconds(turn, hands, &world).await;
            let will = match check(attempt, turn.phase, &turn.step, &world, margin) {
                Check::Go(will) => will,
                Check::Ends(outcome) => return Prepared::Ends(outcome),
            };
            if let Err(says) = self.rehearse(attempt, turn, hands, &world).await {
                return Prepared::Ends(Outcome::Failed { says });
            }
            if !marks(turn) {
                return Prepared::Go(will, Box::new(world));
            }
            match ask(hands, &world, &will).await {
                Mark::Good(unasked) => {
                    if let Some(why) = unasked {
                        tracing::info!(connector = %attempt.plan.connector, attempt = %attempt.id, "the mark was not asked about: {why}");
                    }
                    return Prepared::Go(will, Box::new(world));
                }
                Mark::Refused(says) => return Prepared::Ends(Outcome::Failed { says }),
                Mark::Gone => {}
            }
            // It has rolled away since it was read: from the newest beginning on.
            let name = &attempt.plan.connector.connector;
            match world::read(hands, name, &self.executor.clock, Some(attempt)).await {
                Ok(read) => world = read,
                Err(_) => return Prepared::LookAgain,
            }
            self.note(&world);
        }
        let says = "the oplog loses its beginning faster than it can be read".to_owned();
        Prepared::Ends(Outcome::Again { says })
    }

    /// Ahead of the oldest entry, and never more than half of what is there: a mark ahead of everything would be accepted, and
    /// skip what is written until then.
    async fn margin_seconds(&self, turn: &Turn, hands: &Hands, world: &World) -> u32 {
        let wanted = if marks(turn) { self.pace.margin_seconds(turn.round) } else { 0 };
        let Ok(oldest) = world.oldest else { return wanted };
        if wanted == 0 {
            return 0;
        }
        let window = hands.newest().await.map(|newest| newest.t.saturating_sub(oldest.t));
        window.map_or(wanted, |window| wanted.min(window / 2))
    }
}

/// Whether a step says where in the oplog the connector goes on.
pub(super) fn marks(turn: &Turn) -> bool {
    turn.phase == Phase::Forward && matches!(turn.step, Step::WriteMark { .. } | Step::StartAtOldest { .. })
}

/// Opens the connector's own stream at the mark, as the connector is going to.
async fn ask(hands: &Hands, world: &World, will: &Will) -> Mark {
    let Some(text) = &will.text else { return Mark::Good(None) };
    let question = match Question::new(&world.config, text) {
        Ok(question) => question,
        Err(why) => return Mark::Good(Some(why.to_string())),
    };
    let members = hands.selected().await;
    if members.is_empty() {
        return Mark::Good(Some("not every member that it may select can be asked".to_owned()));
    }
    let asking = async move { question.ask(&members, ASKED, None).await };
    let Some(asked) = to_its_end(ANSWERED, asking).await else {
        return Mark::Good(Some(format!("no answer within {ANSWERED:.0?}")));
    };
    match asked.answer.refusal().map(|failure| failure.class) {
        Some(FailureClass::HistoryLost) => Mark::Gone,
        Some(class) => {
            let code = asked.code.map_or_else(String::new, |code| format!(" with error {code}"));
            Mark::Refused(format!("the server refuses the mark{code}: {}", class.code()))
        }
        None => Mark::Good(asked.problem),
    }
}
