//! Numbers of variable length: seven bits a byte, the lowest first.

use crate::embedded::fields::Fields;

pub(super) fn varint(fields: &mut Fields<'_>) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = fields.u8()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
