//! Where the journal ends, in a file of its own: a tail that the disk forgot, an older copy and an empty file are found by it.
//!
//! It is written after each commit and reaches the disk some time later: it may lag behind the journal after a power cut, and
//! is never ahead of it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use ops_proto::Digest;

use super::JournalError;
use super::entry::Seq;

/// The file in the state directory.
pub(super) const HEAD_FILE: &str = "journal.head";

/// Two slots, written in turn, so that a cut in the middle of one leaves the other: a fact's number, its hash, and a digest
/// of both.
const SLOT_SIZE: usize = 8 + 32 + 32;
const SLOTS: u64 = 2;

/// The file.
#[derive(Debug)]
pub(super) struct Head {
    file: File,
    turn: u64,
}

impl Head {
    /// Opens the file and returns what it says last, if it says anything.
    pub(super) fn open(state_dir: &Path) -> Result<(Self, Option<(Seq, Digest)>), JournalError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(state_dir.join(HEAD_FILE))
            .map_err(|error| JournalError::Open(error.to_string()))?;
        let slots = (0..SLOTS).filter_map(|turn| Some((turn, slot(&file, turn)?)));
        let newest = slots.max_by_key(|(_, (seq, _))| *seq);
        let turn = newest.map_or(0, |(turn, _)| other(turn));

        Ok((Self { file, turn }, newest.map(|(_, said)| said)))
    }

    /// Says where the journal ends now. A disk that does not take it only makes the next start know less.
    pub(super) fn set(&mut self, seq: Seq, hash: &Digest) {
        let number = seq.0.to_be_bytes();
        let digest = Digest::of(&[&number, &hash.0]);
        let bytes = [number.as_slice(), &hash.0, &digest.0].concat();
        match self.file.write_all_at(&bytes, offset(self.turn)) {
            Ok(()) => self.turn = other(self.turn),
            Err(error) => tracing::debug!(%error, "Where the journal ends was not noted"),
        }
    }

    /// Waits until it is on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn slot(file: &File, turn: u64) -> Option<(Seq, Digest)> {
    let mut bytes = [0; SLOT_SIZE];
    file.read_exact_at(&mut bytes, offset(turn)).ok()?;
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    let (hash, rest) = rest.split_first_chunk::<32>()?;
    let digest = rest.first_chunk::<32>()?;
    let is_whole = Digest::of(&[number, hash]).0 == *digest;

    is_whole.then_some((Seq(u64::from_be_bytes(*number)), Digest(*hash)))
}

const fn other(turn: u64) -> u64 {
    if turn == 0 { 1 } else { 0 }
}

const fn offset(turn: u64) -> u64 {
    // a sector each
    if turn == 0 { 0 } else { 512 }
}
