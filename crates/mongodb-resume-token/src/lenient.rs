//! What a damaged token still tells.

use crate::decode::{Reading, read_binary, read_hex};
use crate::error::{Error, ErrorKind, Field};
use crate::{Format, Token, TokenData, TokenDocument};

/// What could be read of a token, and why no more.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Partial {
    /// Whole, or as much of it as stands before the damage. Of an identifier that breaks off, the complete fields.
    pub token: Token,
    /// What [`decode`](crate::decode) says of the token.
    pub error: Option<Error>,
}

/// Decodes what a damaged token still tells. Of a sound one as much as [`decode`](crate::decode).
///
/// - Of digits, those before the first character that is none; so a line end after the token takes nothing from it.
/// - Text that is not UTF-8, which servers store and resume from, has U+FFFD in place of what is not. All else is told.
///
/// ```
/// let partial = mongodb_resume_token::decode_lenient("8266561E1B000000062B022C");
/// assert_eq!(partial.token.cluster_time.map(|time| time.t), Some(1716919835));
/// assert!(partial.error.is_some_and(|error| error.to_string().ends_with("in tokenType")));
/// ```
#[must_use]
pub fn decode_lenient(data: &str) -> Partial {
    Source { data: Data::Hex(data), reading: Reading::default() }.tell()
}

impl TokenDocument {
    /// Decodes what a damaged token still tells, as [`decode_lenient`] does. Of a sound one as much as
    /// [`decode`](Self::decode).
    ///
    /// Type bits that do not fit the token are left out, as if it had come without: the error tells of them.
    ///
    /// ```
    /// # use mongodb_resume_token::{Field, TokenData, TokenDocument};
    /// let data = "826B03DBBC000000042B022C0100296E5A10043CEF45D252B04391B0DD08B2DD38D615461E5F6964002B0A0004";
    /// let token = TokenDocument { data: TokenData::Hex(data.into()), type_bits: Some(vec![0x82, 0xC0]) };
    /// let partial = token.decode_lenient();
    /// assert_eq!(partial.error.map(|error| error.field()), Some(Field::TypeBits));
    /// assert_eq!(partial.token.cluster_time.map(|time| time.t), Some(1795414972));
    /// assert!(partial.token.identifier.is_some());
    /// ```
    #[must_use]
    pub fn decode_lenient(&self) -> Partial {
        let data = match &self.data {
            TokenData::Hex(text) => Data::Hex(text),
            TokenData::Binary(bytes) => Data::Binary(bytes),
        };
        let reading = Reading { type_bits: self.type_bits.as_deref(), ..Reading::default() };
        Source { data, reading }.tell()
    }
}

#[derive(Clone, Copy)]
enum Data<'a> {
    Hex(&'a str),
    Binary(&'a [u8]),
}

/// A token, and how to read it.
#[derive(Clone, Copy)]
struct Source<'a> {
    data: Data<'a>,
    reading: Reading<'a>,
}

impl<'a> Source<'a> {
    fn tell(self) -> Partial {
        let mut partial = self.read();
        if let Some(error) = partial.error.take() {
            partial = self.rescue(partial, error);
        }
        partial
    }

    /// As strict as `decode`, and keeps what was read before an error.
    fn read(self) -> Partial {
        let mut partial = Partial { token: Token::new(Format::Unknown), error: None };
        let token = &mut partial.token;
        partial.error = match self.data {
            Data::Hex(text) => read_hex(text, self.reading, token),
            Data::Binary(bytes) => read_binary(bytes, self.reading, token),
        }
        .err();
        partial
    }

    /// Reads once more where that tells more. What was read is let go before, for it may be many times the token.
    #[cold]
    fn rescue(self, partial: Partial, error: Error) -> Partial {
        let first = Some(Stop::of(&error));
        let (source, stop, mut partial) = match self.sound_part(&error) {
            Some(part) => {
                drop(partial);
                let partial = part.read();
                (part, partial.error.as_ref().map(Stop::of), partial)
            }
            None => (self, first, partial),
        };
        if let (Some(stop), Some(_)) = (stop, source.reading.type_bits) {
            drop(partial);
            partial = source.with_or_without_type_bits(stop);
        }
        Partial { error: Some(error), ..partial }
    }

    /// The token without what is wrong with its digits or texts.
    fn sound_part(self, error: &Error) -> Option<Source<'a>> {
        let data = match (error.kind(), self.data) {
            (ErrorKind::NotUtf8, data) => data,
            (ErrorKind::NotHex { index, .. }, Data::Hex(text)) => Data::Hex(text.get(..index / 2 * 2)?),
            (ErrorKind::OddLength, Data::Hex(text)) => Data::Hex(text.get(..text.len() / 2 * 2)?),
            _ => return None,
        };
        Some(Source { data, reading: Reading { lossy: true, ..self.reading } })
    }

    /// Type bits may be damaged where the token is sound; then it tells more by itself.
    fn with_or_without_type_bits(self, stop: Stop) -> Partial {
        let alone = Source { reading: Reading { type_bits: None, ..self.reading }, ..self }.read();
        match &alone.error {
            Some(error) if stop.field != Field::TypeBits && error.offset() <= stop.offset => {}
            None | Some(_) => return alone,
        }
        drop(alone);
        self.read()
    }
}

/// Where reading came to an end.
#[derive(Clone, Copy)]
struct Stop {
    field: Field,
    offset: usize,
}

impl Stop {
    fn of(error: &Error) -> Stop {
        Stop { field: error.field(), offset: error.offset() }
    }
}
