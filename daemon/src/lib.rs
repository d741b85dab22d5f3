//! Under construction.

pub mod api;
pub mod radio;
