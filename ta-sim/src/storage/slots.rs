//! The two-slot rule: a new state goes to the slot that is not current, so the current one stays whole.

use std::io;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub(crate) use super::seal::NONCE_SIZE;
use super::{Slot, Storage};
use crate::state::State;

/// The storage with the slot that is current in it.
#[derive(Debug)]
pub(crate) struct Slots<S> {
    storage: S,
    current: Option<Slot>,
    generation: u64,
}

/// What is sealed: the generation says which of two whole slots is newer.
#[derive(Serialize)]
struct ContentOut<'a> {
    generation: u64,
    state: &'a State,
}

#[derive(Deserialize)]
struct ContentIn {
    generation: u64,
    state: State,
}

/// What a slot holds.
enum Found {
    Nothing,
    Damage,
    Whole(Box<ContentIn>),
}

impl<S: Storage> Slots<S> {
    /// Finds the newest state that is whole; none in a storage that was never completely written once.
    pub(crate) fn load(mut storage: S) -> Result<(Self, Option<State>), LoadFailed> {
        let first = find(&mut storage, Slot::First)?;
        let second = find(&mut storage, Slot::Second)?;
        let (slot, content) = match (first, second) {
            (Found::Whole(first), Found::Whole(second)) => {
                if first.generation > second.generation {
                    (Slot::First, first)
                } else {
                    (Slot::Second, second)
                }
            }
            // A write that was cut short; or rot, and then the journal's mark shows it.
            (Found::Whole(first), Found::Nothing | Found::Damage) => (Slot::First, first),
            (Found::Nothing | Found::Damage, Found::Whole(second)) => (Slot::Second, second),
            // The very first write may have been cut short: nothing was ever answered.
            (Found::Nothing, Found::Nothing)
            | (Found::Damage, Found::Nothing)
            | (Found::Nothing, Found::Damage) => return Ok((Self::empty(storage), None)),
            (Found::Damage, Found::Damage) => return Err(LoadFailed::Damaged(Damaged)),
        };
        let slots = Self {
            storage,
            current: Some(slot),
            generation: content.generation,
        };

        Ok((slots, Some(content.state)))
    }

    const fn empty(storage: S) -> Self {
        Self {
            storage,
            current: None,
            generation: 0,
        }
    }

    /// Makes a state durable in the slot that is not current, which then is.
    ///
    /// After an error nothing is known about that slot: the caller must not answer, nor go on.
    pub(crate) fn store(&mut self, state: &State, nonce: &[u8; NONCE_SIZE]) -> io::Result<()> {
        let slot = self.current.map_or(Slot::First, Slot::other);
        let generation = self.generation.saturating_add(1);
        let mut plain = postcard::to_allocvec(&ContentOut { generation, state })
            .map(Zeroizing::new)
            .map_err(io::Error::other)?;
        let padded = plain.len().next_multiple_of(PADDED_SIZE);
        plain.resize(padded, 0);
        let sealed = self.storage.sealing_key().seal(slot, nonce, &plain);

        self.storage.write(slot, &sealed)?;
        self.storage.sync(slot)?;
        if self.storage.read(slot)?.as_deref() != Some(sealed.as_slice()) {
            return Err(io::Error::other("the slot does not hold what was written"));
        }
        self.current = Some(slot);
        self.generation = generation;

        Ok(())
    }
}

fn find(storage: &mut impl Storage, slot: Slot) -> io::Result<Found> {
    let Some(bytes) = storage.read(slot)? else {
        return Ok(Found::Nothing);
    };
    let content = storage
        .sealing_key()
        .open(slot, &bytes)
        .and_then(|plain| postcard::from_bytes(&plain).ok());

    Ok(content.map_or_else(
        || {
            tracing::warn!(slot = slot.index(), "Found a damaged slot");
            Found::Damage
        },
        |content| Found::Whole(Box::new(content)),
    ))
}

/// Content is padded with zeros to a multiple of this, so that a slot's length seldom changes.
const PADDED_SIZE: usize = 4096;

/// The state cannot be loaded.
#[derive(Debug)]
pub(crate) enum LoadFailed {
    Read(io::Error),
    Damaged(Damaged),
}

impl From<io::Error> for LoadFailed {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

/// Neither slot opens: both are damaged, or the sealing key is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither slot opens: both are damaged, or this is not the key that sealed them")]
pub struct Damaged;
