//! The product as its owner uses it, in one place: `blepay` on a board.
