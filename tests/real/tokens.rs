//! Tokens of a real server, in both layouts that it writes: each decodes to its event's own key, encodes to its own bytes,
//! and marks are what it writes.

use std::time::Duration;

use futures_util::StreamExt as _;
use mongodb::bson::{Bson, RawArrayBuf, RawDocumentBuf, Timestamp as BsonTimestamp, cstr, doc, rawdoc};
use mongodb::options::CursorType;
use mongodb::{Client, Collection, Cursor, Database};
use mongodb_resume_token::{
    Decimal128, Document, ErrorKind, Event, Format, Timestamp, Token, TokenDocument, Value,
    high_water_mark_v1, high_water_mark_v2,
};
use xtask::{ReplicaSet, ReplicaSetSpec};

mod random;

use random::Random;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const DOCUMENTS: usize = 2000;
const BATCH: usize = 100;
const SEED: u64 = 286;

const LAYOUTS: [Format; 2] = [Format::V1, Format::V2];

/// A set of its own with room in the oplog: the events must outlive the test. Only with test commands does 6.0 write v2
/// where it is asked to.
async fn replica_set() -> ReplicaSet {
    let spec = ReplicaSetSpec::of(1).with_oplog_mib(200).with_test_commands();
    ReplicaSet::start(spec).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_random_documents_hold_the_document_key() {
    let set = replica_set().await;
    for layout in LAYOUTS {
        let database = set.mongo().client().database(&format!("tokens-{layout}"));
        every_type_as_id(&database, layout).await.unwrap();
        random_documents(&database, layout).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_every_event_tell_which_it_is() {
    let set = replica_set().await;
    for layout in LAYOUTS {
        every_event(set.mongo().client(), layout).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_written_as_high_water_marks_are_the_servers_own_and_resume() {
    let set = replica_set().await;
    for layout in LAYOUTS {
        high_water_marks(set.mongo().client(), layout).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_is_not_utf8_is_in_tokens_that_resume() {
    let set = replica_set().await;
    for layout in LAYOUTS {
        not_utf8(set.mongo().client(), layout).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_refuses_what_we_refuse() {
    let set = replica_set().await;
    contradictions(set.mongo().client()).await.unwrap();
}

/// A change stream whose tokens have that layout: over a collection, a database or, from `admin`, everything.
async fn watch(
    database: &Database,
    collection: Option<&str>,
    layout: Format,
) -> Result<Cursor<RawDocumentBuf>, Box<dyn std::error::Error>> {
    let over_all = database.name() == "admin";
    let mut stage = doc! { "showExpandedEvents": collection.is_none() };
    if over_all {
        stage.insert("allChangesForCluster", true);
    }
    let over = collection.map_or(Bson::Int32(1), Bson::from);
    let mut command =
        doc! { "aggregate": over, "pipeline": [{ "$changeStream": stage }], "cursor": { "batchSize": 0 } };
    command.insert(IN_V2, layout == Format::V2);
    let cursor = database.run_cursor_command(command).cursor_type(CursorType::TailableAwait).await?;
    Ok(cursor.with_type())
}

/// The option of `aggregate` by which 6.0's own tests ask for v2.
const IN_V2: &str = "$_generateV2ResumeTokens";

async fn next(events: &mut Cursor<RawDocumentBuf>) -> Result<RawDocumentBuf, Box<dyn std::error::Error>> {
    let event = tokio::time::timeout(PATIENCE, events.next()).await?;
    Ok(event.ok_or("the stream has ended")??)
}

/// For one event, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Every type that the server takes for an `_id`, by itself. It refuses arrays, regular expressions and undefined
/// there; random documents hold them further down.
async fn every_type_as_id(database: &Database, layout: Format) -> Outcome {
    database.create_collection("types").await?;
    let collection: Collection<RawDocumentBuf> = database.collection("types");
    let mut events = watch(database, Some("types"), layout).await?;
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
        agree(&next(&mut events).await?, layout)?;
    }
    Ok(())
}

/// Inserts random documents of every type and depth, and compares each token with its event.
async fn random_documents(database: &Database, layout: Format) -> Outcome {
    database.create_collection("random").await?;
    let collection: Collection<RawDocumentBuf> = database.collection("random");
    let mut events = watch(database, Some("random"), layout).await?;
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
            let token = agree(&next(&mut events).await?, layout)?;
            assert!(matches!(token.event(), Event::Change(_)), "{token:?}");
        }
    }
    Ok(())
}

/// One event of every kind that a replica set can be made to give, over a collection, a database and all of them.
async fn every_event(client: &Client, layout: Format) -> Outcome {
    let database = client.database("tokens2");
    database.create_collection("events").await?;
    let collection = database.collection::<mongodb::bson::Document>("events");
    let mut of_collection = watch(&database, Some("events"), layout).await?;
    let mut of_database = watch(&database, None, layout).await?;
    let mut of_all = watch(&client.database("admin"), None, layout).await?;
    make_events(client, &database, &collection).await?;

    let mut seen = Vec::new();
    // It ends with the invalidate event.
    while let Some(event) = of_collection.next().await.transpose()? {
        seen.push(name_of(&event)?);
        told(&agree(&event, layout)?, &event)?;
    }
    assert_eq!(seen, ["insert", "update", "replace", "delete", "insert", "insert", "rename", "invalidate"]);
    for stream in [&mut of_database, &mut of_all] {
        let mut seen = Vec::new();
        while seen.last().is_none_or(|name| name != "dropDatabase") {
            let event = next(stream).await?;
            seen.push(name_of(&event)?);
            told(&agree(&event, layout)?, &event)?;
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
async fn high_water_marks(client: &Client, layout: Format) -> Outcome {
    let marked = client.database(&format!("marks-{layout}")).collection::<mongodb::bson::Document>("marks");
    marked.insert_one(doc! { "_id": "before" }).await?;
    let mut session = client.start_session().await?;
    marked.insert_one(doc! { "_id": "marked" }).session(&mut session).await?;
    let now = session.operation_time().ok_or("an insert without operationTime")?;
    marked.insert_one(doc! { "_id": "after" }).await?;
    let time = Timestamp { t: now.time, i: now.increment };

    let own = open(client, doc! { "startAtOperationTime": now }, 0, layout).await?;
    let own = TokenDocument::try_from(own.get_document("postBatchResumeToken")?)?;
    let [v1, v2] = [high_water_mark_v1(time), high_water_mark_v2(time)].map(TokenDocument::from_hex);
    assert_eq!(&own, if layout == Format::V2 { &v2 } else { &v1 });
    for mark in [v1, v2] {
        let mark = mongodb::bson::Document::from(&mark);
        let resumed = open(client, doc! { "resumeAfter": mark }, 1, layout).await?;
        let first = resumed.get_array("firstBatch")?.first().ok_or("no event in the first batch")?;
        let first = first.as_document().ok_or("an event that is no document")?;
        assert_eq!(first.get_document("documentKey")?, &doc! { "_id": "marked" });
        assert_eq!(first.get_timestamp("clusterTime")?, now);
    }
    // The control: with a batch of 1 the server does look whether it can resume. An event that never was, it cannot.
    let never = high_water_mark_v1(time).replace("29296E04", "2C0100296E04");
    let never = doc! { "resumeAfter": { "_data": never } };
    open(client, never.clone(), 0, layout).await?;
    let refused = open(client, never, 1, layout).await.expect_err("a token of no event");
    assert!(refused.to_string().contains("resume token was not found"), "{refused}");
    Ok(())
}

/// Opens a change stream over everything; returns its cursor. The server looks whether it can resume only when it must
/// read: with a batch of 1 or more.
async fn open(
    client: &Client,
    option: mongodb::bson::Document,
    batch_size: i32,
    layout: Format,
) -> Result<mongodb::bson::Document, Box<dyn std::error::Error>> {
    let mut stage = doc! { "allChangesForCluster": true };
    stage.extend(option);
    let mut command = doc! {
        "aggregate": 1,
        "pipeline": [{ "$changeStream": stage }],
        "cursor": { "batchSize": batch_size },
        "maxTimeMS": 10_000,
    };
    command.insert(IN_V2, layout == Format::V2);
    let reply = client.database("admin").run_command(command).await?;
    Ok(reply.get_document("cursor")?.clone())
}

/// Text that is not UTF-8 wherever a server takes it: the token resumes, and the lenient face tells all but that text.
async fn not_utf8(client: &Client, layout: Format) -> Outcome {
    let database = client.database(&format!("not-utf8-{layout}"));
    database.create_collection("texts").await?;
    let mut events = watch(&database, Some("texts"), layout).await?;
    let values = [
        [("x?", Value::Int32(1))].into_iter().collect::<Document>(),
        [("x", Value::String("a?b"))].into_iter().collect(),
        [("x", Value::String("a\0?"))].into_iter().collect(),
        [("x", Value::Code("?"))].into_iter().collect(),
        [("x", Value::Regex { pattern: "?", options: "i" })].into_iter().collect(),
        [("x", Value::DbPointer { namespace: "a.?", id: [7; 12] })].into_iter().collect(),
    ];
    for value in values {
        let document: Document = [("_id", &value)].into_iter().collect();
        let spoilt =
            document.to_bson()?.iter().map(|byte| if *byte == b'?' { 0xFF } else { *byte }).collect();
        // The driver's own insert copies documents by way of strings.
        let mut documents = RawArrayBuf::new();
        documents.push(RawDocumentBuf::from_bytes(spoilt)?);
        let mut insert = rawdoc! { "insert": "texts" };
        insert.append(cstr!("documents"), documents);
        database.run_raw_command(insert).await?;
        let event = next(&mut events).await?;
        let token = TokenDocument::try_from(event.get_document("_id")?)?;
        assert_eq!(token.decode().unwrap_err().kind(), &ErrorKind::NotUtf8, "{value:?}");
        let told = token.decode_lenient().token;
        assert_eq!((told.format, told.uuid.is_some()), (layout, true), "{value:?}");
        assert_eq!(told.cluster_time, token.cluster_time().ok());
        assert_eq!(told.event(), Event::Change((layout == Format::V2).then_some("insert")), "{value:?}");
        let key = told.identifier.as_ref().and_then(|identifier| identifier.document_key());
        let id = key.and_then(|key| key.get("_id")).and_then(Value::as_document).ok_or("no _id")?;
        assert_eq!(format!("{id:?}"), format!("{value:?}").replace('?', "\u{FFFD}"));
        let resume = doc! { "resumeAfter": mongodb::bson::Document::from(&token) };
        open(client, resume, 1, layout).await?;
    }
    Ok(())
}

/// What is sound part by part: mongod refuses it too, though the time in it is one that resumes.
async fn contradictions(client: &Client) -> Outcome {
    let mut session = client.start_session().await?;
    let marked = client.database("contradictions").collection("marks");
    marked.insert_one(doc! { "_id": 1 }).session(&mut session).await?;
    let now = session.operation_time().ok_or("an insert without operationTime")?;
    let mark = high_water_mark_v1(Timestamp { t: now.time, i: now.increment });
    open(client, doc! { "resumeAfter": { "_data": &mark } }, 1, Format::V1).await?;
    for (tail, code) in CONTRADICTIONS {
        let token = mark.replace("2B0229296E04", tail);
        let error = mongodb_resume_token::decode(&token).expect_err("refused here");
        assert!(matches!(error.kind(), ErrorKind::Contradiction(_)), "{error}");
        let refused = open(client, doc! { "startAfter": { "_data": token } }, 1, Format::V1).await;
        let refused = refused.expect_err(tail).to_string();
        assert!(refused.contains(&format!("Error code {code} ")), "{tail} {refused}");
    }
    Ok(())
}

/// With the server's answer to each.
const CONTRADICTIONS: [(&str, i32); 4] = [
    ("2B0229296F04", 6_189_505),
    ("2B0429296F1404", 6_189_505),
    ("2B02292B026E04", 6_189_505),
    ("2B022C0100296E461E5F6964002B020004", 207),
];

/// Decodes an event's token, and checks it against the event and against the encoder.
fn agree(event: &RawDocumentBuf, layout: Format) -> Result<Token, Box<dyn std::error::Error>> {
    let document = TokenDocument::try_from(event.get_document("_id")?)?;
    let token = document.decode()?;
    assert_eq!(token.format, layout);
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
