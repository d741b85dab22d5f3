//! Dice that fall the same way for the same seed: splitmix64.

/// Dice.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// Makes dice for a seed.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Makes dice of their own for one purpose: what they show depends on no other dice.
    pub(crate) fn for_purpose(seed: u64, purpose: u64) -> Self {
        let mut mixed = Self(seed ^ purpose.wrapping_mul(0xd6e8_feb8_6659_fd93));
        let seed = mixed.next();

        Self(seed)
    }

    /// Returns 64 bits.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);

        z ^ (z >> 31)
    }

    /// Returns a number below `end`; zero when there is none.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or(0)
    }

    /// Returns a number from `first` to `last`.
    pub(crate) fn between(&mut self, first: u64, last: u64) -> u64 {
        let many = last.saturating_sub(first).saturating_add(1);

        first.saturating_add(self.below(many))
    }

    /// Returns an index of something that has `many`.
    pub(crate) fn index(&mut self, many: usize) -> usize {
        let many = u64::try_from(many).unwrap_or(u64::MAX);

        usize::try_from(self.below(many)).unwrap_or(0)
    }

    /// Whether what happens `of_1000` times in a thousand happens now.
    pub(crate) fn chance(&mut self, of_1000: u64) -> bool {
        self.below(1000) < of_1000
    }

    /// Fills bytes.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let drawn = self.next().to_le_bytes();
            for (byte, drawn) in chunk.iter_mut().zip(drawn) {
                *byte = drawn;
            }
        }
    }
}
