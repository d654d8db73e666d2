//! The list of all metrics for people, and everything else that names them, is what the code has.
