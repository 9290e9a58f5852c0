//! A compacted topic, read from its beginning and then followed. One thread owns the client; readers see what it has
//! folded, and may wait until that is not older than their question.

use super::follow;
use crate::config::KafkaTopic;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// One record of a topic.
pub(crate) struct Record<'a> {
    /// Partition and offset: no two records share both.
    pub(crate) place: (i32, i64),
    pub(crate) key: &'a [u8],
    /// `None`: a tombstone.
    pub(crate) value: Option<&'a [u8]>,
    /// Its time by Kafka's clock, milliseconds since 1970.
    pub(crate) at: Option<i64>,
}

/// What becomes of a topic's records: the last value of a key wins, so what it holds is bounded by live keys.
pub(crate) trait Fold: Default + Send + 'static {
    /// One record.
    fn record(&mut self, record: &Record<'_>);

    /// Every partition has been read to its end once.
    fn caught_up(&mut self) {}
}

/// Why what is folded does not tell what is stored now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Behind {
    /// It is still being read from its beginning.
    #[error("the topic `{topic}` is being read from its beginning: {percent} %")]
    Replaying {
        /// The topic.
        topic: String,
        /// Of what there was when reading began.
        percent: u8,
    },
    /// It cannot be read; one line with what to do.
    #[error("{0}")]
    Failed(String),
}

/// A topic that is followed.
#[derive(Debug)]
pub(crate) struct Tail<F> {
    shared: Arc<Shared<F>>,
}

/// Partitions in which an open transaction hides what was stored after it.
pub(crate) type Held = BTreeSet<i32>;

#[derive(Debug)]
pub(super) struct Shared<F> {
    state: Mutex<State<F>>,
    /// Number of the last question.
    asked: AtomicU64,
    answered: Notify,
    unwanted: AtomicBool,
}

/// Readings that were begun, of all topics: none has the number of another.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// A number for a reading that begins.
fn new_reading() -> u64 {
    BEGUN.fetch_add(1, Ordering::Relaxed)
}

#[derive(Debug)]
struct State<F> {
    fold: F,
    /// The reading that the fold is of: a topic that was made anew has other records at the same places.
    reading: u64,
    /// Why the fold does not count, if it does not.
    behind: Option<Behind>,
    /// The last question that was answered, and how.
    answer: (u64, Result<Held, Behind>),
}

impl<F: Fold> Tail<F> {
    /// Begins to follow. `setting` is the worker's property that names the topic. What goes wrong is told by
    /// [`Tail::read`] and [`Tail::catch_up`].
    pub(crate) fn follow(topic: &KafkaTopic, setting: &'static str) -> Self {
        let nothing = Behind::Replaying { topic: topic.topic.clone(), percent: 0 };
        let shared = Arc::new(Shared::new(nothing));
        let (thread, topic) = (Arc::clone(&shared), topic.clone());
        let spawned = std::thread::Builder::new()
            .name("kafka-tail".to_owned())
            .spawn(move || follow::follow(&thread, &topic, setting));
        if let Err(error) = spawned {
            shared.fail(format!("no thread could be started: {error}"));
        }
        Self { shared }
    }

    /// What has been folded, and the number of the reading that it is of: for whoever has just caught up. It asks nothing.
    ///
    /// # Errors
    /// Where reading has begun anew since, or cannot go on: then the fold may hold a half of what is stored.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&F, u64) -> T) -> Result<T, Behind> {
        let state = self.shared.lock();
        state.behind.clone().map_or_else(|| Ok(look(&state.fold, state.reading)), Err)
    }

    /// What has been folded so far. It waits for nothing, and makes the thread look at the topic again.
    ///
    /// # Errors
    /// While the topic has not been read to its end once, or cannot be read.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&F) -> T) -> Result<T, Behind> {
        self.shared.asked.fetch_add(1, Ordering::AcqRel);
        let state = self.shared.lock();
        state.behind.clone().map_or_else(|| Ok(look(&state.fold)), Err)
    }

    /// Waits until everything that was committed to the topic before this call has been folded. While the topic is
    /// being read from its beginning, that is said at once.
    ///
    /// # Errors
    /// Why it has not been folded within `deadline`.
    pub(crate) async fn catch_up(&self, deadline: Duration) -> Result<Held, Behind> {
        let question = self.shared.asked.fetch_add(1, Ordering::AcqRel) + 1;
        let answer = tokio::time::timeout(deadline, self.shared.answer_to(question)).await;
        answer.unwrap_or_else(|_| {
            let behind = self.shared.lock().behind.clone();
            Err(behind.unwrap_or_else(|| {
                Behind::Failed(format!(
                    "the brokers did not answer within {deadline:.1?}; are they reachable?"
                ))
            }))
        })
    }
}

impl<F> Drop for Tail<F> {
    fn drop(&mut self) {
        self.shared.unwanted.store(true, Ordering::Relaxed);
    }
}

impl<F> Shared<F> {
    /// Nothing panics while it is held, and a fold is whole after every record.
    fn lock(&self) -> MutexGuard<'_, State<F>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_wanted(&self) -> bool {
        !self.unwanted.load(Ordering::Relaxed)
    }

    /// Number of the last question; 0 before the first.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Acquire)
    }

    async fn answer_to(&self, question: u64) -> Result<Held, Behind> {
        loop {
            let woken = self.answered.notified();
            tokio::pin!(woken);
            // Registered before looking: an answer in between is not missed.
            woken.as_mut().enable();
            if let (answered, answer) = &self.lock().answer
                && *answered >= question
            {
                return answer.clone();
            }
            woken.await;
        }
    }

    /// Answers a question and every earlier one.
    pub(super) fn answer(&self, question: u64, answer: Result<Held, Behind>) {
        self.lock().answer = (question, answer);
        self.answered.notify_waiters();
    }
}

impl<F: Fold> Shared<F> {
    fn new(behind: Behind) -> Self {
        let answer = (0, Err(behind.clone()));
        let state = State { fold: F::default(), reading: new_reading(), behind: Some(behind), answer };
        Self {
            state: Mutex::new(state),
            asked: AtomicU64::new(0),
            answered: Notify::new(),
            unwanted: AtomicBool::new(false),
        }
    }

    /// What is folded is what is stored, as far as it has been read; or the brokers are away for the moment.
    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        self.lock().behind = trouble.map(Behind::Failed);
    }

    /// It cannot be read: what was folded does not count any more.
    pub(super) fn fail(&self, error: String) {
        let mut state = self.lock();
        state.fold = F::default();
        state.reading = new_reading();
        state.behind = Some(Behind::Failed(error.clone()));
        drop(state);
        self.answer(self.asked(), Err(Behind::Failed(error)));
    }

    /// How far reading from the beginning has come. What made it begin anew is said until something has come of it: a right
    /// that is missing shows only once records are asked for.
    pub(super) fn set_progress(&self, topic: &str, percent: u8) -> Behind {
        let mut state = self.lock();
        let behind = match &state.behind {
            Some(failed @ Behind::Failed(_)) if percent == 0 => failed.clone(),
            _ => Behind::Replaying { topic: topic.to_owned(), percent },
        };
        state.behind = Some(behind.clone());
        behind
    }

    /// Every partition has been read to its end once.
    pub(super) fn set_live(&self) {
        let mut state = self.lock();
        state.fold.caught_up();
        state.behind = None;
    }

    /// Lets many records be folded under one lock.
    pub(super) fn fold(&self, fold: impl FnOnce(&mut F)) {
        fold(&mut self.lock().fold);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<F: Fold> Tail<F> {
        /// One that no thread feeds, read to its end.
        pub(crate) fn of(fold: F) -> Self {
            let shared = Shared::new(Behind::Failed(String::new()));
            shared.lock().fold = fold;
            shared.set_live();
            Self { shared: Arc::new(shared) }
        }

        /// Reading begins anew.
        pub(crate) fn fail(&self) {
            self.shared.fail("anew".to_owned());
        }
    }

    #[derive(Debug, Default)]
    struct Count(usize);

    impl Fold for Count {
        fn record(&mut self, _record: &Record<'_>) {
            self.0 += 1;
        }
    }

    #[test]
    fn a_fold_that_is_begun_anew_is_not_looked_at_and_is_another_reading_afterwards() {
        let replaying = Behind::Replaying { topic: "t".to_owned(), percent: 0 };
        let tail = Tail { shared: Arc::new(Shared::<Count>::new(replaying.clone())) };
        let look = || tail.look(|count, reading| (count.0, reading));
        let take = || {
            tail.shared.fold(|count| {
                count.record(&Record { place: (0, 7), key: b"k", value: None, at: None });
            });
        };
        take();
        assert_eq!(look(), Err(replaying), "half of it");
        tail.shared.set_live();
        let (count, first) = look().unwrap();
        assert_eq!(count, 1);

        tail.shared.fail("it was made anew".to_owned());
        let failed = Behind::Failed("it was made anew".to_owned());
        assert_eq!(look(), Err(failed));
        take();
        assert!(look().is_err(), "half of it again");
        tail.shared.set_live();
        let (count, second) = look().unwrap();
        assert_eq!(count, 1);
        assert_ne!(first, second, "the same place, yet another record");
    }

    #[test]
    fn no_two_topics_are_one_reading() {
        let reading = || Shared::<Count>::new(Behind::Failed(String::new())).lock().reading;
        assert_ne!(reading(), reading());
    }
}
