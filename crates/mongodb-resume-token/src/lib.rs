//! Decodes MongoDB change stream resume tokens: every format, every BSON type, every number exactly.
//!
//! ```
//! use mongodb_resume_token::{Event, Format, TokenDocument, Value};
//!
//! let token = TokenDocument::from_hex(concat!(
//!     "826275077A000000012B042C0100296E5A1004BFFDB617400E486099007C0E0048B305463C6F7065726174696F6E5479706500",
//!     "3C696E736572740046646F63756D656E744B65790046645F696400646275077A2F3159F971E405C6000004",
//! ));
//! let decoded = token.decode()?;
//! assert_eq!(decoded.format, Format::V2);
//! assert_eq!(decoded.cluster_time.map(|time| time.to_string()).as_deref(), Some("1651836794,1"));
//! assert_eq!(decoded.event(), Event::Change(Some("insert")));
//! let key = decoded.identifier.as_ref().and_then(|identifier| identifier.document_key());
//! assert!(matches!(key.and_then(|key| key.get("_id")), Some(Value::ObjectId(_))));
//! # Ok::<(), mongodb_resume_token::Error>(())
//! ```
//!
//! # How much to read
//!
//! | wanted | call | looks at |
//! |---|---|---|
//! | the time | [`cluster_time`], [`cluster_time_of_bytes`] | 9 bytes, allocates nothing |
//! | format, type, invalidate or not | [`decode_header`] | up to the collection |
//! | everything | [`TokenDocument::decode`], [`decode`] | every byte and every type bit |
//! | what a damaged token still tells, or one with text that is not UTF-8 | [`TokenDocument::decode_lenient`], [`decode_lenient`] | up to the damage |
//!
//! A time alone does not make a token sound: text with a valid beginning and any ending has one.
//!
//! # What a token looks like
//!
//! A change stream hands out a document, `{_data: …, _typeBits: …}`, the second field only where it is not all zero.
//! `_data` is a row of values, each a type byte and a payload, in an encoding that sorts like the values (*KeyString*):
//!
//! ```text
//! 82 6275077A 00000001    clusterTime   timestamp: seconds, ordinal         every format
//! 2B 04                   version       0, 1, 2 = 29, 2B02, 2B04            v0 v1 v2
//! 2C 0100                 tokenType     0 mark, 128 event = 29, 2C0100         v1 v2
//! 29                      txnOpIndex    0, 1, 2, … = 29, 2B02, 2B04, …      v0 v1 v2
//! 6E                      fromInvalidate   false, true = 6E, 6F                v1 v2
//! 5A 10 04 BFFDB6…B305    uuid          binary, 16 bytes, subtype 4
//!                                       may be absent before v2; there null = 14
//! 46                      eventIdentifier   document
//!    3C operationType 00    3C insert 00                                          v2
//!    46 documentKey 00      46
//!       64 _id 00             64 6275077A2F3159F971E405C6
//!    00                     00
//!                         fragmentNum   0, 1, 2, …, of a split event              v2
//! 04                      end
//! ```
//!
//! Before v2 the identifier is the bare document key, except for the expanded events of v1. The binary form of 3.6 is the
//! time, the document key and the collection, in this order. Sources: MongoDB server source, `resume_token.cpp`,
//! `key_string.cpp`, `change_stream_helpers.cpp`; tokens issued by mongod 6.0.5, against which rounding, limits and
//! error codes were measured.
//!
//! # How values are kept
//!
//! Decoding is never lazy. What stands in an identifier becomes two rows, one of values and one of the bytes that they
//! point to, and a [`Value`] borrows from there: numbers are copied out, texts and bytes are slices, what is nested is a
//! [`DocumentRef`] or an [`ArrayRef`]. Documents to write are put together with [`Document::push`].
//!
//! What it costs, beside the digits themselves:
//! - [`decode`] allocates nothing for high-water marks and for the insert, update, replace or delete of a document whose key
//!   is one ObjectId. From the fourth value of an identifier on, and from its 64th byte with what follows it in the token,
//!   the row concerned stands in a vector, however deep the values are. A token of more than 256 bytes takes a vector more
//!   while it is read.
//! - To look a field up by its name, to count, or to skip to the n-th value takes a step for each value before it, whatever
//!   stands inside, and looks at no text but names.
//! - A text that is handed out is a slice of the row of bytes. That it is UTF-8 was seen when the token was decoded, but
//!   without `unsafe` Rust has to be shown again, each time: a pass over the text, of 16 bytes at
//!   a step where it is ASCII. Keep the `&str` where the same text is needed often.
//!
//! # Limits
//!
//! No `unsafe`, and no input makes it panic. Documents nest up to 200 deep, as in the server, where that is
//! a setting (`maxBSONDepth`); where it is set higher, deeper tokens are refused here. Tokens have 32 MiB at most:
//! servers take 16 MiB for a whole document. Nothing is allocated for a length that the input only declares. A token of
//! *n* bytes (twice as many digits) takes 2 *n* of memory where texts fill it, and in the dearest case, an array of values
//! of one byte each, 34 *n*, up to 68 *n* while it is read.
//!
//! Servers write each value in one way; what is written in another is refused. Four things are not looked at: where a
//! decimal lies beside a double, whether that is the nearest double below, with the right mark on it; whether `_typeBits` tells
//! its length in the shortest way; in the form of 3.6, whether null stands for a missing document key; and in v2, whether the
//! identifier begins with `operationType`, as every server's does (where it does not, it is taken for a document key, and
//! [`Token::event`] is unknown).
//!
//! One thing is refused that servers write: text that is not UTF-8. MongoDB takes it in strings, names, regular expressions
//! and code (mongod 6.0.5 issues such tokens and resumes from them), but a `str` cannot hold it. The lenient face tells all
//! else of such a token, with U+FFFD in that text, and keeps [`ErrorKind::NotUtf8`].
//!
//! # Features
//!
//! | feature | gives | brings |
//! |---|---|---|
//! | – | decoding, encoding, BSON bytes ([`Document::to_bson`]) | nothing |
//! | `serde` | `Serialize` and `Deserialize` of [`Timestamp`] | `serde` |
//! | `json` | `TokenDocument::from_json`, `find_token`, `Token::to_json`, `Serialize` of tokens and values | `serde_json`, `base64` |
//! | `bson` | conversion to and from `bson::Document` | `bson` 3 |

mod bson;
mod decode;
mod document;
mod encode;
mod error;
mod hex;
mod high_water_mark;
#[cfg(feature = "json")]
mod json;
mod keystring;
mod lenient;
mod prefix;
mod timestamp;
mod token;
mod value;
mod vendor;

/// The README's example, run as a test.
#[cfg(all(doctest, feature = "json"))]
#[doc = include_str!("../README.md")]
struct Readme;

pub use decode::{decode, decode_header};
pub use document::{TokenData, TokenDocument};
pub use error::{Error, ErrorKind, Field, Vendor};
pub use high_water_mark::{high_water_mark_v1, high_water_mark_v2};
#[cfg(feature = "json")]
pub use json::find_token;
pub use keystring::decimal::Decimal128;
pub use lenient::{Partial, decode_lenient};
pub use prefix::{cluster_time, cluster_time_of_bytes};
pub use timestamp::Timestamp;
pub use token::{Event, Format, Identifier, Token, TokenType, Uuid};
pub use value::{Array, ArrayRef, Document, DocumentRef, Elements, Fields, Value};
