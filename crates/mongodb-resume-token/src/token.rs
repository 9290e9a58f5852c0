//! A token, decoded.

use std::fmt;

use crate::{Document, DocumentRef, Timestamp, Value};

/// What a resume token says.
///
/// Fields that the token's [`Format`] does not have, or that this token leaves out, are `None`. To put one together, start from
/// [`Token::high_water_mark`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Token {
    /// Who wrote it, in which layout.
    pub format: Format,
    /// The time of the event. Absent only from Cosmos DB's tokens; in Amazon DocumentDB's it rests on observation
    /// (see [`Format::DocumentDb`]).
    pub cluster_time: Option<Timestamp>,
    /// Event or high-water mark: v1 and v2.
    pub token_type: Option<TokenType>,
    /// Which operation of a transaction, from 0: v0, v1 and v2.
    pub txn_op_index: Option<u32>,
    /// Whether this is the token of an invalidate event, which the event in `identifier` has caused: v1 and v2.
    pub from_invalidate: Option<bool>,
    /// The collection. Absent from events on whole databases and from high-water marks.
    pub uuid: Option<Uuid>,
    /// The document or the event. Absent from high-water marks, and before v2 from drop, rename and dropDatabase.
    pub identifier: Option<Identifier>,
    /// Which fragment of an event that `$changeStreamSplitLargeEvent` has split, from 0: v2.
    pub fragment_num: Option<u32>,
    /// The identifier holds a number that is told, and resumed from, only with type bits, and the token came without.
    ///
    /// Such a number has the narrowest type that holds it; other numbers are 32-bit integers and strings are strings
    /// here, as in a token that never had type bits. Servers fail to resume from most such tokens (280 or a parse
    /// error). A token that has lost type bits need not show it: 3.0 without them looks like 3.
    pub type_bits_missing: bool,
}

/// Who wrote a token, in which layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// MongoDB 3.6, and 4.0 with the feature compatibility version 3.6: binary, without a version number.
    BinData,
    /// MongoDB 4.0.0 to 4.0.6.
    V0,
    /// MongoDB 4.0.7 to 6.0.
    V1,
    /// MongoDB 6.1 and newer, and 6.0 under `$changeStreamSplitLargeEvent`.
    V2,
    /// Amazon DocumentDB. Undocumented; the time is where it was in every published example, nothing else is read.
    DocumentDb,
    /// Azure Cosmos DB for MongoDB (RU): no time in it. Any binary that begins with `{` or `[` counts as such. Tokens of the
    /// vCore service, base64 text of a layout that nobody has published, are not named: they are
    /// [no hexadecimal](crate::ErrorKind::NotHex).
    Cosmos,
    /// Only from [`decode_lenient`](crate::decode_lenient): the token is damaged before it says.
    Unknown,
}

impl Format {
    /// The name in the decoded JSON: `bindata v0 v1 v2 documentdb cosmos unknown`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::BinData => "bindata",
            Format::V0 => "v0",
            Format::V1 => "v1",
            Format::V2 => "v2",
            Format::DocumentDb => "documentdb",
            Format::Cosmos => "cosmos",
            Format::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a token names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenType {
    /// A time before all of its events.
    HighWaterMark,
    /// One event.
    Event,
}

impl TokenType {
    /// The name in the decoded JSON: `high-water-mark` or `event`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            TokenType::HighWaterMark => "high-water-mark",
            TokenType::Event => "event",
        }
    }
}

/// A collection's UUID. Shown with dashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Uuid(pub [u8; 16]);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

/// What tells an event from others of the same time and collection.
#[derive(Debug, Clone, PartialEq)]
pub enum Identifier {
    /// The changed document's key: shard key fields, if any, and `_id`.
    DocumentKey(Document),
    /// `{operationType, documentKey}` or `{operationType, operationDescription}`, or `{operationType}` alone:
    /// every event of v2, and those of v1 that only `showExpandedEvents` shows.
    Event(Document),
}

const OPERATION_TYPE: &str = "operationType";
const OPERATION_DESCRIPTION: &str = "operationDescription";
const DOCUMENT_KEY: &str = "documentKey";

impl Identifier {
    /// Without fields, and of the kind that is usual in that format.
    pub(crate) fn usual(format: Format) -> Identifier {
        let document = Document::new();
        if format == Format::V2 { Identifier::Event(document) } else { Identifier::DocumentKey(document) }
    }

    /// Tells the two kinds apart, once the fields are there.
    ///
    /// Every identifier of v2 names its event. In v1 only those of expanded events do, and they always have a
    /// description; a document key may also begin with a shard key called `operationType`, but ends with an `_id`.
    #[inline]
    pub(crate) fn classify(&mut self, format: Format) {
        let is_event = self.names_its_event(format);
        match self {
            Identifier::Event(document) if !is_event => {
                *self = Identifier::DocumentKey(std::mem::take(document));
            }
            Identifier::DocumentKey(document) if is_event => {
                *self = Identifier::Event(std::mem::take(document));
            }
            Identifier::Event(_) | Identifier::DocumentKey(_) => {}
        }
    }

    /// Whether the fields are those of an event, in that format.
    #[inline]
    fn names_its_event(&self, format: Format) -> bool {
        let names_operation = self.document().begins_with_string(OPERATION_TYPE);
        names_operation && (format == Format::V2 || (format == Format::V1 && self.describes_only()))
    }

    /// Whether it would be read back as what it is.
    pub(crate) fn is_of_its_kind(&self, format: Format) -> bool {
        matches!(self, Identifier::Event(_)) == self.names_its_event(format)
    }

    /// Whether nothing but a description follows the first field.
    #[cold]
    fn describes_only(&self) -> bool {
        let mut others = self.document().iter().skip(1);
        matches!((others.next(), others.next()), (Some((OPERATION_DESCRIPTION, _)), None))
    }

    pub(crate) fn document_mut(&mut self) -> &mut Document {
        match self {
            Identifier::DocumentKey(document) | Identifier::Event(document) => document,
        }
    }

    /// The identifier as it stands in the token.
    #[must_use]
    pub fn document(&self) -> &Document {
        match self {
            Identifier::DocumentKey(document) | Identifier::Event(document) => document,
        }
    }

    /// `insert`, `drop`, `createIndexes`, …, if the identifier names it.
    #[must_use]
    pub fn operation_type(&self) -> Option<&str> {
        match self {
            Identifier::DocumentKey(_) => None,
            Identifier::Event(event) => event.get(OPERATION_TYPE)?.as_str(),
        }
    }

    /// The changed document's key, if one document was changed.
    #[must_use]
    pub fn document_key(&self) -> Option<DocumentRef<'_>> {
        match self {
            Identifier::DocumentKey(key) => Some(key.view()),
            Identifier::Event(event) => event.get(DOCUMENT_KEY)?.as_document(),
        }
    }

    /// What an event did that changed no single document.
    #[must_use]
    pub fn operation_description(&self) -> Option<Value<'_>> {
        match self {
            Identifier::DocumentKey(_) => None,
            Identifier::Event(event) => event.get(OPERATION_DESCRIPTION),
        }
    }
}

/// The kind of event that a token names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event<'a> {
    /// No event, only a time.
    HighWaterMark,
    /// A document was inserted, updated, replaced or deleted; which of these, only v2 tells.
    Change(Option<&'a str>),
    /// The stream has ended: what it watched was dropped or renamed.
    Invalidate,
    /// The collection was dropped.
    Drop,
    /// The collection was renamed.
    Rename,
    /// The database was dropped.
    DropDatabase,
    /// Before v2 a drop and a rename leave the same token. In v0 and BinData it may be that of an invalidate or of a
    /// dropDatabase as well.
    DropOrRename,
    /// An expanded event, such as `create` or `createIndexes`.
    Other(&'a str),
    /// Not told: a token of another vendor, or a damaged one.
    Unknown,
}

impl Event<'_> {
    /// Whether a stream over that collection or database ends here: one that resumes after such a token sees nothing
    /// more, or is refused.
    #[must_use]
    pub fn ends_stream(self) -> bool {
        match self {
            Event::Invalidate | Event::Drop | Event::Rename | Event::DropDatabase | Event::DropOrRename => {
                true
            }
            Event::HighWaterMark | Event::Change(_) | Event::Other(_) | Event::Unknown => false,
        }
    }
}

impl Token {
    pub(crate) fn new(format: Format) -> Token {
        Token {
            format,
            cluster_time: None,
            token_type: None,
            txn_op_index: None,
            from_invalidate: None,
            uuid: None,
            identifier: None,
            fragment_num: None,
            type_bits_missing: false,
        }
    }

    /// The high-water mark of that time, in the layout of v1; see [`high_water_mark_v1`](crate::high_water_mark_v1).
    #[must_use]
    pub fn high_water_mark(time: Timestamp) -> Token {
        Token {
            cluster_time: Some(time),
            token_type: Some(TokenType::HighWaterMark),
            txn_op_index: Some(0),
            from_invalidate: Some(false),
            ..Token::new(Format::V1)
        }
    }

    /// Whether the token names a time and no event.
    #[must_use]
    pub fn is_high_water_mark(&self) -> bool {
        self.token_type == Some(TokenType::HighWaterMark)
    }

    /// The kind of event.
    ///
    /// A token without collection and identifier need not be a high-water mark: v1's dropDatabase has neither.
    ///
    /// ```
    /// # use mongodb_resume_token::{Event, decode};
    /// let token = decode("826B03B261000000662B022C0100296E04")?;
    /// assert_eq!(token.event(), Event::DropDatabase);
    /// assert!(!token.is_high_water_mark() && token.event().ends_stream());
    /// # Ok::<(), mongodb_resume_token::Error>(())
    /// ```
    #[must_use]
    pub fn event(&self) -> Event<'_> {
        let has_event = self.token_type == Some(TokenType::Event);
        match (self.format, &self.identifier) {
            _ if self.is_high_water_mark() => Event::HighWaterMark,
            _ if self.from_invalidate == Some(true) => Event::Invalidate,
            (_, Some(Identifier::Event(_))) => self.named_event(),
            (Format::V2, _) => Event::Unknown,
            (_, Some(Identifier::DocumentKey(_))) => Event::Change(None),
            (Format::V1, None) if has_event && self.uuid.is_none() => Event::DropDatabase,
            (Format::V1, None) if has_event => Event::DropOrRename,
            (Format::V0 | Format::BinData, None) => Event::DropOrRename,
            (Format::V1 | Format::DocumentDb | Format::Cosmos | Format::Unknown, None) => Event::Unknown,
        }
    }

    fn named_event(&self) -> Event<'_> {
        match self.identifier.as_ref().and_then(Identifier::operation_type) {
            Some("drop") => Event::Drop,
            Some("rename") => Event::Rename,
            Some("dropDatabase") => Event::DropDatabase,
            Some(change @ ("insert" | "update" | "replace" | "delete")) => Event::Change(Some(change)),
            Some(other) => Event::Other(other),
            None => Event::Unknown,
        }
    }
}
