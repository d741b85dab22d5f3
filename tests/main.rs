//! The promises.

mod architecture;
