//! Unknown as a value.

use serde::{Deserialize, Serialize};

/// Something that was looked at: its value, or the reason why there is none.
pub type Observed<T> = Result<T, Why>;

/// Why something is not known. A closed list: dashboards and programs match on [`Why::code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// No pass has looked at it yet.
    NotReadYet,
    /// Connect's listing could not be read in this pass.
    ConnectUnreadable,
    /// The offsets could not be read in this pass.
    OffsetsUnreadable,
    /// This Connect has no endpoint for offsets (older than 3.5).
    OffsetsUnsupported,
    /// The REST interface cannot address this connector's name.
    NameUnaddressable,
    /// The newest reading is older than three intervals.
    Stale,
    /// An old reading that contradicts a newer one.
    Contradictory,
    /// Nothing is stored under the key that the connector will look up.
    NoPosition,
    /// Several stored keys could be the live one.
    KeyAmbiguous,
    /// The stored position belongs to a copy of existing data, not to a change stream.
    Copying,
    /// The stored text is no resume token.
    PositionMalformed,
    /// The token lacks type bits that its document key needs: most such tokens are refused.
    TokenIncomplete,
    /// A token of a product that keeps no time in it, or keeps it in a way that is not documented.
    PositionOpaque,
    /// The position is ahead of everything the deployment has written; one pass more will tell.
    PositionInFuture,
    /// A high-water mark older than an oplog that was never truncated: it may be another deployment's.
    PositionForeign,
    /// The connection string is a placeholder such as `${file:…}` and no `[mongodb.NAME]` serves the connector.
    UriPlaceholder,
    /// The connection string is missing or cannot be parsed.
    UriInvalid,
    /// The connection string asks for something that resumeguard does not do for a stranger, or is switched off.
    UriRefused,
    /// No member of the deployment answered.
    MongodbUnreachable,
    /// MongoDB refused the credentials.
    MongodbUnauthenticated,
    /// The user may not read `local.oplog.rs`.
    OplogUnauthorized,
    /// A member that the connector could select did not answer in time.
    MemberUnreadable,
    /// The oplog holds no entry.
    OplogEmpty,
    /// The deployment has no primary.
    NoPrimary,
    /// A primary or a term changed while this pass was reading.
    Election,
    /// The connection string selects no member at all (read preference, tags, direct connection).
    NoMemberSelected,
    /// A sharded cluster: its shards' oplogs cannot be read through a router, and there is no way past it to each.
    Sharded,
    /// A product that is no MongoDB and has no oplog.
    NoOplog,
    /// Not a replica set: there is no oplog.
    NotReplicaSet,
}

impl Why {
    /// Every value, in the order of declaration.
    pub const ALL: [Self; 29] = [
        Self::NotReadYet,
        Self::ConnectUnreadable,
        Self::OffsetsUnreadable,
        Self::OffsetsUnsupported,
        Self::NameUnaddressable,
        Self::Stale,
        Self::Contradictory,
        Self::NoPosition,
        Self::KeyAmbiguous,
        Self::Copying,
        Self::PositionMalformed,
        Self::TokenIncomplete,
        Self::PositionOpaque,
        Self::PositionInFuture,
        Self::PositionForeign,
        Self::UriPlaceholder,
        Self::UriInvalid,
        Self::UriRefused,
        Self::MongodbUnreachable,
        Self::MongodbUnauthenticated,
        Self::OplogUnauthorized,
        Self::MemberUnreadable,
        Self::OplogEmpty,
        Self::NoPrimary,
        Self::Election,
        Self::NoMemberSelected,
        Self::Sharded,
        Self::NoOplog,
        Self::NotReplicaSet,
    ];

    /// The word that metrics and JSON carry.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotReadYet => "not_read_yet",
            Self::ConnectUnreadable => "connect_unreadable",
            Self::OffsetsUnreadable => "offsets_unreadable",
            Self::OffsetsUnsupported => "offsets_unsupported",
            Self::NameUnaddressable => "name_unaddressable",
            Self::Stale => "stale",
            Self::Contradictory => "contradictory",
            Self::NoPosition => "no_position",
            Self::KeyAmbiguous => "key_ambiguous",
            Self::Copying => "copying",
            Self::PositionMalformed => "position_malformed",
            Self::TokenIncomplete => "token_incomplete",
            Self::PositionOpaque => "position_opaque",
            Self::PositionInFuture => "position_in_future",
            Self::PositionForeign => "position_foreign",
            Self::UriPlaceholder => "uri_placeholder",
            Self::UriInvalid => "uri_invalid",
            Self::UriRefused => "uri_refused",
            Self::MongodbUnreachable => "mongodb_unreachable",
            Self::MongodbUnauthenticated => "mongodb_unauthenticated",
            Self::OplogUnauthorized => "oplog_unauthorized",
            Self::MemberUnreadable => "member_unreadable",
            Self::OplogEmpty => "oplog_empty",
            Self::NoPrimary => "no_primary",
            Self::Election => "election",
            Self::NoMemberSelected => "no_member_selected",
            Self::Sharded => "sharded",
            Self::NoOplog => "no_oplog",
            Self::NotReplicaSet => "not_replica_set",
        }
    }

    /// One line for people: what is missing, and what to do about it.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NotReadYet => "not read yet; the next pass will",
            Self::ConnectUnreadable => "Kafka Connect could not be read; see the sources below for the error",
            Self::OffsetsUnreadable => {
                "the stored offsets could not be read; see the sources below for the error"
            }
            Self::OffsetsUnsupported => {
                "this Kafka Connect is older than 3.5 and does not show offsets by REST"
            }
            Self::NameUnaddressable => {
                "the name holds a character that this Connect's REST interface cannot address"
            }
            Self::Stale => "the last reading is older than three intervals",
            Self::Contradictory => "an older reading contradicts a newer one; the next pass will tell",
            Self::NoPosition => "nothing is stored under the key that the connector will look up",
            Self::KeyAmbiguous => {
                "which stored key is the live one is not certain yet; it is once one advances, or set offset.partition.name, or give the real URI in [mongodb.NAME]"
            }
            Self::Copying => "existing data is being copied; the stored position is no resume token yet",
            Self::PositionMalformed => {
                "the stored text is no resume token; see it with GET /connectors/NAME/offsets, try it with `resumeguard decode`"
            }
            Self::TokenIncomplete => {
                "the stored token lacks type bits that its document key needs; the server may refuse it: `resumeguard probe` asks"
            }
            Self::PositionOpaque => {
                "this product's tokens carry no documented time (of Amazon DocumentDB: set mongodb.NAME.retention)"
            }
            Self::PositionInFuture => "the position is ahead of the oplog; one pass more will tell",
            Self::PositionForeign => {
                "the position is older than an oplog that was never truncated: another deployment's?"
            }
            Self::UriPlaceholder => {
                "connection.uri (or the name of the key) holds a placeholder; add a [mongodb.NAME] with `uri` and `connectors = [\"…\"]` that names this connector"
            }
            Self::UriInvalid => {
                "connection.uri is missing or cannot be parsed; correct the connector's configuration"
            }
            Self::UriRefused => {
                "connection.uri may not be used (an option or a host that is not allowed, or switched off); add a [mongodb.NAME] for it"
            }
            Self::MongodbUnreachable => "no member of the deployment answered; check hosts, network and TLS",
            Self::MongodbUnauthenticated => {
                "MongoDB refused the credentials; correct them or add a [mongodb.NAME]"
            }
            Self::OplogUnauthorized => {
                "the MongoDB user may not read local.oplog.rs; grant clusterMonitor, or find and collStats on it"
            }
            Self::MemberUnreadable => "a member that the connector could read from did not answer in time",
            Self::OplogEmpty => "the oplog holds no entry",
            Self::NoPrimary => "no primary was reached; is there one, and can it be reached from here?",
            Self::Election => {
                "a primary stepped down or a term changed while reading; the next pass will tell"
            }
            Self::NoMemberSelected => {
                "the connection string's host, read preference or tags select no member that was reached"
            }
            Self::Sharded => {
                "a sharded cluster: its shards' oplogs cannot be read through the router; add a [mongodb.NAME.shards.SHARD] for each"
            }
            Self::NoOplog => {
                "Azure Cosmos DB, or Amazon DocumentDB without mongodb.NAME.retention: how long history is kept is not known"
            }
            Self::NotReplicaSet => "not a replica set: without an oplog there are no change streams",
        }
    }
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Why;

    #[test]
    fn the_code_is_the_serialised_form_and_each_is_listed_once() {
        for (i, why) in Why::ALL.iter().enumerate() {
            assert_eq!(serde_json::to_value(why).unwrap(), why.code());
            assert!(!Why::ALL[..i].contains(why), "{why} stands twice");
        }
        assert_eq!(Why::ALL.len(), Why::NotReplicaSet as usize + 1, "Why::ALL misses a value");
    }
}
