//! The closed lists that configuration, journal, metrics and people share.

use serde::{Deserialize, Serialize};

/// What recovery may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing; no plan is made.
    Off,
    /// Plans are shown, nothing is changed.
    #[default]
    Plan,
    /// A person approves each plan.
    Approve,
    /// What policy allows is done without asking.
    Auto,
}

impl Mode {
    /// Every value.
    pub const ALL: [Self; 4] = [Self::Off, Self::Plan, Self::Approve, Self::Auto];

    /// The word that configuration and metrics carry.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Plan => "plan",
            Self::Approve => "approve",
            Self::Auto => "auto",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.code() == text)
    }
}

/// A way to bring a connector back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Resume at the oldest surviving entry.
    Salvage,
    /// One write in the watched namespace makes a live stream store a newer token.
    Nudge,
    /// Restart failed tasks.
    Restart,
    /// The first documented cure: tolerate the error for a moment.
    TolerateErrors,
    /// The second documented cure: remove the stored offset.
    ResetOffsets,
    /// Remove the offset and copy existing data.
    Resnapshot,
    /// Resume a paused or stopped connector.
    Resume,
    /// Keep more history.
    ExtendOplog,
}

impl Strategy {
    /// Every value.
    pub const ALL: [Self; 8] = [
        Self::Salvage,
        Self::Nudge,
        Self::Restart,
        Self::TolerateErrors,
        Self::ResetOffsets,
        Self::Resnapshot,
        Self::Resume,
        Self::ExtendOplog,
    ];

    /// The word that configuration, commands and metrics carry.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Salvage => "salvage",
            Self::Nudge => "nudge",
            Self::Restart => "restart",
            Self::TolerateErrors => "tolerate-errors",
            Self::ResetOffsets => "reset-offsets",
            Self::Resnapshot => "resnapshot",
            Self::Resume => "resume",
            Self::ExtendOplog => "extend-oplog",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.code() == text)
    }

    /// Whether policy may have it done without a person. The others write to a source, resend everything, undo what a person
    /// did, or change a server.
    #[must_use]
    pub fn may_be_automatic(self) -> bool {
        match self {
            Self::Salvage | Self::Restart | Self::TolerateErrors | Self::ResetOffsets => true,
            Self::Nudge | Self::Resnapshot | Self::Resume | Self::ExtendOplog => false,
        }
    }
}

/// Who keeps a Connect cluster's connectors as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ManagedBy {
    /// Nobody: what is changed by REST stays.
    None,
    /// Strimzi's operator, which would put it back.
    Strimzi,
    /// Another tool that puts back what it finds changed.
    Gitops,
}

impl ManagedBy {
    /// Reads the word that configuration carries.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            "strimzi" => Some(Self::Strimzi),
            "gitops" => Some(Self::Gitops),
            _ => None,
        }
    }

    /// The word that configuration carries.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Strimzi => "strimzi",
            Self::Gitops => "gitops",
        }
    }
}

/// On whose behalf something is done.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// Policy.
    Auto,
    /// A person, as the way in names them: `uid 1000`, a user's name, a certificate's subject.
    Person(String),
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Person(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        assert!(Mode::ALL.iter().all(|mode| Mode::parse(mode.code()) == Some(*mode)));
        assert!(Strategy::ALL.iter().all(|one| Strategy::parse(one.code()) == Some(*one)));
        for one in Strategy::ALL {
            assert_eq!(serde_json::to_string(&one).unwrap(), format!("{:?}", one.code()));
        }
        assert!(
            [ManagedBy::None, ManagedBy::Strimzi, ManagedBy::Gitops]
                .iter()
                .all(|one| ManagedBy::parse(one.code()) == Some(*one))
        );
        assert_eq!((Mode::parse("yes"), Strategy::parse("guess"), ManagedBy::parse("")), (None, None, None));
    }
}
