//! The push services of browser vendors.
