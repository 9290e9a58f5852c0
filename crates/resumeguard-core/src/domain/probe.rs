//! What the server says when it is asked whether a stored token resumes.

use super::{Failure, FailureClass};
use std::time::Duration;

/// What a verdict stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Basis {
    /// Arithmetic: the position against the oplog's bounds.
    Window,
    /// The server was asked.
    Probe,
}

impl Basis {
    /// The word that JSON carries.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Probe => "probe",
        }
    }
}

/// The server's answer to an aggregate that opens the connector's own stream after its stored token. It holds for the
/// members that were asked, at the moment at which they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// The stream goes on from there: an event after the token was seen, or the token's own event was found in the
    /// stream, or the token is a high-water mark, which names no event that could be missing.
    Resumes,
    /// It was accepted and nothing came: the history is there; whether the token is of this stream shows at the next
    /// event only. An advanced `postBatchResumeToken` proves no more: a token of another collection gets one too (seen
    /// on mongod 6.0.5).
    NotContradicted,
    /// The server refuses it for good.
    Refused(Failure),
    /// Whoever asked may not open this stream; the connector's own user may.
    Unauthorized,
    /// Nothing follows: out of time, nobody there, or an error that says nothing of the token.
    Inconclusive,
}

impl ProbeAnswer {
    /// Every word of [`ProbeAnswer::code`].
    pub const CODES: [&'static str; 8] = [
        "resumes",
        "not_contradicted",
        "lost",
        "wrong_stream",
        "malformed",
        "event_too_large",
        "unauthorized",
        "inconclusive",
    ];

    /// What an error of the aggregate means (J7). 50 `MaxTimeMSExpired` is inconclusive: a lost token gets it as well
    /// where the time is short enough (seen on mongod 6.0.5).
    #[must_use]
    pub fn of_code(code: u32) -> Self {
        let class = FailureClass::of_code(code);
        match class {
            FailureClass::HistoryLost
            | FailureClass::WrongStream
            | FailureClass::TokenMalformed
            | FailureClass::EventTooLarge => Self::Refused(Failure { code: Some(code), class }),
            FailureClass::Unauthorized => Self::Unauthorized,
            FailureClass::Transient | FailureClass::Other => Self::Inconclusive,
        }
    }

    /// The word that JSON carries.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Resumes => "resumes",
            Self::NotContradicted => "not_contradicted",
            Self::Refused(Failure { class: FailureClass::HistoryLost, .. }) => "lost",
            Self::Refused(Failure { class: FailureClass::TokenMalformed, .. }) => "malformed",
            Self::Refused(Failure { class: FailureClass::EventTooLarge, .. }) => "event_too_large",
            Self::Refused(_) => "wrong_stream",
            Self::Unauthorized => "unauthorized",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// The error with which the server refuses the token.
    #[must_use]
    pub fn refusal(self) -> Option<Failure> {
        match self {
            Self::Refused(failure) => Some(failure),
            Self::Resumes | Self::NotContradicted | Self::Unauthorized | Self::Inconclusive => None,
        }
    }

    /// Of the answers of several members that the connector may select, the one that decides: like the greatest `first`
    /// in arithmetic, the one that helps least. Whichever was asked first changes nothing.
    #[must_use]
    pub fn or_worse(self, other: Self) -> Self {
        std::cmp::max_by_key(self, other, |answer| answer.badness())
    }

    /// A member that holds too little decides (J3), then one that refuses for another reason, then one that could not be
    /// asked. Of two other reasons the code decides: it must be one and the same in every order.
    fn badness(self) -> (u8, bool, Option<u32>) {
        match self {
            Self::Resumes => (0, false, None),
            Self::NotContradicted => (1, false, None),
            Self::Inconclusive => (2, false, None),
            Self::Unauthorized => (3, false, None),
            Self::Refused(Failure { code, class }) => (4, class == FailureClass::HistoryLost, code),
        }
    }
}

/// An answer for the position that is stored now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// What the server said.
    pub answer: ProbeAnswer,
    /// How long before the judgement it was asked.
    pub age: Duration,
    /// A position this many seconds of oplog time older would resume as well, and the oplog has been truncated before:
    /// the headroom is at least this. `None` where that is not proven.
    pub margin_seconds: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_a_real_server_gave() {
        let word = |code| ProbeAnswer::of_code(code).code();
        assert_eq!((word(286), word(40576), word(136)), ("lost", "lost", "lost"));
        assert_eq!((word(280), word(40585), word(260)), ("wrong_stream", "wrong_stream", "wrong_stream"));
        for code in [9, 15, 40647, 40648, 40649, 50795, 50796, 50810, 50811, 51057, 6_189_500] {
            assert_eq!(word(code), "malformed", "{code}");
        }
        assert_eq!((word(10334), word(13)), ("event_too_large", "unauthorized"));
        for code in [50, 43, 189, 10107, 26, 20, 40415, 1] {
            assert_eq!(word(code), "inconclusive", "{code}");
        }
    }

    #[test]
    fn the_member_that_helps_least_decides_whatever_the_order() {
        let lost = ProbeAnswer::of_code(286);
        let from_best = [
            ProbeAnswer::Resumes,
            ProbeAnswer::NotContradicted,
            ProbeAnswer::Inconclusive,
            ProbeAnswer::Unauthorized,
            ProbeAnswer::of_code(260),
            ProbeAnswer::of_code(280),
            lost,
        ];
        for (i, better) in from_best.iter().enumerate() {
            for worse in &from_best[i..] {
                assert_eq!((better.or_worse(*worse), worse.or_worse(*better)), (*worse, *worse));
            }
        }
        assert!(from_best.iter().all(|answer| ProbeAnswer::CODES.contains(&answer.code())));
    }
}
