//! A standalone worker's offsets file: a Java-serialised `HashMap<byte[], byte[]>` (`FileOffsetBackingStore` in Kafka).
//!
//! The grammar is that of the "Java Object Serialization Specification", protocol version 2, as far as this one type needs
//! it. There is no general reader behind it: what is anything else is refused.

#[cfg(test)]
mod invariants;
#[cfg(test)]
mod tests;

/// `STREAM_MAGIC`, `STREAM_VERSION`, `TC_OBJECT`, and the class description of `java.util.HashMap` with the fields `float
/// loadFactor` and `int threshold`, up to the values of these.
const HASH_MAP: &[u8] = b"\xAC\xED\x00\x05\x73\x72\x00\x11java.util.HashMap\x05\x07\xDA\xC1\xC3\x16\x60\xD1\x03\x00\x02F\x00\x0AloadFactorI\x00\x09threshold\x78\x70";
/// The class description of `byte[]`.
const BYTE_ARRAY: &[u8] = b"\x72\x00\x02[B\xAC\xF3\x17\xF8\x06\x08\x54\xE0\x02\x00\x00\x78\x70";
/// `TC_REFERENCE` to that description: the map's description, the map and it have the first three numbers.
const BYTE_ARRAY_AGAIN: &[u8] = b"\x71\x00\x7E\x00\x02";

const TC_NULL: u8 = 0x70;
const TC_ARRAY: u8 = 0x75;
/// `TC_BLOCKDATA` of eight bytes: two integers, the number of buckets and that of entries.
const TWO_INTEGERS: &[u8] = b"\x77\x08";
const TC_ENDBLOCKDATA: u8 = 0x78;

/// Why bytes are no such map. None of them says that nothing is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JavaMapError {
    /// They end before the map does: read while the worker was writing, or cut off for good.
    Torn {
        /// How many there are.
        length: usize,
    },
    /// They are something else, or of a form that no Kafka Connect is known to write.
    Layout {
        /// Where the difference is.
        at: usize,
    },
    /// Two entries have one key: Java would keep either.
    DuplicateKey,
    /// More than a length in this format, or in Java, can say.
    TooLong,
}

impl std::error::Error for JavaMapError {}

impl std::fmt::Display for JavaMapError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Torn { length } => write!(f, "it ends after {length} bytes, in the midst of what it holds"),
            Self::Layout { at } => {
                write!(f, "byte {at} is not what a Java-serialised HashMap of byte arrays has there")
            }
            Self::DuplicateKey => f.write_str("a key stands in it twice"),
            Self::TooLong => f.write_str("it is too long for Java's serialisation"),
        }
    }
}

/// A stored key or value; `None` is Java's `null`.
type Bytes<'a> = Option<&'a [u8]>;

/// A key and its value.
type Entry<'a> = (Bytes<'a>, Bytes<'a>);

/// The entries of an offsets file, in the order in which they stand there. It borrows them: its own memory grows with the bytes
/// that were read, never with a number that stands in them.
#[derive(Clone, PartialEq, Eq)]
pub struct JavaMap<'a> {
    /// Load factor, threshold, number of buckets: Java reads the first and makes up the others anew.
    shape: [[u8; 4]; 3],
    entries: Vec<Entry<'a>>,
}

/// Keys may hold credentials, values hold document keys.
impl std::fmt::Debug for JavaMap<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JavaMap").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}

impl<'a> JavaMap<'a> {
    /// Reads all of `bytes`.
    ///
    /// # Errors
    /// Where they are not exactly one such map.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, JavaMapError> {
        let mut reader = Reader { bytes, at: 0, described: false };
        reader.expect(HASH_MAP)?;
        let (load_factor, threshold) = (reader.four()?, reader.four()?);
        reader.expect(TWO_INTEGERS)?;
        let buckets = reader.four()?;
        let size = reader.count()?;
        let mut entries = Vec::new();
        let mut keyless = 0;
        for _ in 0..size {
            let (key, value) = (reader.array()?, reader.array()?);
            keyless += u32::from(key.is_none());
            // Every other key takes bytes: so the entries take no more memory than a few times those.
            if keyless > 1 {
                return Err(JavaMapError::DuplicateKey);
            }
            entries.push((key, value));
        }
        reader.expect(&[TC_ENDBLOCKDATA])?;
        if reader.at < bytes.len() {
            return Err(JavaMapError::Layout { at: reader.at });
        }
        let map = Self { shape: [load_factor, threshold, buckets], entries };
        if map.has_a_key_twice() { Err(JavaMapError::DuplicateKey) } else { Ok(map) }
    }

    /// Keys and values as they stand there. A value of `None` is a position that was removed.
    #[must_use]
    pub fn entries(&self) -> &[Entry<'a>] {
        &self.entries
    }

    /// The same map without a key; `None` where it has no such key.
    #[must_use]
    pub fn without(&self, key: &[u8]) -> Option<Self> {
        let at = self.position(key)?;
        let mut map = self.clone();
        map.entries.remove(at);
        Some(map)
    }

    /// The same map with another value under a key that it has; `None` where it has no such key.
    #[must_use]
    pub fn replaced<'b>(&self, key: &[u8], value: Option<&'b [u8]>) -> Option<JavaMap<'b>>
    where
        'a: 'b,
    {
        let at = self.position(key)?;
        let mut map: JavaMap<'b> = self.clone();
        map.entries.get_mut(at)?.1 = value;
        Some(map)
    }

    /// The same map with one entry more; `None` where it has the key already.
    #[must_use]
    pub fn inserted<'b>(&self, key: &'b [u8], value: Option<&'b [u8]>) -> Option<JavaMap<'b>>
    where
        'a: 'b,
    {
        if self.position(key).is_some() {
            return None;
        }
        let mut map: JavaMap<'b> = self.clone();
        map.entries.push((Some(key), value));
        Some(map)
    }

    /// The bytes that Java reads as this map. Of one that Kafka Connect has written, and that was not changed, they are those
    /// that it has written.
    ///
    /// # Errors
    /// Where there is more in it than Java can count.
    pub fn to_bytes(&self) -> Result<Vec<u8>, JavaMapError> {
        let count = i32::try_from(self.entries.len()).map_err(|_| JavaMapError::TooLong)?;
        let [load_factor, threshold, buckets] = self.shape;
        let mut bytes = [HASH_MAP, &load_factor, &threshold, TWO_INTEGERS, &buckets].concat();
        bytes.extend(count.to_be_bytes());
        let mut described = false;
        for array in self.entries.iter().flat_map(|(key, value)| [key, value]) {
            let Some(array) = array else {
                bytes.push(TC_NULL);
                continue;
            };
            bytes.push(TC_ARRAY);
            bytes.extend(if described { BYTE_ARRAY_AGAIN } else { BYTE_ARRAY });
            described = true;
            bytes.extend(i32::try_from(array.len()).map_err(|_| JavaMapError::TooLong)?.to_be_bytes());
            bytes.extend(*array);
        }
        bytes.push(TC_ENDBLOCKDATA);
        Ok(bytes)
    }

    fn position(&self, key: &[u8]) -> Option<usize> {
        self.entries.iter().position(|(found, _)| *found == Some(key))
    }

    fn has_a_key_twice(&self) -> bool {
        let mut keys: Vec<Bytes<'_>> = self.entries.iter().map(|(key, _)| *key).collect();
        keys.sort_unstable();
        keys.windows(2).any(|pair| matches!(pair, [one, other] if one == other))
    }
}

/// Goes forward only, one call for each thing: there is nothing that nests.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The class of byte arrays stands in the stream: from now on it is referred to.
    described: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], JavaMapError> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or(JavaMapError::Torn { length: self.bytes.len() })?;
        self.at += count;
        Ok(taken)
    }

    fn four(&mut self) -> Result<[u8; 4], JavaMapError> {
        let mut four = [0; 4];
        four.copy_from_slice(self.take(4)?);
        Ok(four)
    }

    /// A number of things; Java's is signed.
    fn count(&mut self) -> Result<usize, JavaMapError> {
        let at = self.at;
        let count = i32::from_be_bytes(self.four()?);
        usize::try_from(count).map_err(|_| JavaMapError::Layout { at })
    }

    /// A difference counts before an end: what is something else is not called torn.
    fn expect(&mut self, expected: &[u8]) -> Result<(), JavaMapError> {
        for byte in expected {
            let at = self.at;
            if self.take(1)? != [*byte] {
                return Err(JavaMapError::Layout { at });
            }
        }
        Ok(())
    }

    fn array(&mut self) -> Result<Bytes<'a>, JavaMapError> {
        let at = self.at;
        match self.take(1)? {
            [TC_NULL] => return Ok(None),
            [TC_ARRAY] => {}
            _ => return Err(JavaMapError::Layout { at }),
        }
        self.expect(if self.described { BYTE_ARRAY_AGAIN } else { BYTE_ARRAY })?;
        self.described = true;
        let length = self.count()?;
        self.take(length).map(Some)
    }
}
