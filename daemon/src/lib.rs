//! Under construction.

pub mod radio;
