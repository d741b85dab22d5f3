//! The promises.

mod architecture;
mod circles;
mod ends;
mod names;
mod oem;
mod packages;
mod promises;
mod sentences;
mod sources;
