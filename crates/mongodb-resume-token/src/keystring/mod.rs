//! KeyString, version 1: the order-preserving encoding of BSON values that a token is made of.
//!
//! A value is one type byte and a payload whose length the payload itself tells. What the payload cannot tell, namely
//! which of several BSON types a number or string had, stands in a separate string of *type bits*.
//! Facts: MongoDB server source, `key_string.cpp`; rounding and limits measured against mongod 6.0.5.

pub(crate) mod decimal;
pub(crate) mod expansion;
pub(crate) mod leading;
pub(crate) mod number;
pub(crate) mod number_writer;
pub(crate) mod reader;
pub(crate) mod tree;
pub(crate) mod type_bits;
pub(crate) mod writer;

/// Documents and arrays inside one another, the identifier itself included: mongod 6.0.5 takes 200 and refuses 201.
/// There it is a setting (`maxBSONDepth`), here it is not.
pub(crate) const MAX_DEPTH: usize = 200;

/// The first byte of every value, which also orders the types.
pub(crate) mod type_byte {
    pub(crate) const END: u8 = 0x04;
    pub(crate) const MIN_KEY: u8 = 0x0A;
    pub(crate) const UNDEFINED: u8 = 0x0F;
    pub(crate) const NULL: u8 = 0x14;
    pub(crate) const NAN: u8 = 0x1E;
    pub(crate) const NEGATIVE_LARGE: u8 = 0x1F;
    /// Negative integers of eight bytes down to one.
    pub(crate) const NEGATIVE_8_BYTES: u8 = 0x20;
    pub(crate) const NEGATIVE_1_BYTE: u8 = 0x27;
    pub(crate) const NEGATIVE_SMALL: u8 = 0x28;
    pub(crate) const ZERO: u8 = 0x29;
    pub(crate) const POSITIVE_SMALL: u8 = 0x2A;
    /// Positive integers of one byte up to eight.
    pub(crate) const POSITIVE_1_BYTE: u8 = 0x2B;
    pub(crate) const POSITIVE_2_BYTES: u8 = 0x2C;
    pub(crate) const POSITIVE_8_BYTES: u8 = 0x32;
    pub(crate) const POSITIVE_LARGE: u8 = 0x33;
    pub(crate) const STRING: u8 = 0x3C;
    pub(crate) const OBJECT: u8 = 0x46;
    pub(crate) const ARRAY: u8 = 0x50;
    pub(crate) const BINARY: u8 = 0x5A;
    pub(crate) const OBJECT_ID: u8 = 0x64;
    pub(crate) const FALSE: u8 = 0x6E;
    pub(crate) const TRUE: u8 = 0x6F;
    pub(crate) const DATE: u8 = 0x78;
    pub(crate) const TIMESTAMP: u8 = 0x82;
    pub(crate) const REGEX: u8 = 0x8C;
    pub(crate) const DB_POINTER: u8 = 0x96;
    pub(crate) const CODE: u8 = 0xA0;
    pub(crate) const CODE_WITH_SCOPE: u8 = 0xAA;
    pub(crate) const MAX_KEY: u8 = 0xF0;

    /// The byte before the name of a field whose value has that type byte: the same for all numbers, and for both
    /// booleans. 0 for what is no type byte.
    pub(crate) const SORTS_AS: [u8; 256] = {
        let mut table = [0; 256];
        let mut number = NAN;
        while number <= POSITIVE_LARGE {
            table[number as usize] = NAN;
            number += 1;
        }
        let others = [
            MIN_KEY,
            UNDEFINED,
            NULL,
            STRING,
            OBJECT,
            ARRAY,
            BINARY,
            OBJECT_ID,
            FALSE,
            DATE,
            TIMESTAMP,
            REGEX,
            DB_POINTER,
            CODE,
            CODE_WITH_SCOPE,
            MAX_KEY,
        ];
        let mut index = 0;
        while index < others.len() {
            table[others[index] as usize] = others[index];
            index += 1;
        }
        table[TRUE as usize] = FALSE;
        table
    };
}
