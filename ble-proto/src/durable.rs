//! Proof that a record is on stable storage.

/// The number of a record that one machine asked to append; rises by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordNumber(pub u64);

/// Numbers the records of one machine and makes what depends on them wait.
#[derive(Debug)]
pub(crate) struct Sequence {
    last: u64,
}

impl Sequence {
    /// Creates one whose first record has number 1.
    pub(crate) const fn new() -> Self {
        Self { last: 0 }
    }

    /// Returns the next record's number together with what must wait for it.
    pub(crate) fn append<T>(&mut self, value: T) -> (RecordNumber, Pending<T>) {
        self.last = self
            .last
            .checked_add(1)
            .expect("a machine never appends 2^64 records");
        let number = RecordNumber(self.last);

        (number, Pending { number, value })
    }
}

/// A value whose record is on its way to disk.
#[derive(Debug)]
pub(crate) struct Pending<T> {
    number: RecordNumber,
    value: T,
}

impl<T> Pending<T> {
    /// Releases the value if everything up to `synced_up_to` is on disk.
    pub(crate) fn synced(self, synced_up_to: RecordNumber) -> Result<Durable<T>, Self> {
        if self.number <= synced_up_to {
            return Ok(Durable(self.value));
        }

        Err(self)
    }
}

/// A value whose record is on disk.
///
/// A driver may say so at once where another thread has written the record already, as the one of the TA does.
/// Only [`Pending::synced`] makes one, so what must not leave before its record does not compile
/// without it.
#[derive(Debug)]
pub(crate) struct Durable<T>(T);

impl<T> Durable<T> {
    /// Takes the value, whose record will never be lost.
    pub(crate) fn into_inner(self) -> T {
        self.0
    }
}
