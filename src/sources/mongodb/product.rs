//! Products that speak MongoDB's protocol and are none: they have no oplog.

use super::commands::text;
use mongodb::bson::Document;

/// What a server is, where it is no MongoDB. None of them could be had for a test: they are told by their host names, as
/// their makers document them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// Amazon DocumentDB: keeps its change stream for a time that is configured.
    DocumentDb,
    /// Azure Cosmos DB for MongoDB, both kinds.
    CosmosDb,
}

/// Ends of host names.
const HOSTS: [(&str, Product); 4] = [
    (".docdb.amazonaws.com", Product::DocumentDb),
    (".docdb-elastic.amazonaws.com", Product::DocumentDb),
    (".cosmos.azure.com", Product::CosmosDb),
    (".cosmosdb.azure.com", Product::CosmosDb),
];

impl Product {
    /// By the address that was dialled, and by the name that Cosmos DB's RU service gives its replica set.
    pub(super) fn of(address: &str, hello: &Document) -> Option<Self> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host).to_ascii_lowercase();
        let by_host = HOSTS.iter().find(|(end, _)| host.ends_with(end)).map(|(_, product)| *product);
        by_host.or_else(|| (text(hello, "setName") == Some("globaldb")).then_some(Self::CosmosDb))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::doc;

    #[test]
    fn products_are_told_by_their_hosts() {
        let of = |address: &str, set: &str| Product::of(address, &doc! { "setName": set });
        let document_db = "shop.cluster-c1.eu-central-1.docdb.amazonaws.com:27017";
        assert_eq!(of(document_db, "rs0"), Some(Product::DocumentDb));
        assert_eq!(of("shop.mongo.Cosmos.azure.com:10255", "x"), Some(Product::CosmosDb));
        assert_eq!(of("shop.mongocluster.cosmos.azure.com:10260", "x"), Some(Product::CosmosDb));
        assert_eq!(of("10.0.0.7:10255", "globaldb"), Some(Product::CosmosDb));
        assert_eq!(of("docdb.amazonaws.com.example:27017", "rs0"), None);
        assert_eq!(of("db1.example:27017", "rs0"), None);
    }
}
