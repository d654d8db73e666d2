//! Reads and writes the few protobuf fields that are needed.

/// The value of a field. Values of 32 bits are skipped: no field that is read has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldValue<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32,
}

/// The text is not protobuf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The fields of a message, in their order.
pub(super) struct ProtobufFields<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for ProtobufFields<'a> {
    type Item = Result<(u64, FieldValue<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field().ok_or(Malformed);
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> ProtobufFields<'a> {
    fn field(&mut self) -> Option<(u64, FieldValue<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => FieldValue::Varint(self.varint()?),
            1 => FieldValue::Fixed64(u64::from_le_bytes(self.bytes(8)?.try_into().ok()?)),
            2 => {
                let length = self.varint()?;
                FieldValue::Bytes(self.bytes(length)?)
            }
            5 => {
                self.bytes(4)?;
                FieldValue::Fixed32
            }
            _ => return None,
        };
        Some((key >> 3, value))
    }

    fn varint(&mut self) -> Option<u64> {
        let (value, rest) = varint(self.0)??;
        self.0 = rest;
        Some(value)
    }

    fn bytes(&mut self, length: u64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }
}

/// Reads a varint and returns it with the rest of `bytes`.
///
/// Returns `Some(None)` if it is incomplete, and `None` if it is too long.
pub(super) fn varint(bytes: &[u8]) -> Option<Option<(u64, &[u8])>> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * u32::try_from(at).ok()?)?;
        if byte & 0x80 == 0 {
            return Some(Some((value, &bytes[at + 1..])));
        }
    }
    if bytes.len() < 10 { Some(None) } else { None }
}

pub(super) fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a field of type `int32`, `int64` or `bool`.
pub(super) fn push_integer(out: &mut Vec<u8>, field: u64, value: u64) {
    push_varint(out, field << 3);
    push_varint(out, value);
}

/// Appends a field of type `fixed64`.
pub(super) fn push_fixed64(out: &mut Vec<u8>, field: u64, value: u64) {
    push_varint(out, field << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a field of type `string` or `bytes`, or a message.
pub(super) fn push_bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    push_varint(out, field << 3 | 2);
    push_varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(bytes: &[u8]) -> Result<Vec<(u64, FieldValue<'_>)>, Malformed> {
        ProtobufFields(bytes).collect()
    }

    #[test]
    fn the_examples_of_the_specification() {
        assert_eq!(fields(&[0x08, 0x96, 0x01]), Ok(vec![(1, FieldValue::Varint(150))]));
        assert_eq!(fields(b"\x12\x07testing"), Ok(vec![(2, FieldValue::Bytes(b"testing"))]));
        let minus_one = [0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(fields(&minus_one), Ok(vec![(2, FieldValue::Varint(u64::MAX))]));
    }

    #[test]
    fn incomplete_and_unknown_fields_are_malformed() {
        for bytes in
            [&[0x08][..], &[0x08, 0x80], &[0x09, 1, 2], b"\x12\x07test", &[0x0b], &[0x0c], &[0xff; 11]]
        {
            assert_eq!(fields(bytes), Err(Malformed), "{bytes:?}");
        }
        assert_eq!(varint(&[0xff; 9]), Some(None), "more may follow");
        assert_eq!(varint(&[0xff; 10]), None, "a varint has at most ten bytes");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = fields(&bytes);
        }

        #[test]
        fn fields_are_read_as_they_were_written(number in 1_u64..1000, integer: u64, fixed: u64, bytes: Vec<u8>) {
            let mut out = Vec::new();
            push_integer(&mut out, number, integer);
            push_fixed64(&mut out, number + 1, fixed);
            push_bytes(&mut out, number + 2, &bytes);
            let expected = vec![
                (number, FieldValue::Varint(integer)),
                (number + 1, FieldValue::Fixed64(fixed)),
                (number + 2, FieldValue::Bytes(&bytes)),
            ];
            prop_assert_eq!(fields(&out), Ok(expected));
        }
    }
}
