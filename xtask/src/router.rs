//! The smallest stand-in for a router (`mongos`), which no package registry has: it answers for itself who it is and which
//! shards there are, opens change streams on every shard, and passes everything else on to the first. And for the
//! greeting of products that speak MongoDB's protocol and cannot be had at all.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use mongodb::bson::{DateTime, Document, doc};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// `OP_REPLY`, `OP_QUERY` (how drivers greet) and `OP_MSG`.
const REPLY: i32 = 1;
const QUERY: i32 = 2004;
const MESSAGE: i32 = 2013;

const HEADER_BYTES: usize = 16;
/// What servers accept.
const MOST_BYTES: usize = 48_000_000;

/// One shard behind the router.
#[derive(Clone, Debug)]
pub struct ShardSpec {
    /// Its name.
    pub name: String,
    /// Its replica set.
    pub set: String,
    /// `host:port` of its primary.
    pub primary: String,
}

/// A running stand-in.
#[derive(Debug)]
pub struct Router {
    address: String,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Inner {
    hello: Document,
    shards: Vec<ShardSpec>,
}

impl Router {
    /// A router before these shards.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(shards: Vec<ShardSpec>) -> Result<Self> {
        Self::listen(TcpListener::bind("127.0.0.1:0").await?, doc! { "msg": "isdbgrid" }, shards)
    }

    /// Something that says this of itself, and answers nothing else. `HOST` becomes its own address.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn greeting(set: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let own = listener.local_addr()?.to_string();
        let hello = doc! { "setName": set, "hosts": [&own], "me": &own, "primary": &own };
        Self::listen(listener, hello, Vec::new())
    }

    fn listen(listener: TcpListener, hello: Document, shards: Vec<ShardSpec>) -> Result<Self> {
        let address = listener.local_addr()?.to_string();
        let inner = Arc::new(Inner { hello, shards });
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let inner = Arc::clone(&inner);
                // A connection ends with an error when its client does.
                tokio::spawn(async move { inner.serve(stream).await.ok() });
            }
        });
        Ok(Self { address, server })
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Inner {
    async fn serve(&self, mut client: TcpStream) -> Result<()> {
        let mut shards = Vec::new();
        for shard in &self.shards {
            shards.push(TcpStream::connect(&shard.primary).await?);
        }
        loop {
            let message = read(&mut client).await?;
            let command = command(&message)?;
            let answer = match (self.own_answer(&command), shards.as_mut_slice()) {
                (Some(own), _) => reply(&message, &own)?,
                (None, []) => {
                    let unknown = doc! { "ok": 0, "code": 59, "codeName": "CommandNotFound", "errmsg": "no such command" };
                    reply(&message, &unknown)?
                }
                (None, all) if is_change_stream(&command) => on_every(all, &message).await?,
                (None, [first, ..]) => forwarded(first, &message).await?,
            };
            client.write_all(&answer).await?;
        }
    }

    fn own_answer(&self, asked: &Document) -> Option<Document> {
        let verb = asked.keys().next()?.to_lowercase();
        match verb.as_str() {
            "hello" | "ismaster" => {
                let mut hello = self.hello.clone();
                hello.extend(doc! {
                    "helloOk": true, "ismaster": true, "isWritablePrimary": true, "maxBsonObjectSize": 16_777_216,
                    "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000, "localTime": DateTime::now(),
                    "logicalSessionTimeoutMinutes": 30, "connectionId": 1, "minWireVersion": 0, "maxWireVersion": 17, "ok": 1.0,
                });
                Some(hello)
            }
            "listshards" => {
                let host = |of: &ShardSpec| format!("{}/{}", of.set, of.primary);
                let shards =
                    self.shards.iter().map(|of| doc! { "_id": &of.name, "host": host(of), "state": 1 });
                Some(doc! { "shards": shards.collect::<Vec<_>>(), "ok": 1.0 })
            }
            _ => None,
        }
    }
}

fn is_change_stream(command: &Document) -> bool {
    let stages = command.get_array("pipeline").map(Vec::as_slice).unwrap_or_default();
    let first = stages.first().and_then(|stage| stage.as_document());
    command.contains_key("aggregate") && first.is_some_and(|stage| stage.contains_key("$changeStream"))
}

/// One shard that refuses is a refusal; events come of the first only, which is enough where only that one has any.
async fn on_every(shards: &mut [TcpStream], message: &[u8]) -> Result<Vec<u8>> {
    let mut answer = None;
    for shard in shards {
        let of_this = forwarded(shard, message).await?;
        let well = command(&of_this)?.get_f64("ok").unwrap_or(0.0) > 0.0;
        if !well {
            return Ok(of_this);
        }
        answer = answer.or(Some(of_this));
    }
    answer.context("a router without shards")
}

async fn forwarded(shard: &mut TcpStream, message: &[u8]) -> Result<Vec<u8>> {
    shard.write_all(message).await?;
    read(shard).await
}

async fn read(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    let whole = usize::try_from(i32::from_le_bytes(length))?;
    ensure!((HEADER_BYTES..=MOST_BYTES).contains(&whole), "a message of {whole} bytes");
    let mut message = length.to_vec();
    message.resize(whole, 0);
    stream.read_exact(&mut message[4..]).await?;
    Ok(message)
}

fn number(message: &[u8], at: usize) -> Result<i32> {
    let bytes = message.get(at..at + 4).context("a message that ends too soon")?;
    Ok(i32::from_le_bytes(bytes.try_into()?))
}

/// The document that says what is wanted, or what came of it.
fn command(message: &[u8]) -> Result<Document> {
    let body = match number(message, 12)? {
        // Flags, and the kind of the first section, which is the document.
        MESSAGE if message.get(HEADER_BYTES + 4) == Some(&0) => HEADER_BYTES + 5,
        // Flags, the name of a collection, two numbers.
        QUERY => {
            let name = message.get(HEADER_BYTES + 4..).context("a query without a name")?;
            let end = name.iter().position(|byte| *byte == 0).context("a name without an end")?;
            HEADER_BYTES + 4 + end + 1 + 8
        }
        other => bail!("a message of the kind {other}"),
    };
    Ok(Document::from_reader(message.get(body..).context("a message without a document")?)?)
}

fn reply(message: &[u8], answer: &Document) -> Result<Vec<u8>> {
    let (opcode, head) = match number(message, 12)? {
        // Flags, cursor, where it starts, one document.
        QUERY => (REPLY, [[0; 16].as_slice(), &1_i32.to_le_bytes()].concat()),
        _ => (MESSAGE, vec![0; 5]),
    };
    let mut body = head;
    answer.to_writer(&mut body)?;
    let length = i32::try_from(HEADER_BYTES + body.len())?;
    let header = [length, 1, number(message, 4)?, opcode];
    Ok(header.into_iter().flat_map(i32::to_le_bytes).chain(body).collect())
}
