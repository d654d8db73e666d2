//! The certificate authority of one run.
