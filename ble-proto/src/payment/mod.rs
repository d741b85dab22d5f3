//! The two sides of a payment: [`payer`] visits, [`payee`] is visited.

pub mod payee;
pub mod payer;
mod talk;
