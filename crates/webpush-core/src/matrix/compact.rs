//! Minifies JSON: removes whitespace and unnecessary escapes.
//!
//! Works in one pass and without a tree, so that the cost is proportional to the length of the input.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt::{self, Display, Write as _};

/// Minifies JSON.
///
/// Returns `None` if the input is not valid JSON, nests deeper than 128 levels, or has a number out of range.
pub(super) fn compact(json: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(json.len());
    let mut reader = serde_json::Deserializer::from_slice(json);
    let result = Writer(&mut text).deserialize(&mut reader).and_then(|()| reader.end());
    result.is_ok().then_some(text)
}

struct Writer<'t>(&'t mut String);

impl Writer<'_> {
    fn write<E: Error>(self, value: impl Display) -> Result<(), E> {
        write!(self.0, "{value}").map_err(E::custom)
    }

    /// Replaces the trailing comma of a list by its closing bracket.
    fn close(self, bracket: char) {
        if self.0.ends_with(',') {
            self.0.pop();
        }
        self.0.push(bracket);
    }
}

impl<'de> DeserializeSeed<'de> for Writer<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Writer<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.write("null")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.write(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.write(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.write(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.write(Value::from(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.write(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        self.0.push('[');
        while members.next_element_seed(Writer(self.0))?.is_some() {
            self.0.push(',');
        }
        self.close(']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        self.0.push('{');
        while members.next_key_seed(Writer(self.0))?.is_some() {
            self.0.push(':');
            members.next_value_seed(Writer(self.0))?;
            self.0.push(',');
        }
        self.close('}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whitespace_and_escapes_are_removed() {
        for (json, short) in [
            (
                r#" { "a" : [ 1 , -2 , { } , [ ] , 0.5 ] , "b" : null } "#,
                r#"{"a":[1,-2,{},[],0.5],"b":null}"#,
            ),
            (r#""\u0041\/\u00e4\ud83d\ude00\u0001\n,""#, "\"A/ä😀\\u0001\\n,\""),
            (r#"{"\u0061":true,"a":false}"#, r#"{"a":true,"a":false}"#),
            ("18446744073709551615", "18446744073709551615"),
            ("1e2", "100.0"),
        ] {
            assert_eq!(compact(json.as_bytes()).unwrap(), short);
        }
    }

    #[test]
    fn invalid_and_deeply_nested_json_is_refused() {
        let deep = |depth| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(compact(&deep(127)).is_some() && compact(&deep(128)).is_none());
        assert!(compact(&vec![b'['; 1 << 16]).is_none());
        for json in ["", "{", "{} {}", "[1,]", r#"{"a"}"#, r#""\ud800""#, "1e999", "nan", "\"\u{1}\""] {
            assert!(compact(json.as_bytes()).is_none(), "{json}");
        }
        assert!(compact(b"\"\xff\"").is_none() && compact(b"[] \xff").is_none());
    }

    /// A number can grow from 4 characters to 18 (`1e15`). Nothing else grows.
    #[test]
    fn the_output_is_at_most_four_times_as_long() {
        let lengths = |member: &str| {
            let json = format!("[{}1]", member.repeat(1000));
            (compact(json.as_bytes()).unwrap().len(), json.len())
        };
        for member in ["1e15,", "1e-5,", "1e16,", "1.5e300,", "{\"\":0},", "\"\\u0001\",", "[],", "-0,"] {
            let (output, input) = lengths(member);
            assert!(output <= 4 * input, "{member} {input} {output}");
        }
    }

    proptest! {
        #[test]
        fn the_output_is_equivalent_and_the_same_inputs_are_refused(text in "[\\[\\]{}:,\" 0-9eE.a\\\\untrlsf-]{0,40}") {
            // Compared after a round trip, in which a number may lose its last bit.
            let tree = |text: &str| serde_json::from_str::<Value>(text).ok();
            let expected = tree(&text).map(|read| tree(&read.to_string()).unwrap());
            prop_assert_eq!(expected, compact(text.as_bytes()).map(|short| tree(&short).unwrap()));
        }
    }
}
