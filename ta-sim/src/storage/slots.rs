//! The two-slot rule: a new state goes to the slot that is not current, so the current one stays whole.
//!
//! ```text
//! slot = sealed(body ‖ v')     body = (generation, v, state)     v' = H(v ‖ H(body))
//!
//!   is it v? ──► write slot ──► fsync ──► read back ──► extend ──► is it v'? ──► answer
//!                     └ a cut: v, the old slot      ┘ └ a cut: v', the new slot ┘
//! ```
//!
//! Where the storage keeps a commitment, the slot whose v' it is is loaded and no other. A storage
//! without one gives the newest slot that is whole, which may be an old copy.

use std::io;

use ops_proto::id::Digest;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub(crate) use super::seal::NONCE_SIZE;
use super::{Commitment, Slot, Storage};
use crate::state::State;

/// The storage with the slot that is current in it.
#[derive(Debug)]
pub(crate) struct Slots<S> {
    storage: S,
    current: Option<Slot>,
    generation: u64,
    commitment: Commitment,
}

/// What is hashed for the commitment: the generation says which of two whole slots is newer.
#[derive(Serialize)]
struct BodyOut<'a> {
    generation: u64,
    before: Commitment,
    state: &'a State,
}

#[derive(Deserialize)]
struct BodyIn {
    generation: u64,
    before: Commitment,
    state: State,
}

/// A whole slot's content.
struct Content {
    slot: Slot,
    body: BodyIn,
    after: Commitment,
}

/// What a slot holds.
enum SlotFound {
    Nothing,
    Damage,
    Whole(Box<Content>),
}

impl<S: Storage> Slots<S> {
    /// Finds the state that the storage is committed to, or without a commitment the newest that is
    /// whole; none in a storage that was never completely written once.
    pub(crate) fn load(mut storage: S) -> Result<(Self, Option<State>), LoadFailed> {
        let first = find(&mut storage, Slot::First)?;
        let second = find(&mut storage, Slot::Second)?;
        let committed = storage
            .commitment()
            .map(|commitment| commitment.value())
            .transpose()
            .map_err(LoadFailed::Commitment)?;
        let content = match committed {
            Some(value) => committed_to(value, first, second)?,
            None => newest(first, second)?,
        };
        let Some(content) = content else {
            return Ok((Self::empty(storage), None));
        };
        let slots = Self {
            storage,
            current: Some(content.slot),
            generation: content.body.generation,
            commitment: content.after,
        };

        Ok((slots, Some(content.body.state)))
    }

    const fn empty(storage: S) -> Self {
        Self {
            storage,
            current: None,
            generation: 0,
            commitment: Commitment::START,
        }
    }

    /// Makes a state durable in the slot that is not current, which then is.
    ///
    /// After an error nothing is known about that slot: the caller must not answer, nor go on.
    pub(crate) fn store(&mut self, state: &State, nonce: &[u8; NONCE_SIZE]) -> io::Result<()> {
        let slot = self.current.map_or(Slot::First, Slot::other);
        let generation = self.generation.saturating_add(1);
        let body = BodyOut {
            generation,
            before: self.commitment,
            state,
        };
        let mut plain = postcard::to_allocvec(&body)
            .map(Zeroizing::new)
            .map_err(io::Error::other)?;
        let padded = plain.len().next_multiple_of(PADDED_SIZE);
        plain.resize(padded, 0);
        let body_hash = Digest::of(&[&plain]);
        let after = self.commitment.extended(body_hash);
        plain.extend_from_slice(after.0.as_bytes());
        let sealed = self.storage.sealing_key().seal(slot, nonce, &plain);

        // A TA that went on from a copy of this state must not be harmed by this one, nor answer too.
        self.check_commitment(self.commitment)?;
        self.storage.write(slot, &sealed)?;
        self.storage.sync(slot)?;
        if self.storage.read(slot)?.as_deref() != Some(sealed.as_slice()) {
            return Err(io::Error::other("the slot does not hold what was written"));
        }
        if let Some(commitment) = self.storage.commitment() {
            commitment.extend(body_hash)?;
        }
        self.check_commitment(after)?;
        self.current = Some(slot);
        self.generation = generation;
        self.commitment = after;

        Ok(())
    }

    fn check_commitment(&mut self, expected: Commitment) -> io::Result<()> {
        let Some(commitment) = self.storage.commitment() else {
            return Ok(());
        };
        if commitment.value()? != expected {
            return Err(io::Error::other(
                "the TPM is committed to another state: a copy of this TA went on from it",
            ));
        }

        Ok(())
    }
}

fn find(storage: &mut impl Storage, slot: Slot) -> io::Result<SlotFound> {
    let Some(bytes) = storage.read(slot)? else {
        return Ok(SlotFound::Nothing);
    };
    let content = storage.sealing_key().open(slot, &bytes).and_then(|plain| {
        let (body, after) = plain.split_last_chunk()?;
        Some(Content {
            slot,
            body: postcard::from_bytes(body).ok()?,
            after: Commitment(Digest(*after)),
        })
    });

    Ok(content.map_or_else(
        || {
            tracing::warn!(slot = slot.index(), "Found a damaged slot");
            SlotFound::Damage
        },
        |content| SlotFound::Whole(Box::new(content)),
    ))
}

fn newest(first: SlotFound, second: SlotFound) -> Result<Option<Box<Content>>, Damaged> {
    match (first, second) {
        (SlotFound::Whole(first), SlotFound::Whole(second)) => {
            if first.body.generation > second.body.generation {
                Ok(Some(first))
            } else {
                Ok(Some(second))
            }
        }
        // A write that was cut short; or rot, and then the journal's mark shows it.
        (SlotFound::Whole(only), SlotFound::Nothing | SlotFound::Damage)
        | (SlotFound::Nothing | SlotFound::Damage, SlotFound::Whole(only)) => Ok(Some(only)),
        // The very first write may have been cut short: nothing was ever answered.
        (SlotFound::Nothing, SlotFound::Nothing)
        | (SlotFound::Damage, SlotFound::Nothing)
        | (SlotFound::Nothing, SlotFound::Damage) => Ok(None),
        (SlotFound::Damage, SlotFound::Damage) => Err(Damaged),
    }
}

/// Returns the one slot that `value` stands for, whatever the other one holds.
fn committed_to(
    value: Commitment,
    first: SlotFound,
    second: SlotFound,
) -> Result<Option<Box<Content>>, NotCommitted> {
    let is_first_write = |found: &SlotFound| match found {
        SlotFound::Nothing | SlotFound::Damage => true,
        SlotFound::Whole(content) => content.body.before == Commitment::START,
    };
    // The very first write goes to the first slot, and counts only once it was extended.
    let is_unborn = value == Commitment::START
        && is_first_write(&first)
        && matches!(second, SlotFound::Nothing);
    if is_unborn {
        return Ok(None);
    }

    let is_damaged = [&first, &second]
        .into_iter()
        .any(|found| matches!(found, SlotFound::Damage));
    for found in [first, second] {
        match found {
            SlotFound::Whole(content) if content.after == value => return Ok(Some(content)),
            SlotFound::Whole(_) | SlotFound::Nothing | SlotFound::Damage => {}
        }
    }

    Err(if is_damaged {
        NotCommitted::NewestDamaged
    } else {
        NotCommitted::RolledBack
    })
}

/// Content is padded with zeros to a multiple of this, so that a slot's length seldom changes.
const PADDED_SIZE: usize = 4096;

/// The state cannot be loaded.
#[derive(Debug)]
pub(crate) enum LoadFailed {
    Read(io::Error),
    Commitment(io::Error),
    Damaged(Damaged),
    NotCommitted(NotCommitted),
}

impl From<io::Error> for LoadFailed {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

impl From<Damaged> for LoadFailed {
    fn from(error: Damaged) -> Self {
        Self::Damaged(error)
    }
}

impl From<NotCommitted> for LoadFailed {
    fn from(error: NotCommitted) -> Self {
        Self::NotCommitted(error)
    }
}

/// Neither slot opens: both are damaged, or the sealing key is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither slot opens: both are damaged, or this is not the key that sealed them")]
pub struct Damaged;

/// No slot holds the state that the TPM committed to. The TA signs nothing any more: it is reported dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCommitted {
    /// What is there is whole, and not the newest.
    #[error("the state is not the one the TPM committed to; it was restored or copied")]
    RolledBack,
    /// The newest is lost, and the one before it is not used instead.
    #[error(
        "a slot is damaged, and the other is not the state the TPM committed to; \
         an older one is not used instead"
    )]
    NewestDamaged,
}

#[cfg(test)]
mod tests {
    use super::*;

    use NotCommitted::{NewestDamaged, RolledBack};

    #[test]
    fn of_every_pair_of_slots_the_one_that_the_tpm_holds_is_loaded_or_none() {
        let nothing = || SlotFound::Nothing;
        let damage = || SlotFound::Damage;
        let whole = |before, after| move || found(before, after);
        let rows: [(u8, Holds<'_>, Holds<'_>, Loaded); 17] = [
            // The TPM never heard of a state: none counts, and more than one cannot be.
            (0, &nothing, &nothing, Ok(None)),
            (0, &damage, &nothing, Ok(None)),
            (0, &whole(0, 1), &nothing, Ok(None)),
            (0, &whole(1, 2), &nothing, Err(RolledBack)),
            (0, &nothing, &whole(0, 1), Err(RolledBack)),
            (0, &whole(0, 1), &whole(1, 2), Err(RolledBack)),
            (0, &nothing, &damage, Err(NewestDamaged)),
            (0, &damage, &damage, Err(NewestDamaged)),
            // The state that it holds, whatever the other slot holds.
            (1, &whole(0, 1), &nothing, Ok(Some(1))),
            (1, &whole(0, 1), &whole(1, 2), Ok(Some(1))),
            (2, &whole(0, 1), &whole(1, 2), Ok(Some(2))),
            (2, &damage, &whole(1, 2), Ok(Some(2))),
            // Another state.
            (1, &nothing, &nothing, Err(RolledBack)),
            (1, &damage, &nothing, Err(NewestDamaged)),
            (1, &damage, &whole(1, 2), Err(NewestDamaged)),
            (3, &whole(0, 1), &whole(1, 2), Err(RolledBack)),
            (1, &whole(2, 3), &whole(1, 2), Err(RolledBack)),
        ];

        for (i, (value, first, second, expected)) in rows.into_iter().enumerate() {
            let loaded = committed_to(commitment(value), first(), second());
            let loaded = loaded.map(|content| content.map(|content| content.after.0.0[0]));
            assert_eq!(loaded, expected, "row {i}");
        }
    }

    /// What a slot holds.
    type Holds<'a> = &'a dyn Fn() -> SlotFound;

    /// The first byte of the commitment of what is loaded.
    type Loaded = Result<Option<u8>, NotCommitted>;

    fn found(before: u8, after: u8) -> SlotFound {
        SlotFound::Whole(Box::new(Content {
            slot: Slot::First,
            body: BodyIn {
                generation: 0,
                before: commitment(before),
                state: State::new(),
            },
            after: commitment(after),
        }))
    }

    const fn commitment(value: u8) -> Commitment {
        Commitment(Digest([value; 32]))
    }
}
