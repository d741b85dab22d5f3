//! The promises.

mod architecture;
mod oem;
mod packages;
