//! What a state is committed to outside its slots, so that an old state cannot come back.
//!
//! It is not a counter: a counter lets two states with one number live across a power cut, of which the
//! owner may choose. A commitment stands for one history of states alone.

use std::io;

use ops_proto::id::Digest;
use serde::{Deserialize, Serialize};

/// The value of a commitment: it stands for everything that was ever extended into it, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment(pub Digest);

impl Commitment {
    /// The value before anything was extended.
    pub const START: Self = Self(Digest::ZERO);

    /// Returns the value after `body` was extended, as an NV *extend* index of a TPM computes it:
    /// SHA-256 over the value before and the hash of the body.
    #[must_use]
    pub fn extended(self, body: Digest) -> Self {
        Self(Digest::of(&[self.0.as_bytes(), body.as_bytes()]))
    }
}

/// A place outside the slots that keeps one [`Commitment`] and cannot go back: a TPM.
///
/// Each method is one step after which the power may go; what was extended outlives it.
pub trait Committed {
    /// Returns the current value.
    ///
    /// # Errors
    ///
    /// When the place cannot be asked, or is not the one of this state.
    fn value(&mut self) -> io::Result<Commitment>;

    /// Extends the value by the hash of a state's body.
    ///
    /// # Errors
    ///
    /// When it is not certain that it was; [`Committed::value`] then tells.
    fn extend(&mut self, body: Digest) -> io::Result<()>;
}
