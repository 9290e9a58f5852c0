//! How many connections there are. A new one is never turned away for those that ask for nothing: the one that has been
//! silent for longest makes room.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Every connection that is open.
#[derive(Debug)]
pub(super) struct Connections {
    most: usize,
    open: Mutex<HashMap<u64, Arc<State>>>,
    /// Counts whatever happens: a clock that is good enough to tell what was earlier.
    moments: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// Requests that are being answered.
    busy: AtomicUsize,
    /// The moment of its last request, or of its beginning.
    since: AtomicU64,
    must_go: Notify,
}

/// One of them; it leaves when this is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    id: u64,
    state: Arc<State>,
    all: Arc<Connections>,
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Request(Arc<State>);

impl Connections {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, open: Mutex::default(), moments: AtomicU64::new(0) })
    }

    /// Room for one more; `None` where every other one is being answered.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Connection> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= self.most {
            let silent = open.iter().filter(|(_, state)| state.busy.load(Ordering::SeqCst) == 0);
            let oldest =
                silent.min_by_key(|(_, state)| state.since.load(Ordering::SeqCst)).map(|(id, _)| *id)?;
            if let Some(state) = open.remove(&oldest) {
                state.must_go.notify_one();
            }
        }
        let id = self.moments.fetch_add(1, Ordering::SeqCst);
        let state = Arc::new(State { since: AtomicU64::new(id), ..State::default() });
        open.insert(id, Arc::clone(&state));
        Some(Connection { id, state, all: Arc::clone(self) })
    }
}

impl Connection {
    /// Ends when another one needs the room.
    pub(super) async fn must_go(&self) {
        self.state.must_go.notified().await;
    }

    /// A request has been read whole and is answered until what is returned is dropped.
    pub(super) fn begin(&self) -> Request {
        self.state.busy.fetch_add(1, Ordering::SeqCst);
        self.state.since.store(self.all.moments.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
        Request(Arc::clone(&self.state))
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.all.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn must_go(connection: &Connection) -> bool {
        connection.must_go().now_or_never().is_some()
    }

    #[test]
    fn the_silent_make_room_and_those_who_are_answered_do_not() {
        let all = Connections::new(2);
        let (first, second) = (all.admit().unwrap(), all.admit().unwrap());
        let asked = first.begin();
        let third = all.admit().unwrap();
        assert!(must_go(&second) && !must_go(&first) && !must_go(&third));
        drop(second);
        assert_eq!(all.open.lock().unwrap().len(), 2);
        let also = third.begin();
        assert!(all.admit().is_none(), "everybody is being answered");
        drop((asked, also));
        // Both are silent now; the third has asked later.
        let fourth = all.admit().unwrap();
        assert!(must_go(&first) && !must_go(&third));
        drop((first, third, fourth));
        assert!(all.open.lock().unwrap().is_empty());
    }
}
