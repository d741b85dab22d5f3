//! The promises.

mod architecture;
mod packages;
