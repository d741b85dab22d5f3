//! Randomness.

pub use getrandom::Error;

/// Fills `bytes` with randomness.
///
/// # Errors
///
/// When the system has none.
pub fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    #[cfg(blepay_world)]
    if let Some(world) = crate::world::get() {
        world.fill(bytes);
        return Ok(());
    }

    getrandom::fill(bytes)
}
