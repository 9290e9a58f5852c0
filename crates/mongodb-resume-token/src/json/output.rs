//! Tokens and values as JSON: values as canonical Extended JSON, v2 of its specification.

use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};

use crate::json::base64;
use crate::{Document, DocumentRef, Format, Identifier, Timestamp, Token, Value};

impl Token {
    /// The token as one line of JSON; field order and repeated names in documents are kept.
    ///
    /// | field | when | form |
    /// |---|---|---|
    /// | `format` | always | `bindata v0 v1 v2 documentdb cosmos unknown` |
    /// | `clusterTime` | known | `{"t": seconds, "i": ordinal}` |
    /// | `time` | with `clusterTime` | its second, RFC 3339, UTC |
    /// | `clusterTimeBasis` | `documentdb` | `"observed layout"`: nobody has documented it |
    /// | `tokenType` | v1, v2 | `high-water-mark` or `event` |
    /// | `txnOpIndex` | v0, v1, v2 | number |
    /// | `fromInvalidate` | v1, v2 | boolean |
    /// | `uuid` | present; null if v2 says so | with dashes |
    /// | `eventIdentifier` | present; `documentKey` in BinData | canonical Extended JSON |
    /// | `fragmentNum` | present | number |
    /// | `typeBitsMissing` | so | `true` |
    ///
    /// ```
    /// let token = mongodb_resume_token::decode("826275077A000000012B0429296E1404")?;
    /// assert_eq!(
    ///     token.to_json(),
    ///     r#"{"format":"v2","clusterTime":{"t":1651836794,"i":1},"time":"2022-05-06T11:33:14Z","#.to_owned()
    ///         + r#""tokenType":"high-water-mark","txnOpIndex":0,"fromInvalidate":false,"uuid":null}"#
    /// );
    /// # Ok::<(), mongodb_resume_token::Error>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        to_line(self)
    }
}

impl Document {
    /// One line of canonical Extended JSON, fields in order.
    #[must_use]
    pub fn to_json(&self) -> String {
        to_line(self)
    }
}

impl DocumentRef<'_> {
    /// One line of canonical Extended JSON, fields in order.
    #[must_use]
    pub fn to_json(self) -> String {
        to_line(&self)
    }
}

/// Writing JSON to memory fails only on names that are no strings, and all are, and for a document that was refused a field.
fn to_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("format", self.format.name())?;
        if let Some(time) = self.cluster_time {
            map.serialize_entry("clusterTime", &time)?;
            map.serialize_entry("time", &rfc_3339(time.t))?;
        }
        if self.format == Format::DocumentDb {
            map.serialize_entry("clusterTimeBasis", "observed layout")?;
        }
        if let Some(token_type) = self.token_type {
            map.serialize_entry("tokenType", token_type.name())?;
        }
        optional(&mut map, "txnOpIndex", self.txn_op_index)?;
        optional(&mut map, "fromInvalidate", self.from_invalidate)?;
        if self.format == Format::V2 || self.uuid.is_some() {
            map.serialize_entry("uuid", &self.uuid.map(|uuid| uuid.to_string()))?;
        }
        let name = if self.format == Format::BinData { "documentKey" } else { "eventIdentifier" };
        optional(&mut map, name, self.identifier.as_ref().map(Identifier::document))?;
        optional(&mut map, "fragmentNum", self.fragment_num)?;
        optional(&mut map, "typeBitsMissing", self.type_bits_missing.then_some(true))?;
        map.end()
    }
}

fn optional<M: SerializeMap>(map: &mut M, name: &str, value: Option<impl Serialize>) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, &value))
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.view().serialize(serializer)
    }
}

impl Serialize for DocumentRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.whole().map_err(S::Error::custom)?;
        serializer.collect_map(self.iter())
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Value::Null => serializer.serialize_unit(),
            Value::Boolean(value) => serializer.serialize_bool(value),
            Value::String(text) => serializer.serialize_str(text),
            Value::Document(document) => document.serialize(serializer),
            Value::Array(values) => serializer.collect_seq(values.iter()),
            Value::MinKey => wrapped(serializer, "$minKey", &1),
            Value::MaxKey => wrapped(serializer, "$maxKey", &1),
            Value::Undefined => wrapped(serializer, "$undefined", &true),
            Value::Int32(value) => wrapped(serializer, "$numberInt", &value.to_string()),
            Value::Int64(value) => wrapped(serializer, "$numberLong", &value.to_string()),
            Value::Double(value) => wrapped(serializer, "$numberDouble", &double(value)),
            Value::Decimal128(value) => wrapped(serializer, "$numberDecimal", &value.to_string()),
            Value::Symbol(text) => wrapped(serializer, "$symbol", &text),
            Value::Code(code) => wrapped(serializer, "$code", &code),
            Value::CodeWithScope { code, scope } => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("$code", &code)?;
                map.serialize_entry("$scope", &scope)?;
                map.end()
            }
            Value::Binary { subtype, bytes } => wrapped(serializer, "$binary", &Binary(subtype, bytes)),
            Value::ObjectId(id) => wrapped(serializer, "$oid", &digits(&id)),
            Value::DateTime(millis) => wrapped(serializer, "$date", &Value::Int64(millis)),
            Value::Timestamp(Timestamp { t, i }) => wrapped(serializer, "$timestamp", &Timestamp { t, i }),
            Value::Regex { pattern, options } => wrapped(
                serializer,
                "$regularExpression",
                &Fields([("pattern", pattern), ("options", options)]),
            ),
            Value::DbPointer { namespace, id } => wrapped(serializer, "$dbPointer", &Pointer(namespace, id)),
        }
    }
}

/// `{"$name": value}`.
fn wrapped<S: Serializer>(
    serializer: S,
    name: &'static str,
    value: &(impl Serialize + ?Sized),
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(name, value)?;
    map.end()
}

struct Fields<T>([(&'static str, T); 2]);

impl<T: Serialize> Serialize for Fields<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// The deprecated subtype whose bytes BSON precedes with their length once more; Extended JSON does not.
const OLD_BINARY: u8 = 2;

fn without_repeated_length(bytes: &[u8]) -> &[u8] {
    match bytes.split_first_chunk::<4>() {
        Some((length, rest)) if u32::from_le_bytes(*length) as usize == rest.len() => rest,
        _ => bytes,
    }
}

struct Binary<'a>(u8, &'a [u8]);

impl Serialize for Binary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Binary(subtype, bytes) = *self;
        let bytes = if subtype == OLD_BINARY { without_repeated_length(bytes) } else { bytes };
        Fields([("base64", base64::encode(bytes)), ("subType", format!("{subtype:02x}"))])
            .serialize(serializer)
    }
}

struct Pointer<'a>(&'a str, [u8; 12]);

impl Serialize for Pointer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Pointer(namespace, id) = self;
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("$ref", namespace)?;
        map.serialize_entry("$id", &Value::ObjectId(*id))?;
        map.end()
    }
}

/// The shortest digits that give the same double, with a point or an exponent to tell it from an integer.
fn double(value: f64) -> String {
    if value.is_infinite() {
        return if value.is_sign_positive() { "Infinity" } else { "-Infinity" }.to_owned();
    }
    format!("{value:?}")
}

fn digits(id: &[u8; 12]) -> String {
    crate::hex::encode(id).to_lowercase()
}

/// Seconds since 1970 as `2022-05-06T11:33:14Z`.
fn rfc_3339(seconds: u32) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil_date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day since 1970, by Howard Hinnant's `civil_from_days`: years begin in March, so that the
/// leap day is their last.
fn civil_date(days_since_1970: u32) -> (u32, u32, u32) {
    let days = days_since_1970 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u32::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_651_836_794, "2022-05-06T11:33:14Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (u32::MAX, "2106-02-07T06:28:15Z"),
        ] {
            assert_eq!(rfc_3339(seconds), text);
        }
    }

    #[test]
    fn every_type_has_its_extended_json() {
        let id = [0xAB; 12];
        let scope: Document = [("x", Value::Int32(1))].into_iter().collect();
        for (value, json) in [
            (Value::Int32(-1), r#"{"$numberInt":"-1"}"#),
            (Value::Double(-0.0), r#"{"$numberDouble":"-0.0"}"#),
            (Value::Double(f64::NAN), r#"{"$numberDouble":"NaN"}"#),
            (Value::Double(f64::NEG_INFINITY), r#"{"$numberDouble":"-Infinity"}"#),
            (Value::Double(f64::INFINITY), r#"{"$numberDouble":"Infinity"}"#),
            // Not its length once more, so part of what it holds.
            (
                Value::Binary { subtype: 2, bytes: &[2, 0, 0, 0, 9] },
                r#"{"$binary":{"base64":"AgAAAAk=","subType":"02"}}"#,
            ),
            (
                Value::Binary { subtype: 2, bytes: &[1, 0, 0, 0, 9] },
                r#"{"$binary":{"base64":"CQ==","subType":"02"}}"#,
            ),
            (Value::DateTime(-1), r#"{"$date":{"$numberLong":"-1"}}"#),
            (Value::Timestamp(Timestamp { t: 1, i: 2 }), r#"{"$timestamp":{"t":1,"i":2}}"#),
            (Value::Binary { subtype: 0x80, bytes: &[1] }, r#"{"$binary":{"base64":"AQ==","subType":"80"}}"#),
            (
                Value::Regex { pattern: "a", options: "i" },
                r#"{"$regularExpression":{"pattern":"a","options":"i"}}"#,
            ),
            (
                Value::CodeWithScope { code: "f", scope: scope.view() },
                r#"{"$code":"f","$scope":{"x":{"$numberInt":"1"}}}"#,
            ),
            (
                Value::DbPointer { namespace: "d.c", id },
                r#"{"$dbPointer":{"$ref":"d.c","$id":{"$oid":"abababababababababababab"}}}"#,
            ),
            (Value::MinKey, r#"{"$minKey":1}"#),
            (Value::Symbol("s"), r#"{"$symbol":"s"}"#),
        ] {
            assert_eq!(to_line(&value), json);
        }
    }

    #[test]
    fn a_time_that_nobody_documented_is_marked_as_such() {
        let token = crate::decode("015daf94f60000000204");
        assert_eq!(
            token.unwrap().to_json(),
            r#"{"format":"documentdb","clusterTime":{"t":1571788022,"i":2},"time":"2019-10-22T23:47:02Z","#
                .to_owned()
                + r#""clusterTimeBasis":"observed layout"}"#
        );
    }
}
