//! The server on a file system that loses power, and a runner that checks what its clients saw.
//!
//! | Topic | Module |
//! |---|---|
//! | files and directories with durable and volatile state, and power cuts; pure | [`image`] |
//! | faults by call class; pure | [`fault`] |
//! | an image that threads share, with the moment of the cut | [`disk`] |
//! | the same as a FUSE mount | [`mount`] |
//! | a mount for other programs, controlled from outside | [`control`] |
//! | the program on it, its clients, and the check | [`runner`] |

pub mod control;
pub mod disk;
pub mod fault;
pub mod image;
pub mod mount;
pub mod runner;
