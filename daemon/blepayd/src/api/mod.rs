//! The local API: HTTP on a Unix socket, JSON, server-sent events. There is no second way in.
//!
//! The bodies, and a client, are in `api-types`. [`server`] listens and answers, with what [`state`] holds; [`error`] has the refusals.

mod asked;
pub mod error;
mod extract;
mod live;
mod ongoing;
mod routes;
pub mod server;
pub mod state;
mod views;
