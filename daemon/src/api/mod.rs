//! The local API: HTTP on a Unix socket, JSON, server-sent events. There is no second way in.
//!
//! - [`types`], [`guard`], [`money`]: the bodies; [`error`]: refusals;
//! - [`server`]: listens and answers; [`state`]: with what;
//! - [`client`]: the way in, for the command line;
//! - [`access`]: who may.

pub mod access;
pub mod client;
pub mod error;
mod extract;
pub mod guard;
mod live;
pub mod money;
mod routes;
pub mod server;
mod sessions;
pub mod state;
pub mod types;
mod views;
