use std::fmt::{self, Write as _};

/// Why a token could not be read or written: what was found, at which byte, in which field.
///
/// One pointer wide, so that the way without an error pays nothing for it.
///
/// ```
/// let error = mongodb_resume_token::cluster_time("826A8C8E64").unwrap_err();
/// assert_eq!(error.to_string(), "the token ends 4 bytes too early, at byte 1, in clusterTime");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Detail>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Detail {
    kind: ErrorKind,
    offset: usize,
    field: Field,
    /// Names from the identifier's root to the value, joined by dots; often empty.
    path: String,
    /// The names around the value, innermost first, until [`Error::joined`] makes the path of them.
    around: Vec<String>,
}

impl Error {
    #[cold]
    pub(crate) fn new(kind: ErrorKind, offset: usize, field: Field) -> Error {
        Error(Box::new(Detail { kind, offset, field, path: String::new(), around: Vec::new() }))
    }

    /// The same error, seen from the document or array around it.
    #[cold]
    pub(crate) fn within(mut self, name: impl Into<String>) -> Error {
        self.0.around.push(name.into());
        self
    }

    /// The same error with its path, seen from the root. All names at once: one by one each would move those before it.
    #[cold]
    pub(crate) fn joined(mut self) -> Error {
        let mut names = std::mem::take(&mut self.0.around);
        names.reverse();
        self.0.path = names.join(".");
        self
    }

    /// What was wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Where: bytes from the start of the token in its binary form (half the index in its hexadecimal form).
    /// For [`Field::TypeBits`] bytes from the start of `_typeBits`; 0 for what stands around the token.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// In which part of the token.
    #[must_use]
    pub fn field(&self) -> Field {
        self.0.field
    }

    /// Where inside the identifier, as names and array indexes joined by dots; empty elsewhere. Names stand as they are
    /// here, while `Display` escapes line ends and the like.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Detail { kind, offset, field, path, around: _ } = &*self.0;
        if *field == Field::Document {
            return write!(f, "{kind}");
        }
        let link = match path.is_empty() {
            true => "",
            false if *field == Field::TypeBits => ", for ",
            false => ".",
        };
        write!(f, "{kind}, at byte {offset}, in {field}{link}")?;
        // Names come from anywhere; the message is for logs and terminals.
        path.chars().try_for_each(|c| {
            if c.is_control() { write!(f, "{}", c.escape_debug()) } else { f.write_char(c) }
        })
    }
}

impl std::error::Error for Error {}

/// A part of a token, or of the document around it. Shown under the name it has in the decoded JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// The document `{_data, _typeBits}` or the text that holds it.
    Document,
    /// `_data` as a whole: its text, its first byte, its end.
    Data,
    /// The time of the event.
    ClusterTime,
    /// The version of the layout.
    Version,
    /// Event or high-water mark.
    TokenType,
    /// Ordinal within a transaction.
    TxnOpIndex,
    /// Whether the token is that of an invalidate event.
    FromInvalidate,
    /// The collection.
    Uuid,
    /// Document key or event identifier.
    Identifier,
    /// Ordinal of a fragment of a split event.
    FragmentNum,
    /// `_typeBits`.
    TypeBits,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::Document => "the document",
            Field::Data => "_data",
            Field::ClusterTime => "clusterTime",
            Field::Version => "version",
            Field::TokenType => "tokenType",
            Field::TxnOpIndex => "txnOpIndex",
            Field::FromInvalidate => "fromInvalidate",
            Field::Uuid => "uuid",
            Field::Identifier => "eventIdentifier",
            Field::FragmentNum => "fragmentNum",
            Field::TypeBits => "_typeBits",
        })
    }
}

/// What was wrong with a token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// `_data` is empty. The server answers 40649.
    Empty,
    /// A character of the text is no hexadecimal digit. The server answers 9. Cosmos DB vCore's base64 tokens end here.
    NotHex {
        /// The first such character.
        character: char,
        /// Its index in the text, in bytes.
        index: usize,
    },
    /// The text holds half a byte. The server answers 9.
    OddLength,
    /// The token ends inside a value, or without its end byte. The server answers 15, but lets a missing end pass.
    Truncated {
        /// How many more bytes it would take at the least.
        missing: usize,
    },
    /// The first byte is not that of a timestamp (0x82), nor do the bytes look like a known other vendor's.
    NotAToken {
        /// The byte found.
        first: u8,
    },
    /// The token's end stands where its layout demands a value. The server answers 50796, 6189501 and the like.
    Missing,
    /// No such layout: MongoDB knows 0, 1 and 2. The server answers 50795.
    UnknownVersion(i32),
    /// Neither 0 (high-water mark) nor 128 (event). The server answers 51057.
    UnknownTokenType(i32),
    /// A value of another type than the layout demands.
    WrongType {
        /// The type byte found.
        found: u8,
        /// What the layout demands.
        wanted: &'static str,
    },
    /// An ordinal below zero. The server answers 50794.
    Negative(i32),
    /// Binary, but no UUID. The server answers 207.
    NotAUuid {
        /// The binary subtype, which would have to be 4.
        subtype: u8,
        /// The number of bytes, which would have to be 16.
        length: usize,
    },
    /// No BSON type has this type byte. The server answers 50811.
    UnknownType(u8),
    /// More than 32 MiB of bytes, twice what servers take for a whole document.
    TooLong,
    /// A payload that no number has.
    InvalidNumber,
    /// A value in another form than the one in which servers write it, and by which they sort it; what is odd about it.
    NotCanonical(&'static str),
    /// Parts that are sound each by itself and stand together in no token of a server; what is at odds. The server answers
    /// 6189505 of high-water marks and 207 of an identifier without a collection.
    Contradiction(&'static str),
    /// A field is to sort as another type than its value has.
    SortByte {
        /// The byte before the field's name.
        found: u8,
        /// The byte that goes with the value's type.
        due: u8,
    },
    /// A string or name that is not UTF-8, which MongoDB stores and puts into tokens but Rust's strings cannot hold. The
    /// server resumes; [`decode_lenient`](crate::decode_lenient) tells all but that text.
    NotUtf8,
    /// More documents and arrays inside one another than the 200 that servers take. The server answers 15.
    TooDeep,
    /// The token goes on after its last value. The server answers 40646 to values, and does not look at what follows the end.
    LeftOver,
    /// `_typeBits` is longer or shorter than it says. The server answers 15 or 50910.
    TypeBitsLength,
    /// `_typeBits` ends before the values do. The server answers 50615.
    TypeBitsExhausted,
    /// `_typeBits` goes on after the last value: it belongs to another token.
    TypeBitsLeftOver,
    /// The type bits name a type that cannot hold the value. The server answers 50810 and the like, or reads another value.
    TypeBitsMismatch,
    /// The token asks for what its format cannot hold.
    Unwritable(&'static str),
    /// A token of another vendor, which holds no MongoDB cluster time.
    Foreign(Vendor),
    /// Not a document of the form `{_data, _typeBits}`; what was found instead.
    Document(String),
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorKind::Empty => f.write_str("the token is empty"),
            ErrorKind::NotHex { character, index } => {
                write!(f, "{character:?} at index {index} is no hexadecimal digit")
            }
            ErrorKind::OddLength => f.write_str("an odd number of hexadecimal digits"),
            ErrorKind::Truncated { missing: 1 } => f.write_str("the token ends 1 byte too early"),
            ErrorKind::Truncated { missing } => write!(f, "the token ends {missing} bytes too early"),
            ErrorKind::NotAToken { first } => {
                write!(f, "a token begins with the byte 0x82, this one with 0x{first:02X}")
            }
            ErrorKind::Missing => f.write_str("the token ends where a value is due"),
            ErrorKind::UnknownVersion(version) => write!(f, "version {version}; 0, 1 and 2 are known"),
            ErrorKind::UnknownTokenType(found) => {
                write!(f, "token type {found}; 0 (high-water mark) and 128 (event) are known")
            }
            ErrorKind::WrongType { found, wanted } => {
                write!(f, "a value of type 0x{found:02X} where {wanted} is due")
            }
            ErrorKind::Negative(found) => write!(f, "{found}, which is negative"),
            ErrorKind::NotAUuid { subtype, length } => {
                write!(f, "{length} bytes of binary subtype {subtype}, not a UUID (16 bytes of subtype 4)")
            }
            ErrorKind::UnknownType(found) => write!(f, "no BSON type is written as 0x{found:02X}"),
            ErrorKind::TooLong => f.write_str("more than 32 MiB"),
            ErrorKind::InvalidNumber => f.write_str("a payload that no number has"),
            ErrorKind::NotCanonical(what) | ErrorKind::Contradiction(what) => f.write_str(what),
            ErrorKind::SortByte { found, due } => {
                write!(f, "a field that sorts as type 0x{found:02X}, with a value that sorts as 0x{due:02X}")
            }
            ErrorKind::NotUtf8 => f.write_str("text that is not UTF-8"),
            ErrorKind::TooDeep => f.write_str("more than 200 documents inside one another"),
            ErrorKind::LeftOver => f.write_str("more bytes than the token has use for"),
            ErrorKind::TypeBitsLength => f.write_str("not as long as its first byte says"),
            ErrorKind::TypeBitsExhausted => f.write_str("too few bits for the values of this token"),
            ErrorKind::TypeBitsLeftOver => {
                f.write_str("more bits than the values of this token have use for")
            }
            ErrorKind::TypeBitsMismatch => {
                f.write_str("the type bits name a type that cannot hold the value")
            }
            ErrorKind::Unwritable(what) => f.write_str(what),
            ErrorKind::Foreign(vendor) => write!(f, "a token of {vendor}, not of MongoDB"),
            ErrorKind::Document(found) => f.write_str(found),
        }
    }
}

/// A maker of tokens that look like MongoDB's from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Vendor {
    /// Amazon DocumentDB: 0x01, seconds, increment, and what nobody has documented.
    DocumentDb,
    /// Azure Cosmos DB for MongoDB (RU): JSON in binary, with log sequence numbers in place of times.
    Cosmos,
}

impl fmt::Display for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Vendor::DocumentDb => "Amazon DocumentDB",
            Vendor::Cosmos => "Azure Cosmos DB",
        })
    }
}
