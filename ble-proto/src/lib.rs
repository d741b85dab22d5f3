//! How two devices talk: GATT identifiers, frames, the Noise session, and the state machines of payer
//! and payee. Everything here is sans-IO: bytes, time and randomness come in as arguments, effects go
//! out as values.

pub mod gatt;
