//! The promises.

mod architecture;
mod ends;
mod oem;
mod packages;
mod promises;
