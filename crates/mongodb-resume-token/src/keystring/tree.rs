//! A document, read into a row of nodes.
//!
//! Without recursion: while a document or array is open, its node keeps the place of the one around it where later the
//! count of what it holds will stand. The rest of the token is handed from one value to the next, and thus stays in
//! registers.

use crate::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::keystring::reader::{Values, split_at_zero};
use crate::keystring::{MAX_DEPTH, type_byte as byte};
use crate::value::tape::{Node, Span, Stored, Tape};

/// The place of the document in which all others stand; it has no node.
const ROOT: u32 = u32::MAX;
/// What follows a zero that belongs to a string.
const ESCAPED: u8 = 0xFF;

/// A document that is being read.
pub(crate) struct Tree<'t, 'a> {
    values: &'t mut Values<'a>,
    /// All that follows the document's type byte.
    bytes: &'a [u8],
    /// Begins with a copy of these bytes. After them stand strings without the escapes that they have in the token, and
    /// texts that were mended.
    tape: &'t mut Tape,
    open: Open,
    /// The name of the value that is being read, if one is.
    name: Option<Span>,
    /// Of the first field whose sort byte does not go with its value.
    missorted: Option<Error>,
}

impl Stored {
    /// Of a value that is open: the place of the one around it.
    fn around(mut self) -> u32 {
        self.inside_mut().map_or(ROOT, |around| *around)
    }
}

/// The document or array whose values are being read.
#[derive(Clone, Copy)]
struct Open {
    place: u32,
    is_array: bool,
    /// How many are open.
    depth: usize,
}

impl<'t, 'a> Tree<'t, 'a> {
    /// Reads a document whose type byte has been read, into an empty tape. The fields before an error are whole, and all
    /// there are.
    pub(crate) fn read(values: &'t mut Values<'a>, tape: &'t mut Tape) -> Result<(), Error> {
        let bytes = values.reader.rest();
        tape.bytes.extend_from_slice(bytes);
        let open = Open { place: ROOT, is_array: false, depth: 1 };
        let mut tree = Tree { values, bytes, tape, open, name: None, missorted: None };
        let outcome = tree.grow().map_err(|error| {
            let error = tree.located(error);
            tree.cut();
            error
        });
        outcome.and_then(|()| tree.missorted.map_or(Ok(()), Err))
    }

    fn grow(&mut self) -> Result<(), Error> {
        let mut rest = self.values.reader.rest();
        loop {
            let Some((&first, after)) = rest.split_first() else { return Err(self.short(rest, 1)) };
            rest = after;
            if first == 0 {
                if self.open.place == ROOT {
                    self.values.reader.go_on(rest);
                    return Ok(());
                }
                self.close();
                continue;
            }
            let (name, type_byte) = if self.open.is_array {
                self.name = Some(Span::default());
                (Span::default(), first)
            } else {
                let (name, after) = self.field_name(rest)?;
                self.name = Some(name);
                let Some((&type_byte, after)) = after.split_first() else { return Err(self.short(after, 1)) };
                rest = after;
                // The first of a field's two type bytes is only for sorting.
                if byte::SORTS_AS[usize::from(type_byte)] != first {
                    self.missorted(first, type_byte, name, rest);
                }
                (name, type_byte)
            };
            rest = match type_byte {
                byte::STRING => {
                    let is_symbol = self.values.type_bits.is_symbol()?;
                    let (text, after) = self.string(rest)?;
                    // Two calls, for a value that two branches meet in would go through memory.
                    if is_symbol {
                        self.push(name, Stored::Symbol(text));
                    } else {
                        self.push(name, Stored::String(text));
                    }
                    after
                }
                byte::OBJECT => {
                    self.descend(name, Stored::Document { inside: self.open.place }, rest)?;
                    rest
                }
                byte::OBJECT_ID => {
                    let Some((id, after)) = rest.split_first_chunk() else {
                        return Err(self.short(rest, 12));
                    };
                    self.push(name, Stored::ObjectId(*id));
                    after
                }
                _ => match self.values.small_integer(type_byte, rest) {
                    Some((small, after)) => {
                        self.push(name, Stored::Int32(small));
                        after
                    }
                    None => self.seldom(name, type_byte, rest)?,
                },
            };
        }
    }

    #[inline(always)]
    fn push(&mut self, name: Span, value: Stored) {
        self.tape.nodes.push_one_of(Node { name, value }, self.bytes.len());
        self.name = None;
    }

    /// All other values.
    #[inline(never)]
    fn seldom(&mut self, name: Span, type_byte: u8, rest: &'a [u8]) -> Result<&'a [u8], Error> {
        self.values.reader.go_on(rest);
        let value = match type_byte {
            byte::NAN..=byte::POSITIVE_LARGE => {
                self.number(name, type_byte)?;
                return Ok(self.values.reader.rest());
            }
            byte::ARRAY => {
                self.descend(name, Stored::Array { inside: self.open.place }, rest)?;
                return Ok(rest);
            }
            byte::CODE_WITH_SCOPE => {
                let code = self.next_string()?;
                let rest = self.values.reader.rest();
                self.descend(name, Stored::CodeWithScope { code, inside: self.open.place }, rest)?;
                return Ok(rest);
            }
            byte::CODE => Stored::Code(self.next_string()?),
            byte::REGEX => Stored::Regex { pattern: self.next_text()?, options: self.next_text()? },
            byte::BINARY => {
                let (subtype, bytes) = self.values.reader.binary()?;
                Stored::Binary { subtype, bytes: self.span_before(bytes.len()) }
            }
            byte::DB_POINTER => self.db_pointer()?,
            _ => self.plain(type_byte)?,
        };
        self.push(name, value);
        Ok(self.values.reader.rest())
    }

    /// Straight into its place.
    fn number(&mut self, name: Span, type_byte: u8) -> Result<(), Error> {
        let place = self.tape.nodes.len();
        self.tape.nodes.push_one_of(Node { name, value: Stored::Null }, self.bytes.len());
        let read = match self.tape.nodes.as_mut_slice().last_mut() {
            Some(node) => self.values.any_number(type_byte, &mut node.value),
            None => Ok(()),
        };
        match read {
            Ok(()) => self.name = None,
            Err(_) => self.tape.nodes.truncate(place),
        }
        read
    }

    /// Values that point to nothing.
    fn plain(&mut self, type_byte: u8) -> Result<Stored, Error> {
        let reader = &mut self.values.reader;
        Ok(match type_byte {
            byte::MIN_KEY => Stored::MinKey,
            byte::UNDEFINED => Stored::Undefined,
            byte::NULL => Stored::Null,
            byte::FALSE => Stored::Boolean(false),
            byte::TRUE => Stored::Boolean(true),
            byte::DATE => Stored::DateTime(i64::from_be_bytes(*reader.chunk()?) ^ i64::MIN),
            byte::TIMESTAMP => Stored::Timestamp(Timestamp::from_be_bytes(*reader.chunk()?)),
            byte::MAX_KEY => Stored::MaxKey,
            unknown => return Err(reader.error_at(ErrorKind::UnknownType(unknown), reader.position() - 1)),
        })
    }

    fn db_pointer(&mut self) -> Result<Stored, Error> {
        let reader = &mut self.values.reader;
        let length = u32::from_be_bytes(*reader.chunk()?) as usize;
        let start = reader.position();
        let bytes = reader.take(length)?;
        let namespace = self.checked(bytes, start, self.span_before(length))?;
        Ok(Stored::DbPointer { namespace, id: *self.values.reader.chunk()? })
    }

    fn next_text(&mut self) -> Result<Span, Error> {
        let (span, rest) = self.text(self.values.reader.rest())?;
        self.values.reader.go_on(rest);
        Ok(span)
    }

    fn next_string(&mut self) -> Result<Span, Error> {
        let (span, rest) = self.string(self.values.reader.rest())?;
        self.values.reader.go_on(rest);
        Ok(span)
    }

    /// Among those that most tokens hold there is no need to look for the zero at the end.
    #[inline(always)]
    fn field_name(&mut self, rest: &'a [u8]) -> Result<(Span, &'a [u8]), Error> {
        for usual in [&b"_id\0"[..], b"operationType\0", b"documentKey\0"] {
            if let Some(after) = rest.strip_prefix(usual) {
                return Ok((self.span(rest, usual.len() - 1), after));
            }
        }
        self.text(rest)
    }

    /// A string that cannot hold a zero.
    #[inline(always)]
    fn text(&mut self, rest: &'a [u8]) -> Result<(Span, &'a [u8]), Error> {
        let Some((text, after, is_ascii)) = split_at_zero(rest) else { return Err(self.unended(rest)) };
        let span = self.span(rest, text.len());
        if !is_ascii {
            return Ok((self.not_ascii(text, rest, span)?, after));
        }
        Ok((span, after))
    }

    /// A string in which 00 FF stands for a zero, and 00 with anything else after it for the end.
    #[inline(always)]
    fn string(&mut self, rest: &'a [u8]) -> Result<(Span, &'a [u8]), Error> {
        let Some((text, after, is_ascii)) = split_at_zero(rest) else { return Err(self.unended(rest)) };
        if after.first() == Some(&ESCAPED) {
            return self.unescape(rest);
        }
        let span = self.span(rest, text.len());
        if !is_ascii {
            return Ok((self.not_ascii(text, rest, span)?, after));
        }
        Ok((span, after))
    }

    #[cold]
    fn unescape(&mut self, start: &'a [u8]) -> Result<(Span, &'a [u8]), Error> {
        let place = self.tape.bytes.len();
        let mut rest = start;
        loop {
            let Some((text, after, _)) = split_at_zero(rest) else { return Err(self.unended(rest)) };
            self.tape.bytes.extend_from_slice(text);
            match after {
                [ESCAPED, after @ ..] => {
                    self.tape.bytes.extend_from_slice(&[0]);
                    rest = after;
                }
                _ => {
                    rest = after;
                    break;
                }
            }
        }
        let text = &self.tape.bytes.as_slice()[place..];
        let span = Span::new(place, text.len());
        let Err(error) = str::from_utf8(text) else { return Ok((span, rest)) };
        if self.values.lossy {
            let text = String::from_utf8_lossy(text).into_owned();
            self.tape.bytes.truncate(place);
            return Ok((self.keep(&text), rest));
        }
        let sound = &text[..error.valid_up_to()];
        // Each zero is two bytes in the token.
        let zeros = sound.iter().filter(|byte| **byte == 0).count();
        let bad = self.values.reader.length() - start.len() + sound.len() + zeros;
        Err(self.values.reader.error_at(ErrorKind::NotUtf8, bad))
    }

    /// A part of the token, from the front of `rest` on.
    #[inline(always)]
    fn span(&self, rest: &[u8], length: usize) -> Span {
        Span::new(self.bytes.len() - rest.len(), length)
    }

    /// The bytes that were read last.
    fn span_before(&self, length: usize) -> Span {
        Span::new(self.bytes.len() - self.values.reader.rest().len() - length, length)
    }

    #[cold]
    fn not_ascii(&mut self, text: &[u8], rest: &'a [u8], span: Span) -> Result<Span, Error> {
        self.values.reader.go_on(rest);
        self.checked(text, self.values.reader.position(), span)
    }

    /// A text that begins at `start` in the token, where it stands or, if it has to be mended, behind all others.
    #[cold]
    fn checked(&mut self, text: &[u8], start: usize, span: Span) -> Result<Span, Error> {
        match str::from_utf8(text) {
            Ok(_) => Ok(span),
            Err(_) if self.values.lossy => Ok(self.keep(&String::from_utf8_lossy(text))),
            Err(error) => Err(self.values.reader.error_at(ErrorKind::NotUtf8, start + error.valid_up_to())),
        }
    }

    fn keep(&mut self, text: &str) -> Span {
        let place = self.tape.bytes.len();
        self.tape.bytes.extend_from_slice(text.as_bytes());
        Span::new(place, text.len())
    }

    #[cold]
    fn short(&mut self, rest: &'a [u8], wanted: usize) -> Error {
        self.values.reader.go_on(rest);
        self.values.reader.truncated(wanted)
    }

    /// A field whose first byte does not go with its value. What is wrong with all that follows is told before it, for a
    /// token that breaks off has a graver fault, and a value of no type is one in its own right.
    #[cold]
    fn missorted(&mut self, first: u8, type_byte: u8, name: Span, rest: &'a [u8]) {
        let due = byte::SORTS_AS[usize::from(type_byte)];
        if due == 0 || self.missorted.is_some() {
            return;
        }
        let kind = match byte::SORTS_AS[usize::from(first)] {
            0 => ErrorKind::UnknownType(first),
            _ => ErrorKind::SortByte { found: first, due },
        };
        // Before both bytes, the name, and the zero behind it. A mended name stands elsewhere, but then nobody is told.
        let start = self.values.reader.length() - rest.len() - name.of(self.bytes).len() - 3;
        self.missorted = Some(self.located(self.values.reader.error_at(kind, start)));
    }

    /// A string without its end.
    #[cold]
    fn unended(&mut self, rest: &'a [u8]) -> Error {
        self.short(&rest[rest.len()..], 1)
    }

    /// Goes on inside the value that has begun.
    #[inline]
    fn descend(&mut self, name: Span, value: Stored, rest: &'a [u8]) -> Result<(), Error> {
        let depth = self.open.depth;
        if depth >= MAX_DEPTH {
            self.values.reader.go_on(rest);
            return Err(self.values.reader.error(ErrorKind::TooDeep));
        }
        let place = u32::try_from(self.tape.nodes.len()).unwrap_or(ROOT);
        self.push(name, value);
        self.open = Open { place, is_array: matches!(value, Stored::Array { .. }), depth: depth + 1 };
        Ok(())
    }

    /// Goes on after what is open.
    fn close(&mut self) {
        let place = self.open.place as usize;
        let count = u32::try_from(self.tape.nodes.len() - place - 1).unwrap_or(0);
        if let Some(inside) =
            self.tape.nodes.as_mut_slice().get_mut(place).and_then(|node| node.value.inside_mut())
        {
            let around = std::mem::replace(inside, count);
            self.open = Open { place: around, is_array: self.is_array(around), depth: self.open.depth - 1 };
        }
    }

    fn is_array(&self, place: u32) -> bool {
        matches!(
            self.tape.nodes.as_slice().get(place as usize),
            Some(Node { value: Stored::Array { .. }, .. })
        )
    }

    /// Tells the error in which value it was.
    #[cold]
    fn located(&self, mut error: Error) -> Error {
        if let Some(name) = self.name {
            error = error.within(self.label(self.tape.nodes.len(), name, self.open.place));
        }
        let mut place = self.open.place;
        while let Some(Node { name, value }) = self.tape.nodes.as_slice().get(place as usize) {
            let around = value.around();
            error = error.within(self.label(place as usize, *name, around));
            place = around;
        }
        error.joined()
    }

    /// Cuts off what is not whole.
    #[cold]
    fn cut(&mut self) {
        let mut place = self.open.place;
        while let Some(Node { value, .. }) = self.tape.nodes.as_slice().get(place as usize) {
            let around = value.around();
            self.tape.nodes.truncate(place as usize);
            place = around;
        }
    }

    /// The name of the value at that place, or its index in the array that it stands in.
    fn label(&self, place: usize, name: Span, around: u32) -> String {
        if !self.is_array(around) {
            return String::from_utf8_lossy(name.of(self.tape.bytes.as_slice())).into_owned();
        }
        let (mut index, mut next) = (0, around as usize + 1);
        while next < place {
            (index, next) = (index + 1, next + 1 + self.tape.nodes.as_slice()[next].value.inside());
        }
        index.to_string()
    }
}
