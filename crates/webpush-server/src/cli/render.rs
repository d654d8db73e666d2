//! Output: lines on the terminal, tables, and the list of commands.

pub(crate) mod overview;
pub(crate) mod table;
pub(crate) mod terminal;
