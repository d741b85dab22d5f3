//! The server's lives: answers that a restored server may have lost are handed in again to its next life.

use ops_proto::message::{AnswerStamp, DepositOrder, Endorsement, RememberedItem};
use ops_proto::{Digest, Signed, Time};
use serde::{Deserialize, Serialize};

use super::{Book, DepositStage, TaEnd};

/// How long what the server answered is kept for a server that was restored, in milliseconds: longer
/// than a TA's certificate lives.
pub const REMEMBER_MS: u64 = 90 * 24 * 3600 * 1000;

/// The lives of this device's server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lives {
    seen: Option<u32>,
    remembered: u32,
}

impl Lives {
    /// Returns the highest incarnation that the server answered in, once it has.
    #[must_use]
    pub const fn seen(&self) -> Option<u32> {
        self.seen
    }

    /// Returns the life whose server has still to be told what its earlier ones answered.
    #[must_use]
    pub fn to_tell(&self) -> Option<u32> {
        self.seen.filter(|seen| *seen > self.remembered)
    }

    fn is_before(&self, life: u32) -> bool {
        self.seen.is_some_and(|seen| life < seen)
    }
}

impl Book {
    /// Returns what is known of the server's lives.
    #[must_use]
    pub const fn lives(&self) -> &Lives {
        &self.lives
    }

    /// Returns the server's own answers of earlier lives, certificates first, then oldest first.
    ///
    /// `endorse` signs as the client does; the same statement always gets the same bytes.
    #[must_use]
    pub fn remembered(
        &self,
        now: Time,
        endorse: impl Fn(Digest) -> Signed<Endorsement>,
    ) -> Vec<RememberedItem> {
        let since = now.saturating_sub_ms(REMEMBER_MS);
        let chains = [
            self.client.as_ref().and_then(|client| client.chain.clone()),
            self.ta.as_ref().and_then(|ta| ta.chain.clone()),
        ];
        let ended = self.ended.iter().filter(|ended| ended.at >= since);
        let mut items: Vec<_> = chains
            .into_iter()
            .flatten()
            .chain(ended.clone().filter_map(|ended| ended.chain.clone()))
            .map(RememberedItem::Certificate)
            .collect();
        let mut dated = self.deposits_remembered(since, endorse);
        dated.extend(self.withdrawals_remembered(since));
        dated.extend(self.status.tokens_kept().filter_map(|(at, status, token)| {
            let is_old = self.lives.is_before(token.body().stamp.incarnation);
            (is_old && *at >= since)
                .then(|| (*at, RememberedItem::Token(status.clone(), token.clone())))
        }));
        dated.extend(ended.filter_map(|ended| match &ended.end {
            TaEnd::Retired { retire, answer } => {
                let item = RememberedItem::Retire((**retire).clone(), answer.clone());
                Some((ended.at, item))
            }
            TaEnd::Dead { .. } => None,
        }));
        dated.sort_by_key(|(at, _)| *at);
        items.extend(dated.into_iter().map(|(_, item)| item));

        items
    }

    fn deposits_remembered(
        &self,
        since: Time,
        endorse: impl Fn(Digest) -> Signed<Endorsement>,
    ) -> Vec<(Time, RememberedItem)> {
        self.deposits
            .iter()
            .filter(|deposit| deposit.at >= since)
            .filter_map(|deposit| {
                let (open, answer) = match &deposit.stage {
                    DepositStage::Intended | DepositStage::Open(_) => return None,
                    DepositStage::Answered(open, answer)
                    | DepositStage::Closed { open, answer, .. } => (open, answer),
                };
                if !self.lives.is_before(answer.body().stamp.incarnation) {
                    return None;
                }
                let order = DepositOrder {
                    open: open.clone(),
                    endorsement: endorse(open.hash()),
                };

                Some((deposit.at, RememberedItem::Deposit(order, answer.clone())))
            })
            .collect()
    }

    fn withdrawals_remembered(&self, since: Time) -> Vec<(Time, RememberedItem)> {
        self.withdrawals
            .iter()
            .filter(|withdrawal| withdrawal.at >= since)
            .filter_map(|withdrawal| {
                let (withdraw, ack) = (withdrawal.withdraw()?, withdrawal.ack()?);
                let is_old = self.lives.is_before(ack.body().stamp.incarnation);
                let item = RememberedItem::Withdraw(withdraw.clone(), ack.clone());

                is_old.then_some((withdrawal.at, item))
            })
            .collect()
    }

    pub(super) fn fold_life_seen(&mut self, incarnation: u32) {
        self.answered(incarnation);
        if self.lives.seen.is_none_or(|seen| seen < incarnation) {
            self.lives.seen = Some(incarnation);
            // its mailboxes may be numbered anew
            self.mailboxes.clear();
        }
    }

    pub(super) const fn fold_life_remembered(&mut self, incarnation: u32) {
        self.lives.remembered = incarnation;
    }

    /// The first answer of all fixes the first known incarnation; later incarnations are recorded by
    /// `Fact::LifeSeen` before their answers are used.
    pub(super) const fn stamped(&mut self, stamp: AnswerStamp) {
        self.answered(stamp.incarnation);
    }

    const fn answered(&mut self, incarnation: u32) {
        if self.lives.seen.is_none() {
            self.lives.seen = Some(incarnation);
            self.lives.remembered = incarnation;
        }
    }
}
