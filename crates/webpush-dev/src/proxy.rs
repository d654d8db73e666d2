//! The proxy for application servers under test.
