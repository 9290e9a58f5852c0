//! How much one address may ask for: a bucket that fills at a steady rate.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Addresses that are remembered at most. Beyond them the one that has asked for the least goes.
const ADDRESSES: usize = 4096;

/// So much at once, and so much a second.
#[derive(Debug)]
pub(super) struct Limit {
    burst: f64,
    per_second: f64,
    /// What is left, and the uptime at which that was so, seconds.
    left: Mutex<HashMap<IpAddr, (f64, f64)>>,
}

impl Limit {
    /// `per_second` may be a fraction; 0 for both: no limit.
    pub(super) fn new(burst: f64, per_second: f64) -> Self {
        Self { burst, per_second, left: Mutex::default() }
    }

    /// Gives back one that was taken.
    pub(super) fn give_back(&self, from: IpAddr) {
        let mut all = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((left, _)) = all.get_mut(&network(from)) {
            *left = (*left + 1.0).min(self.burst);
        }
    }

    /// Takes one, or says after how long there is one again.
    pub(super) fn take(&self, from: IpAddr, now: Duration) -> Result<(), Duration> {
        if self.burst == 0.0 {
            return Ok(());
        }
        let (from, now) = (network(from), now.as_secs_f64());
        let mut all = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = |(left, at): (f64, f64)| (left + (now - at) * self.per_second).min(self.burst);
        let left = all.get(&from).copied().map_or(self.burst, filled);
        if left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - left) / self.per_second));
        }
        if all.len() >= ADDRESSES && !all.contains_key(&from) {
            let fullest = all.iter().max_by(|a, b| filled(*a.1).total_cmp(&filled(*b.1)));
            if let Some(fullest) = fullest.map(|(address, _)| *address) {
                all.remove(&fullest);
            }
        }
        all.insert(from, (left - 1.0, now));
        Ok(())
    }
}

/// Whoever has one address of IPv6 has a whole /64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_burst_then_a_steady_rate_for_each_address() {
        let limit = Limit::new(2.0, 0.5);
        let (one, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        assert!(limit.take(one, at(0)).is_ok() && limit.take(one, at(0)).is_ok());
        assert_eq!(limit.take(one, at(0)), Err(at(2)));
        assert_eq!(limit.take(one, at(1)), Err(at(1)));
        assert!(limit.take(other, at(0)).is_ok());
        assert!(limit.take(one, at(2)).is_ok());
        assert_eq!(limit.take(one, at(2)), Err(at(2)));
        // Never more than the burst.
        assert!(limit.take(one, at(900)).is_ok() && limit.take(one, at(900)).is_ok());
        assert!(limit.take(one, at(900)).is_err());
    }

    #[test]
    fn what_is_given_back_is_there_again_and_never_more_than_the_burst() {
        let limit = Limit::new(2.0, 0.5);
        let one = "10.0.0.1".parse().unwrap();
        for _login in 0..10 {
            limit.take(one, at(0)).unwrap();
            limit.give_back(one);
        }
        limit.give_back(one);
        assert!(limit.take(one, at(0)).is_ok() && limit.take(one, at(0)).is_ok());
        assert!(limit.take(one, at(0)).is_err());
    }

    #[test]
    fn addresses_of_one_network_are_one() {
        let limit = Limit::new(1.0, 1.0);
        assert!(limit.take("2001:db8::1".parse().unwrap(), at(0)).is_ok());
        assert!(limit.take("2001:db8::2".parse().unwrap(), at(0)).is_err());
        assert!(limit.take("2001:db8:0:1::1".parse().unwrap(), at(0)).is_ok());
        assert!(limit.take("10.0.0.1".parse().unwrap(), at(0)).is_ok());
        assert!(limit.take("::ffff:10.0.0.1".parse().unwrap(), at(0)).is_err());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_thirsty_stay() {
        let limit = Limit::new(4.0, 0.001);
        let thirsty: IpAddr = "10.9.9.9".parse().unwrap();
        for _cup in 0..4 {
            limit.take(thirsty, at(0)).unwrap();
        }
        for n in 0..2 * u32::try_from(ADDRESSES).unwrap() {
            limit.take(IpAddr::V4(n.into()), at(0)).unwrap();
        }
        assert_eq!(limit.left.lock().unwrap().len(), ADDRESSES);
        assert!(limit.take(thirsty, at(1)).is_err());
    }

    #[test]
    fn nothing_is_no_limit() {
        let limit = Limit::new(0.0, 0.0);
        assert!((0..10_000).all(|_| limit.take("10.0.0.1".parse().unwrap(), at(0)).is_ok()));
    }
}
