//! Tokens, written.

use crate::decode::LONGEST;
use crate::error::{Error, ErrorKind, Field};
use crate::keystring::type_byte as byte;
use crate::keystring::writer::Writer;
use crate::{Format, Identifier, Token, TokenData, TokenDocument, TokenType, hex};

impl Token {
    /// Writes the token as a server of its format would: what [`TokenDocument::decode`] reads back, or nothing.
    ///
    /// One field is not read back: a token with [`type_bits_missing`](Token::type_bits_missing) is written with the type bits
    /// of the types that it was given for want of any, and those need not be the ones that it has lost.
    ///
    /// Meant for tests and tools. A server resumes from a written token of an event only if it knows that very event;
    /// to resume at a time, write a high-water mark.
    ///
    /// # Errors
    /// [`ErrorKind::Unwritable`] for other vendors' formats, for a token that lacks what its format demands or has what it
    /// cannot hold, for an identifier of one kind with the fields of the other, and for a name with a zero in it;
    /// [`ErrorKind::TooDeep`] and [`ErrorKind::TooLong`]; the [refusal](crate::Document::refusal) of
    /// an identifier that lacks what was pushed.
    ///
    /// ```
    /// # use mongodb_resume_token::{Timestamp, Token, TokenDocument, high_water_mark_v1};
    /// let time = Timestamp { t: 1651836794, i: 1 };
    /// let written = Token::high_water_mark(time).encode()?;
    /// assert_eq!(written, TokenDocument::from_hex(high_water_mark_v1(time)));
    /// # Ok::<(), mongodb_resume_token::Error>(())
    /// ```
    pub fn encode(&self) -> Result<TokenDocument, Error> {
        let mut writer = Writer::default();
        let time = demand(&writer, self.cluster_time, "a token without a time")?;
        writer.bytes.push(byte::TIMESTAMP);
        writer.bytes.extend_from_slice(&time.to_be_bytes());
        self.refuse_what_has_no_place(&writer)?;
        match self.format {
            Format::BinData => self.write_legacy(&mut writer)?,
            Format::V0 => self.write_versioned(&mut writer, 0)?,
            Format::V1 => self.write_versioned(&mut writer, 1)?,
            Format::V2 => self.write_versioned(&mut writer, 2)?,
            Format::DocumentDb | Format::Cosmos | Format::Unknown => {
                return Err(writer.refuse(ErrorKind::Unwritable("a token of no format of MongoDB's")));
            }
        }
        writer.bytes.push(byte::END);
        // Zeros in strings take twice their room.
        if writer.bytes.len() > LONGEST {
            return Err(Error::new(ErrorKind::TooLong, LONGEST, Field::Data));
        }
        let data = if self.format == Format::BinData {
            TokenData::Binary(writer.bytes)
        } else {
            TokenData::Hex(hex::encode(&writer.bytes))
        };
        Ok(TokenDocument { data, type_bits: writer.bits.finish() })
    }

    fn refuse_what_has_no_place(&self, writer: &Writer) -> Result<(), Error> {
        let has_type = matches!(self.format, Format::V1 | Format::V2);
        let is_mark = self.is_high_water_mark();
        let misplaced = [
            (self.token_type.is_some() && !has_type, "a token type in a format without one"),
            (self.from_invalidate.is_some() && !has_type, "fromInvalidate in a format without it"),
            (
                self.txn_op_index.is_some() && self.format == Format::BinData,
                "txnOpIndex in a format without it",
            ),
            (self.identifier.is_some() && is_mark, "an identifier in a high-water mark"),
            (is_mark && self.txn_op_index.is_some_and(|index| index != 0), "an ordinal in a high-water mark"),
            (is_mark && self.from_invalidate == Some(true), "a high-water mark of an invalidate event"),
            (
                self.identifier.is_some() && self.uuid.is_none() && self.format == Format::V1,
                "an identifier in v1 without a collection",
            ),
            (
                self.fragment_num.is_some() && (self.format != Format::V2 || is_mark),
                "a fragment of no split event",
            ),
        ];
        let is_of_its_kind = self.identifier.as_ref().is_none_or(|known| known.is_of_its_kind(self.format));
        let misplaced = misplaced
            .into_iter()
            .chain([(!is_of_its_kind, "an identifier of one kind with the fields of the other")])
            .find(|(is_misplaced, _)| *is_misplaced);
        match misplaced {
            Some((_, what)) => Err(writer.refuse(ErrorKind::Unwritable(what))),
            None => Ok(()),
        }
    }

    fn write_legacy(&self, writer: &mut Writer) -> Result<(), Error> {
        match &self.identifier {
            Some(identifier) => write_identifier(writer, identifier)?,
            None if self.uuid.is_some() => writer.bytes.push(byte::NULL),
            None => {}
        }
        self.write_uuid(writer)
    }

    fn write_versioned(&self, writer: &mut Writer, version: i32) -> Result<(), Error> {
        writer.int(version);
        if self.format != Format::V0 {
            writer.int(match demand(writer, self.token_type, "a token of v1 or v2 without a type")? {
                TokenType::HighWaterMark => 0,
                TokenType::Event => 128,
            });
        }
        let index = demand(writer, self.txn_op_index, "a token without txnOpIndex")?;
        write_index(writer, index)?;
        if self.format != Format::V0 {
            let from_invalidate =
                demand(writer, self.from_invalidate, "a token of v1 or v2 without fromInvalidate")?;
            writer.boolean(from_invalidate);
        }
        self.write_uuid(writer)?;
        match &self.identifier {
            Some(identifier) => write_identifier(writer, identifier)?,
            None if self.format == Format::V2 && !self.is_high_water_mark() => {
                return Err(writer.refuse(ErrorKind::Unwritable("an event of v2 without an identifier")));
            }
            None => {}
        }
        self.fragment_num.map_or(Ok(()), |number| write_index(writer, number))
    }

    fn write_uuid(&self, writer: &mut Writer) -> Result<(), Error> {
        match self.uuid {
            Some(uuid) => {
                writer.bytes.push(byte::BINARY);
                writer.binary(4, &uuid.0)?;
            }
            None if self.format == Format::V2 => writer.bytes.push(byte::NULL),
            None => {}
        }
        Ok(())
    }
}

fn demand<T>(writer: &Writer, value: Option<T>, lack: &'static str) -> Result<T, Error> {
    value.ok_or_else(|| writer.refuse(ErrorKind::Unwritable(lack)))
}

fn write_index(writer: &mut Writer, index: u32) -> Result<(), Error> {
    let index = i32::try_from(index).ok();
    let index = demand(writer, index, "an ordinal above 2147483647")?;
    writer.int(index);
    Ok(())
}

fn write_identifier(writer: &mut Writer, identifier: &Identifier) -> Result<(), Error> {
    identifier.document().view().whole()?;
    writer.bytes.push(byte::OBJECT);
    writer.document(identifier.document().view()).map_err(Error::joined)
}
