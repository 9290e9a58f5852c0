//! Tokens of a real server: each decodes to its event's own key, encodes to its own bytes, and marks are what it writes.

use futures_util::StreamExt as _;
use mongodb::bson::{RawDocumentBuf, Timestamp as BsonTimestamp, doc};
use mongodb::options::ChangeStreamOptions;
use mongodb::{Client, Collection, Database};
use mongodb_resume_token::{
    Array, Decimal128, Document, Event, Timestamp, Token, TokenData, TokenDocument, Value,
    high_water_mark_v1, high_water_mark_v2,
};
use xtask::{ReplicaSet, ReplicaSetSpec};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const DOCUMENTS: usize = 2000;
const BATCH: usize = 100;
const SEED: u64 = 286;

/// A set of its own with room in the oplog: the events must outlive the test.
async fn replica_set() -> ReplicaSet {
    ReplicaSet::start(ReplicaSetSpec::of(1).with_oplog_mib(200)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_random_documents_hold_the_document_key() {
    let set = replica_set().await;
    every_type_as_id(&set.mongo().client().database("tokens")).await.unwrap();
    random_documents(&set.mongo().client().database("tokens")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_every_event_tell_which_it_is() {
    every_event(replica_set().await.mongo().client()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_written_as_high_water_marks_are_the_servers_own_and_resume() {
    high_water_marks(replica_set().await.mongo().client()).await.unwrap();
}

/// Every type that the server takes for an `_id`, by itself. It refuses arrays, regular expressions and undefined
/// there; random documents hold them further down.
async fn every_type_as_id(database: &Database) -> Outcome {
    database.create_collection("types").await?;
    let collection: Collection<RawDocumentBuf> = database.collection("types");
    let mut events = collection.watch().await?.with_type::<RawDocumentBuf>();
    let time = Timestamp { t: 1_651_836_794, i: 1 };
    let scope: Document = [("x", Value::Int64(3))].into_iter().collect();
    for id in [
        Value::Double(0.5),
        Value::String("a\0b"),
        Value::Document(scope.view()),
        Value::Binary { subtype: 5, bytes: &[1, 0, 255] },
        Value::ObjectId([7; 12]),
        Value::Boolean(false),
        Value::DateTime(-1),
        Value::Null,
        Value::DbPointer { namespace: "a.b", id: [8; 12] },
        Value::Code("return 1"),
        Value::Symbol("symbol"),
        Value::CodeWithScope { code: "return x", scope: scope.view() },
        Value::Int32(-5),
        Value::Timestamp(time),
        Value::Int64(1 << 60),
        Value::Decimal128(Decimal128::NEGATIVE_INFINITY),
        Value::MinKey,
        Value::MaxKey,
    ] {
        let document: Document = [("_id", id)].into_iter().collect();
        collection.insert_one(RawDocumentBuf::from_bytes(document.to_bson()?)?).await?;
        agree(&events.next().await.ok_or("the stream has ended")??)?;
    }
    Ok(())
}

/// Inserts random documents of every type and depth, and compares each token with its event.
async fn random_documents(database: &Database) -> Outcome {
    database.create_collection("random").await?;
    let collection: Collection<RawDocumentBuf> = database.collection("random");
    let mut events = collection.watch().await?.with_type::<RawDocumentBuf>();
    let mut random = Random(SEED);
    for batch in 0..DOCUMENTS / BATCH {
        let documents = (0..BATCH).map(|index| {
            let mut id = Document::new();
            id.push("n", Value::Int32(i32::try_from(batch * BATCH + index).unwrap_or(0)));
            random.value(0, |value| id.push("value", value));
            let document: Document = [("_id", Value::Document(id.view()))].into_iter().collect();
            Ok(RawDocumentBuf::from_bytes(document.to_bson()?)?)
        });
        let documents: Vec<RawDocumentBuf> = documents.collect::<Result<_, Box<dyn std::error::Error>>>()?;
        collection.insert_many(documents).await?;
        for _ in 0..BATCH {
            let event = events.next().await.ok_or("the stream has ended")??;
            let token = agree(&event)?;
            assert!(matches!(token.event(), Event::Change(_)), "{token:?}");
        }
    }
    Ok(())
}

/// One event of every kind that a replica set can be made to give, over a collection, a database and all of them.
async fn every_event(client: &Client) -> Outcome {
    let database = client.database("tokens2");
    database.create_collection("events").await?;
    let collection = database.collection::<mongodb::bson::Document>("events");
    let expanded = || ChangeStreamOptions::builder().show_expanded_events(true).build();
    let mut of_collection = collection.watch().await?.with_type::<RawDocumentBuf>();
    let mut of_database = database.watch().with_options(expanded()).await?.with_type::<RawDocumentBuf>();
    let mut of_all = client.watch().with_options(expanded()).await?.with_type::<RawDocumentBuf>();
    make_events(client, &database, &collection).await?;

    let mut seen = Vec::new();
    // It ends with the invalidate event.
    while let Some(event) = of_collection.next().await.transpose()? {
        seen.push(name_of(&event)?);
        told(&agree(&event)?, &event)?;
    }
    assert_eq!(seen, ["insert", "update", "replace", "delete", "insert", "insert", "rename", "invalidate"]);
    for stream in [&mut of_database, &mut of_all] {
        let mut seen = Vec::new();
        while seen.last().is_none_or(|name| name != "dropDatabase") {
            let event = stream.next().await.ok_or("the stream has ended")??;
            seen.push(name_of(&event)?);
            told(&agree(&event)?, &event)?;
        }
        for name in ["create", "createIndexes", "dropIndexes", "rename", "drop"] {
            assert!(seen.iter().any(|seen| seen == name), "{name} is missing from {seen:?}");
        }
    }
    Ok(())
}

async fn make_events(
    client: &Client,
    database: &Database,
    events: &Collection<mongodb::bson::Document>,
) -> Outcome {
    events.insert_one(doc! { "_id": "a" }).await?;
    events.update_one(doc! { "_id": "a" }, doc! { "$set": { "x": 1 } }).await?;
    events.replace_one(doc! { "_id": "a" }, doc! { "y": 1 }).await?;
    events.delete_one(doc! { "_id": "a" }).await?;
    let mut session = client.start_session().await?;
    session.start_transaction().await?;
    for id in ["b", "c"] {
        events.insert_one(doc! { "_id": id }).session(&mut session).await?;
    }
    session.commit_transaction().await?;
    let index = doc! { "key": { "x": 1 }, "name": "x_1" };
    database.run_command(doc! { "createIndexes": "events", "indexes": [index] }).await?;
    database.run_command(doc! { "dropIndexes": "events", "index": "x_1" }).await?;
    let renamed = doc! { "renameCollection": "tokens2.events", "to": "tokens2.renamed" };
    client.database("admin").run_command(renamed).await?;
    database.create_collection("dropped").await?;
    database.collection::<mongodb::bson::Document>("dropped").drop().await?;
    database.drop().await?;
    Ok(())
}

/// The mark that the server writes itself is ours, and ours resumes, in both layouts: with the events of its own time.
async fn high_water_marks(client: &Client) -> Outcome {
    let marked = client.database("tokens").collection::<mongodb::bson::Document>("marks");
    marked.insert_one(doc! { "_id": "before" }).await?;
    let mut session = client.start_session().await?;
    marked.insert_one(doc! { "_id": "marked" }).session(&mut session).await?;
    let now = session.operation_time().ok_or("an insert without operationTime")?;
    marked.insert_one(doc! { "_id": "after" }).await?;
    let time = Timestamp { t: now.time, i: now.increment };

    let own = open(client, doc! { "startAtOperationTime": now }, 0).await?;
    let own = TokenDocument::try_from(own.get_document("postBatchResumeToken")?)?;
    let [v1, v2] = [high_water_mark_v1(time), high_water_mark_v2(time)].map(TokenDocument::from_hex);
    assert!(own == v1 || own == v2, "{own:?}");
    for mark in [v1, v2] {
        let mark = mongodb::bson::Document::from(&mark);
        let resumed = open(client, doc! { "resumeAfter": mark }, 1).await?;
        let first = resumed.get_array("firstBatch")?.first().ok_or("no event in the first batch")?;
        let first = first.as_document().ok_or("an event that is no document")?;
        assert_eq!(first.get_document("documentKey")?, &doc! { "_id": "marked" });
        assert_eq!(first.get_timestamp("clusterTime")?, now);
    }
    // The control: with a batch of 1 the server does look whether it can resume. An event that never was, it cannot.
    let never = high_water_mark_v1(time).replace("29296E04", "2C0100296E04");
    let never = doc! { "resumeAfter": { "_data": never } };
    open(client, never.clone(), 0).await?;
    let refused = open(client, never, 1).await.expect_err("a token of no event");
    assert!(refused.to_string().contains("resume token was not found"), "{refused}");
    Ok(())
}

/// Opens a change stream over everything; returns its cursor. The server looks whether it can resume only when it must
/// read: with a batch of 1 or more.
async fn open(
    client: &Client,
    option: mongodb::bson::Document,
    batch_size: i32,
) -> Result<mongodb::bson::Document, Box<dyn std::error::Error>> {
    let mut stage = doc! { "allChangesForCluster": true };
    stage.extend(option);
    let command = doc! {
        "aggregate": 1,
        "pipeline": [{ "$changeStream": stage }],
        "cursor": { "batchSize": batch_size },
        "maxTimeMS": 10_000,
    };
    let reply = client.database("admin").run_command(command).await?;
    Ok(reply.get_document("cursor")?.clone())
}

/// Decodes an event's token, and checks it against the event and against the encoder.
fn agree(event: &RawDocumentBuf) -> Result<Token, Box<dyn std::error::Error>> {
    let id = event.get_document("_id")?;
    let type_bits = id.get("_typeBits")?.and_then(|bits| bits.as_binary()).map(|bits| bits.bytes.to_vec());
    let document = TokenDocument { data: TokenData::Hex(id.get_str("_data")?.to_owned()), type_bits };
    let token = document.decode()?;
    let BsonTimestamp { time, increment } = event.get_timestamp("clusterTime")?;
    assert_eq!(token.cluster_time, Some(Timestamp { t: time, i: increment }));
    assert_eq!(document.cluster_time().ok(), token.cluster_time);
    if let Ok(key) = event.get_document("documentKey") {
        let decoded = token.identifier.as_ref().and_then(|identifier| identifier.document_key());
        let decoded = decoded.ok_or("a token without the document key")?.to_bson()?;
        assert_eq!(decoded, key.as_bytes(), "{document:?}\n{token:?}");
    }
    assert_eq!(token.encode()?, document);
    Ok(token)
}

/// The token's kind of event must not contradict the event's own name.
fn told(token: &Token, event: &RawDocumentBuf) -> Outcome {
    let name = name_of(event)?;
    let fits = match token.event() {
        Event::Change(told) => {
            let is_change = ["insert", "update", "replace", "delete"].contains(&name.as_str());
            is_change && told.is_none_or(|told| told == name)
        }
        Event::Drop => name == "drop",
        Event::Rename => name == "rename",
        Event::DropOrRename => name == "drop" || name == "rename",
        Event::DropDatabase => name == "dropDatabase",
        Event::Invalidate => name == "invalidate",
        Event::Other(told) => told == name,
        Event::HighWaterMark | Event::Unknown | _ => false,
    };
    assert!(fits, "{name}: {token:?}");
    Ok(())
}

fn name_of(event: &RawDocumentBuf) -> Result<String, Box<dyn std::error::Error>> {
    Ok(event.get_str("operationType")?.to_owned())
}

/// A generator of its own, so that a seed means the same for ever (xorshift64*, Vigna).
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.word() % bound
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.word().to_be_bytes()[0])
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.word()).unwrap_or(0) % from.len()]
    }

    fn text(&mut self) -> String {
        let length = self.below(12);
        (0..length).map(|_| self.pick(&['a', 'z', '\0', 'ž', '🐎', ' '])).collect()
    }

    fn name(&mut self) -> String {
        self.text().replace('\0', "_")
    }

    /// Makes one value, which borrows from here, and gives it away.
    fn value(&mut self, depth: u64, give: impl FnOnce(Value<'_>)) {
        match self.below(if depth < 6 { 24 } else { 18 }) {
            0 => give(Value::Int32(i32::from_be_bytes(self.bytes()) >> self.below(32))),
            1 => give(Value::Int64(i64::from_be_bytes(self.bytes()) >> self.below(64))),
            2..=4 => give(Value::Double(self.double())),
            5..=8 => give(Value::Decimal128(self.decimal())),
            9 => give(Value::String(&self.text())),
            10 => give(self.pick_of_few()),
            11 => give(Value::Binary { subtype: self.pick(&[0, 3, 5, 6, 128]), bytes: &self.binary() }),
            12 => give(Value::ObjectId(self.bytes())),
            13 => give(Value::DateTime(i64::from_be_bytes(self.bytes()) >> self.below(64))),
            14 => give(Value::Timestamp(Timestamp {
                t: u32::from_be_bytes(self.bytes()),
                i: u32::from_be_bytes(self.bytes()),
            })),
            15 => give(Value::Regex { pattern: &self.name(), options: self.pick(&["", "i", "ix"]) }),
            16 => give(Value::Code(&self.text())),
            17 => give(Value::Symbol(&self.text())),
            18 => give(Value::CodeWithScope { code: &self.text(), scope: self.document(depth + 1).view() }),
            19 => give(Value::DbPointer { namespace: "a.b", id: self.bytes() }),
            20..=21 => give(Value::Document(self.document(depth + 1).view())),
            _ => give(Value::Array(self.array(depth + 1).view())),
        }
    }

    fn array(&mut self, depth: u64) -> Array {
        let (mut array, length) = (Array::new(), self.below(6));
        for _ in 0..length {
            self.value(depth, |value| array.push(value));
        }
        array
    }

    fn document(&mut self, depth: u64) -> Document {
        let (mut document, length) = (Document::new(), self.below(6));
        for index in 0..length {
            let name = format!("{}{index}", self.name());
            self.value(depth, |value| document.push(&name, value));
        }
        document
    }

    fn pick_of_few(&mut self) -> Value<'static> {
        match self.below(6) {
            0 => Value::Null,
            1 => Value::MinKey,
            2 => Value::MaxKey,
            3 => Value::Undefined,
            other => Value::Boolean(other == 4),
        }
    }

    fn binary(&mut self) -> Vec<u8> {
        let length = self.pick(&[0, 1, 16, 254, 255, 256, 300]);
        (0..length).map(|_| self.word().to_be_bytes()[0]).collect()
    }

    /// Doubles of every magnitude, and those at which the encoding changes its form. The bits of a NaN are not kept.
    fn double(&mut self) -> f64 {
        let any = f64::from_be_bytes(self.bytes());
        let edge = self.pick(&[
            0.0,
            1.0,
            0.1,
            5e-324,
            f64::MIN_POSITIVE,
            f64::MAX,
            f64::INFINITY,
            2f64.powi(63),
            2f64.powi(-255),
        ]);
        let edge = self.pick(&[edge, -edge, edge.next_up(), edge.next_down()]);
        let value = self.pick(&[any, edge, any.fract(), edge.trunc()]);
        if value.is_nan() { f64::NAN } else { value }
    }

    /// Decimals of every length and exponent, and many in the range of doubles.
    fn decimal(&mut self) -> Decimal128 {
        const BIAS: u64 = 6176;
        if self.below(30) == 0 {
            return self.pick(&[Decimal128::NAN, Decimal128::INFINITY, Decimal128::NEGATIVE_INFINITY]);
        }
        let digits = u32::try_from(self.below(35)).unwrap_or(0);
        let coefficient = u128::from_be_bytes(self.bytes()) % 10u128.pow(digits);
        let wide = self.below(12_288);
        let double = BIAS - 345 + self.below(645);
        let near = BIAS - 40 + self.below(60);
        let exponent = u128::from(self.pick(&[wide, double, near, near]));
        let sign = u128::from(self.below(2)) << 127;
        Decimal128::from_le_bytes((sign | (exponent << 113) | coefficient).to_le_bytes())
    }
}
