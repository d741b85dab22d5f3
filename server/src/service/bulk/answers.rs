//! Answers to batches of which all was plain: signed together, and stored where they say something new.

use ops_proto::Digest;
use ops_proto::limits::BATCH_PAIRS_MAX;
use ops_proto::list::List;
use ops_proto::message::{AnswerStamp, BatchAnswer, ItemOutcome};
use ops_proto::signed::Signed;

use crate::provider::Provider;

/// A batch of which all was plain.
pub(super) struct Whole {
    /// Its place in the group.
    pub(super) number: usize,
    pub(super) items: List<(Digest, ItemOutcome), BATCH_PAIRS_MAX>,
    /// Its answer is the first to say what was booked.
    pub(super) is_first: bool,
}

/// Signed answers to batches.
pub(super) struct Answers(Vec<SignedAnswer>);

struct SignedAnswer {
    number: usize,
    is_first: bool,
    stamp: AnswerStamp,
    bytes: Vec<u8>,
}

impl Answers {
    /// Returns those that are to be stored. What tells nothing new costs no disk: anybody may ask.
    pub(super) fn stored(&self) -> Vec<(AnswerStamp, &[u8])> {
        let first = self.0.iter().filter(|answer| answer.is_first);

        first
            .map(|answer| (answer.stamp, answer.bytes.as_slice()))
            .collect()
    }

    /// Returns the answer of each of so many batches, where there is one.
    pub(super) fn of_batches(self, count: usize) -> Vec<Option<Vec<u8>>> {
        let mut answers = vec![None; count];
        for SignedAnswer { number, bytes, .. } in self.0 {
            if let Some(answer) = answers.get_mut(number) {
                *answer = Some(bytes);
            }
        }

        answers
    }
}

/// Signs answers, each with a stamp of its own.
pub(super) fn sign(provider: &Provider, whole: Vec<Whole>, stamps: Vec<AnswerStamp>) -> Answers {
    let signed = whole.into_iter().zip(stamps).map(|(whole, stamp)| {
        let Whole {
            number,
            items,
            is_first,
        } = whole;
        let answer: Signed<BatchAnswer> = provider.sign(BatchAnswer { items, stamp });

        SignedAnswer {
            number,
            is_first,
            stamp,
            bytes: answer.to_wire(),
        }
    });

    Answers(signed.collect())
}
