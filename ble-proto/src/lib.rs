//! How two devices talk: GATT identifiers, frames, the Noise session, and the state machines of payer
//! and payee. Everything here is sans-IO: bytes, time and randomness come in as arguments, effects go
//! out as values.

pub mod code;
pub mod durable;
pub mod error;
pub mod frame;
pub mod gatt;
pub mod gossip;
pub mod info;
pub mod limits;
pub mod message;
pub mod payment;
pub mod session;
pub mod time;
pub mod uri;
