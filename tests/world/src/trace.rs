//! What happened in a world, as one number: two runs of a seed must agree in it.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{BufWriter, Write};

/// FNV-1a over everything that was noted.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: Cell<u64>,
    file: RefCell<Option<BufWriter<File>>>,
}

impl Trace {
    pub(crate) const fn new() -> Self {
        Self {
            hash: Cell::new(0xcbf2_9ce4_8422_2325),
            file: RefCell::new(None),
        }
    }

    /// Writes each note to a file too, for who looks for what two runs do not have in common.
    pub(crate) fn write_to(&self, file: File) {
        *self.file.borrow_mut() = Some(BufWriter::new(file));
    }

    pub(crate) fn note(&self, what: &str, at: u64, bytes: &[u8]) {
        let mut hash = self.hash.get();
        for byte in what.as_bytes().iter().chain(&at.to_le_bytes()).chain(bytes) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.hash.set(hash);
        if let Some(file) = self.file.borrow_mut().as_mut() {
            let shown = bytes.get(..bytes.len().min(64)).unwrap_or_default();
            // a disk that is full ends the search, not the world
            let _unwritten = writeln!(file, "{hash:016x} {at} {what} {}", hex::encode(shown));
        }
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash.get()
    }
}
