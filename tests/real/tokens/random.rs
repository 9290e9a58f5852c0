//! Random values of every type, the same in every run.

use mongodb_resume_token::{Array, Decimal128, Document, Timestamp, Value};

/// A generator of its own, so that a seed means the same for ever (xorshift64*, Vigna).
pub(super) struct Random(pub(super) u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.word() % bound
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.word().to_be_bytes()[0])
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.word()).unwrap_or(0) % from.len()]
    }

    fn text(&mut self) -> String {
        let length = self.below(12);
        (0..length).map(|_| self.pick(&['a', 'z', '\0', 'ž', '🐎', ' '])).collect()
    }

    fn name(&mut self) -> String {
        self.text().replace('\0', "_")
    }

    /// Makes one value, which borrows from here, and gives it away.
    pub(super) fn value(&mut self, depth: u64, give: impl FnOnce(Value<'_>)) {
        match self.below(if depth < 6 { 24 } else { 18 }) {
            0 => give(Value::Int32(i32::from_be_bytes(self.bytes()) >> self.below(32))),
            1 => give(Value::Int64(i64::from_be_bytes(self.bytes()) >> self.below(64))),
            2..=4 => give(Value::Double(self.double())),
            5..=8 => give(Value::Decimal128(self.decimal())),
            9 => give(Value::String(&self.text())),
            10 => give(self.pick_of_few()),
            11 => give(Value::Binary { subtype: self.pick(&[0, 3, 5, 6, 128]), bytes: &self.binary() }),
            12 => give(Value::ObjectId(self.bytes())),
            13 => give(Value::DateTime(i64::from_be_bytes(self.bytes()) >> self.below(64))),
            14 => give(Value::Timestamp(Timestamp {
                t: u32::from_be_bytes(self.bytes()),
                i: u32::from_be_bytes(self.bytes()),
            })),
            15 => give(Value::Regex { pattern: &self.name(), options: self.pick(&["", "i", "ix"]) }),
            16 => give(Value::Code(&self.text())),
            17 => give(Value::Symbol(&self.text())),
            18 => give(Value::CodeWithScope { code: &self.text(), scope: self.document(depth + 1).view() }),
            19 => give(Value::DbPointer { namespace: "a.b", id: self.bytes() }),
            20..=21 => give(Value::Document(self.document(depth + 1).view())),
            _ => give(Value::Array(self.array(depth + 1).view())),
        }
    }

    fn array(&mut self, depth: u64) -> Array {
        let (mut array, length) = (Array::new(), self.below(6));
        for _ in 0..length {
            self.value(depth, |value| array.push(value));
        }
        array
    }

    fn document(&mut self, depth: u64) -> Document {
        let (mut document, length) = (Document::new(), self.below(6));
        for index in 0..length {
            let name = format!("{}{index}", self.name());
            self.value(depth, |value| document.push(&name, value));
        }
        document
    }

    fn pick_of_few(&mut self) -> Value<'static> {
        match self.below(6) {
            0 => Value::Null,
            1 => Value::MinKey,
            2 => Value::MaxKey,
            3 => Value::Undefined,
            other => Value::Boolean(other == 4),
        }
    }

    fn binary(&mut self) -> Vec<u8> {
        let length = self.pick(&[0, 1, 16, 254, 255, 256, 300]);
        (0..length).map(|_| self.word().to_be_bytes()[0]).collect()
    }

    /// Doubles of every magnitude, and those at which the encoding changes its form. The bits of a NaN are not kept.
    fn double(&mut self) -> f64 {
        let any = f64::from_be_bytes(self.bytes());
        let edge = self.pick(&[
            0.0,
            1.0,
            0.1,
            5e-324,
            f64::MIN_POSITIVE,
            f64::MAX,
            f64::INFINITY,
            2f64.powi(63),
            2f64.powi(-255),
        ]);
        let edge = self.pick(&[edge, -edge, edge.next_up(), edge.next_down()]);
        let value = self.pick(&[any, edge, any.fract(), edge.trunc()]);
        if value.is_nan() { f64::NAN } else { value }
    }

    /// Decimals of every length and exponent, and many in the range of doubles.
    fn decimal(&mut self) -> Decimal128 {
        const BIAS: u64 = 6176;
        if self.below(30) == 0 {
            return self.pick(&[Decimal128::NAN, Decimal128::INFINITY, Decimal128::NEGATIVE_INFINITY]);
        }
        let digits = u32::try_from(self.below(35)).unwrap_or(0);
        let coefficient = u128::from_be_bytes(self.bytes()) % 10u128.pow(digits);
        let wide = self.below(12_288);
        let double = BIAS - 345 + self.below(645);
        let near = BIAS - 40 + self.below(60);
        let exponent = u128::from(self.pick(&[wide, double, near, near]));
        let sign = u128::from(self.below(2)) << 127;
        Decimal128::from_le_bytes((sign | (exponent << 113) | coefficient).to_le_bytes())
    }
}
