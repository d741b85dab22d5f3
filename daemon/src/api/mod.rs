//! The local API: HTTP on a Unix socket, JSON, server-sent events. There is no second way in.
//!
//! - [`types`]: the bodies;
//! - [`money`]: amounts between people and integers.

pub mod money;
pub mod types;
