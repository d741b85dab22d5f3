//! Deposits: money on its way from the online account onto the device.

use ops_proto::id::CommandId;
use ops_proto::message::{DepositAnswer, DepositOpen};
use ops_proto::statement::Statement;
use ops_proto::{Amount, Balance, Signed, Time};
use serde::{Deserialize, Serialize};

use super::Book;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deposit {
    /// Names the TA's command.
    pub command: CommandId,
    pub amount: Amount,
    /// When the owner asked.
    pub at: Time,
    pub stage: DepositStage,
}

/// How far a deposit is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DepositStage {
    /// The owner asked; the TA has not opened it. After a restart it is not taken up again.
    Intended,
    /// The TA opened it; the server is to be asked, and asked again, until it answers.
    Open(Signed<DepositOpen>),
    /// The server answered; the TA is to take the answer.
    Answered(Signed<DepositOpen>, Signed<DepositAnswer>),
    /// The TA took the answer.
    Closed {
        open: Signed<DepositOpen>,
        answer: Signed<DepositAnswer>,
        /// The balance after it.
        balance: Balance,
    },
}

impl Deposit {
    pub(super) const fn intended(command: CommandId, amount: Amount, at: Time) -> Self {
        Self {
            command,
            amount,
            at,
            stage: DepositStage::Intended,
        }
    }

    fn i(&self) -> Option<u64> {
        match &self.stage {
            DepositStage::Intended => None,
            DepositStage::Open(open)
            | DepositStage::Answered(open, _)
            | DepositStage::Closed { open, .. } => Some(open.body().position.i),
        }
    }
}

impl Book {
    /// Returns every deposit, oldest first.
    #[must_use]
    pub fn deposits(&self) -> &[Deposit] {
        &self.deposits
    }

    /// Returns the deposit that the TA has open, if there is one: sync finishes it. The server closes
    /// that of a TA that has ended.
    #[must_use]
    pub fn deposit_open(&self) -> Option<&Deposit> {
        self.deposits
            .iter()
            .rev()
            .find(|deposit| match &deposit.stage {
                DepositStage::Open(open) | DepositStage::Answered(open, _) => {
                    !self.is_ended(&open.body().ta)
                }
                DepositStage::Intended | DepositStage::Closed { .. } => false,
            })
    }

    pub(super) fn fold_deposit_intent(
        &mut self,
        command: CommandId,
        amount: Amount,
        at: Time,
    ) -> Option<()> {
        if self.deposits.iter().any(|held| held.command == command) {
            return None;
        }
        self.deposits.push(Deposit::intended(command, amount, at));

        Some(())
    }

    pub(super) fn fold_deposit_opened(
        &mut self,
        command: CommandId,
        open: &Signed<DepositOpen>,
        at: Time,
    ) -> Option<()> {
        if !self.deposits.iter().any(|held| held.command == command) {
            let amount = open.body().amount;
            self.deposits.push(Deposit::intended(command, amount, at));
        }
        let deposit = self
            .deposits
            .iter_mut()
            .find(|deposit| deposit.command == command)?;
        match &deposit.stage {
            DepositStage::Intended => {}
            DepositStage::Open(held) | DepositStage::Answered(held, _) => {
                return (held == open).then_some(());
            }
            DepositStage::Closed { .. } => return Some(()),
        }
        deposit.stage = DepositStage::Open(open.clone());
        self.status.stated(Statement::DepositOpen(open.clone()));

        Some(())
    }

    pub(super) fn fold_deposit_answered(&mut self, answer: &Signed<DepositAnswer>) -> Option<()> {
        self.stamped(answer.body().stamp);
        let deposit = self.deposit_mut(answer.body().i)?;
        match &deposit.stage {
            DepositStage::Intended => return None,
            DepositStage::Open(open) => {
                deposit.stage = DepositStage::Answered(open.clone(), answer.clone());
            }
            DepositStage::Answered(_, held) | DepositStage::Closed { answer: held, .. } => {
                return (held == answer).then_some(());
            }
        }

        Some(())
    }

    pub(super) fn fold_deposit_closed(&mut self, i: u64, balance: Balance) -> Option<()> {
        let deposit = self.deposit_mut(i)?;
        match &deposit.stage {
            DepositStage::Intended | DepositStage::Open(_) => None,
            DepositStage::Answered(open, answer) => {
                deposit.stage = DepositStage::Closed {
                    open: open.clone(),
                    answer: answer.clone(),
                    balance,
                };
                Some(())
            }
            DepositStage::Closed { .. } => Some(()),
        }
    }

    fn deposit_mut(&mut self, i: u64) -> Option<&mut Deposit> {
        // the newest: a previous TA may have used the same i
        self.deposits
            .iter_mut()
            .rev()
            .find(|deposit| deposit.i() == Some(i))
    }
}
