//! How TAs end: retired by their owner, or dead. What they held goes back to the online account.

use ops_proto::list::List;
use ops_proto::message::{CertificateChain, DeathAnswer, Retire, RetireAnswer, RetireOrder};
use ops_proto::{Balance, PublicKey, Signed, Time};
use serde::{Deserialize, Serialize};

use super::Book;

/// How far the end of the TA in use is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RetireStage {
    /// The owner asked; the TA has not signed. After a restart it is not taken up again.
    Intended {
        /// The nonce of the TA's command.
        nonce: [u8; 16],
    },
    /// The TA signed its last statement, which is sent to the server until it answers.
    Signed(Box<Signed<Retire>>),
}

/// A TA that this device uses no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedTa {
    pub key: PublicKey,
    /// Its last certificate.
    pub chain: Option<CertificateChain>,
    pub end: TaEnd,
    /// When.
    pub at: Time,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaEnd {
    /// It retired, and the server booked that.
    Retired {
        retire: Box<Signed<Retire>>,
        answer: Signed<RetireAnswer>,
    },
    /// Its owner says that it is dead.
    Dead {
        /// The server's last answer, and when it came; nothing before the server heard of it.
        answer: Option<(Signed<DeathAnswer>, Time)>,
    },
}

/// A sum that waits at the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The TA that held it.
    pub ta: PublicKey,
    /// How much stands in held(T).
    pub held: Balance,
    /// What was paid to the owner from it so far.
    pub paid: Balance,
    /// From when on it is paid; unknown for a TA that retired.
    pub payable_from: Option<Time>,
}

impl EndedTa {
    /// Returns what waits at the server, as it said last; nothing before it was asked.
    #[must_use]
    pub fn held(&self) -> Option<Held> {
        match &self.end {
            TaEnd::Retired { answer, .. } => Some(Held {
                ta: self.key,
                held: answer.body().held,
                paid: answer.body().paid,
                payable_from: None,
            }),
            TaEnd::Dead { answer } => answer.as_ref().map(|(answer, _)| Held {
                ta: self.key,
                held: answer.body().held,
                paid: answer.body().paid,
                payable_from: Some(answer.body().payable_from),
            }),
        }
    }
}

impl Book {
    /// Returns the TAs that this device uses no more, oldest first.
    #[must_use]
    pub fn ended(&self) -> &[EndedTa] {
        &self.ended
    }

    /// Tells whether this is the key of a TA that ended: it is never used again.
    #[must_use]
    pub fn is_ended(&self, ta: &PublicKey) -> bool {
        self.ended.iter().any(|ended| ended.key == *ta)
    }

    /// Returns the last statement of the TA in use, if it retired: sync hands it in.
    #[must_use]
    pub fn retire_open(&self) -> Option<&Signed<Retire>> {
        match self.ta()?.retire.as_ref()? {
            RetireStage::Intended { .. } => None,
            RetireStage::Signed(retire) => Some(retire),
        }
    }

    /// Returns what to send for a TA that retired: the chain since the last token, and its last
    /// statement.
    #[must_use]
    pub fn retire_order(&self) -> Option<RetireOrder> {
        let retire = self.retire_open()?;

        Some(RetireOrder {
            chain: List::try_from(self.status.chain()).ok()?,
            retire: retire.clone(),
        })
    }

    pub(super) fn fold_retire_intent(&mut self, key: PublicKey, nonce: [u8; 16]) -> Option<()> {
        let ta = self.ta.as_mut().filter(|ta| ta.key == key)?;
        match ta.retire {
            Some(RetireStage::Signed(_)) => return None,
            Some(RetireStage::Intended { .. }) | None => {}
        }
        ta.retire = Some(RetireStage::Intended { nonce });

        Some(())
    }

    pub(super) fn fold_retired(&mut self, retire: &Signed<Retire>) -> Option<()> {
        let key = retire.body().last.ta;
        let ta = self.ta.as_mut().filter(|ta| ta.key == key)?;
        if let Some(RetireStage::Signed(held)) = &ta.retire {
            return (**held == *retire).then_some(());
        }
        ta.retire = Some(RetireStage::Signed(Box::new(retire.clone())));
        self.hide_requests(&key);

        Some(())
    }

    pub(super) fn fold_retire_answered(
        &mut self,
        answer: &Signed<RetireAnswer>,
        at: Time,
    ) -> Option<()> {
        let key = answer.body().ta;
        if self.is_ended(&key) {
            return Some(());
        }
        let retire = Box::new(self.retire_open()?.clone());
        if retire.hash() != answer.body().retire {
            return None;
        }
        let answer = answer.clone();
        self.end(key, TaEnd::Retired { retire, answer }, at)
    }

    pub(super) fn fold_death_intent(&mut self, key: PublicKey, at: Time) -> Option<()> {
        if self.is_ended(&key) {
            return Some(());
        }
        self.hide_requests(&key);

        self.end(key, TaEnd::Dead { answer: None }, at)
    }

    pub(super) fn fold_death_answered(
        &mut self,
        said: &Signed<DeathAnswer>,
        at: Time,
    ) -> Option<()> {
        let ta = said.body().ta;
        let ended = self.ended.iter_mut().find(|ended| ended.key == ta)?;
        match &mut ended.end {
            TaEnd::Retired { .. } => None,
            TaEnd::Dead { answer } => {
                *answer = Some((said.clone(), at));
                Some(())
            }
        }
    }

    /// The next TA begins anew: its operations, its chain, its counters.
    fn end(&mut self, key: PublicKey, end: TaEnd, at: Time) -> Option<()> {
        let ta = self.ta.take_if(|ta| ta.key == key)?;
        self.ended.push(EndedTa {
            key,
            chain: ta.certified.or(ta.chain),
            end,
            at,
        });
        self.mark = None;
        self.status.ended();

        Some(())
    }
}
