//! An oplog that writes, and truncates at its checkpoints what no longer fits.

use super::{Forecast, OplogTrack, PositionTrack, Sample, forecast};
use crate::domain::Timestamp;
use std::collections::VecDeque;

/// Bytes a second at a second.
pub(super) type Load = fn(u32) -> u64;

pub(super) const HOUR: u32 = 3600;
pub(super) const DAY: u32 = 24 * HOUR;
pub(super) const BEGIN: u32 = 1_700_000_000 - 1_700_000_000 % DAY;

/// As WiredTiger's: a stretch is removed as a whole, at a checkpoint, once the rest still fills the maximum.
pub(super) struct Simulation {
    pub(super) max: u64,
    pub(super) markers: u64,
    pub(super) checkpoint: u32,
    pub(super) retention: u32,
    pub(super) pass: u32,
    /// A pass in which the size is read, of so many; 0 for never.
    pub(super) sizes_every: u32,
    pub(super) load: Load,
    pub(super) now: u32,
    entries: VecDeque<(u32, u64)>,
    closed: VecDeque<(u32, u64)>,
    open: u64,
    size: u64,
    read_size: Option<u64>,
    truncated: bool,
    pub(super) track: OplogTrack,
}

impl Simulation {
    pub(super) fn new(max: u64, load: Load) -> Self {
        Self {
            max,
            markers: 50,
            checkpoint: 60,
            retention: 0,
            pass: 10,
            sizes_every: 6,
            load,
            now: BEGIN,
            entries: VecDeque::new(),
            closed: VecDeque::new(),
            open: 0,
            size: 0,
            read_size: None,
            truncated: false,
            track: OplogTrack::default(),
        }
    }

    pub(super) fn first(&self) -> u32 {
        self.entries.front().map_or(self.now, |entry| entry.0)
    }

    /// One second.
    pub(super) fn step(&mut self, watched: bool) {
        self.now += 1;
        let bytes = (self.load)(self.now);
        self.entries.push_back((self.now, bytes));
        self.size += bytes;
        self.open += bytes;
        if self.open >= self.max / self.markers {
            self.closed.push_back((self.now, self.open));
            self.open = 0;
        }
        if self.now.is_multiple_of(self.checkpoint) {
            self.truncate();
        }
        if watched && self.now.is_multiple_of(self.pass) {
            self.read();
        }
    }

    fn truncate(&mut self) {
        while let Some((until, bytes)) = self.closed.front().copied() {
            if self.size - bytes < self.max || self.now < until + self.retention {
                return;
            }
            self.closed.pop_front();
            self.size -= bytes;
            self.truncated = true;
            while self.entries.front().is_some_and(|entry| entry.0 <= until) {
                self.entries.pop_front();
            }
        }
    }

    fn read(&mut self) {
        if self.sizes_every > 0 && (self.now / self.pass).is_multiple_of(self.sizes_every) {
            self.read_size = Some(self.size);
        }
        self.track = self.track.after(Sample {
            last: at(self.now),
            first: at(self.first()),
            initiating: !self.truncated,
            size_bytes: self.read_size,
            max_size_bytes: (self.sizes_every > 0).then_some(self.max),
        });
    }

    pub(super) fn run(&mut self, seconds: u32, watched: bool) {
        for _ in 0..seconds {
            self.step(watched);
        }
    }

    pub(super) fn forecast(&self, position: u32, advance: &PositionTrack) -> Forecast {
        let retention = (self.retention > 0).then(|| u64::from(self.retention));
        forecast(&self.track, at(position), advance, retention)
    }

    /// Lets `position` stand still until it is lost: when that was, and what was forecast on the way, by time.
    pub(super) fn until_lost(&mut self, position: u32) -> (u32, Vec<(u32, Forecast)>) {
        let mut forecasts = Vec::new();
        while self.first() <= position {
            self.step(true);
            if self.now.is_multiple_of(self.pass) {
                forecasts.push((self.now, self.forecast(position, &PositionTrack::default())));
            }
        }
        (self.now, forecasts)
    }
}

pub(super) fn at(t: u32) -> Timestamp {
    Timestamp { t, i: 1 }
}
