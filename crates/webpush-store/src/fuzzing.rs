//! Fuzz targets of parsers that are private. Each panics if a property does not hold.

pub use crate::embedded::fuzzing::{journal, log_segment, row, table_block};
pub use crate::postgres::fuzzing::notice;
