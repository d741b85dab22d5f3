//! Withdrawals: money on its way from the device back to the online account.

use ops_proto::id::CommandId;
use ops_proto::message::{Withdraw, WithdrawAck};
use ops_proto::statement::Statement;
use ops_proto::{Amount, Balance, Signed, Time};
use serde::{Deserialize, Serialize};

use super::Book;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// Names the TA's command.
    pub command: CommandId,
    pub amount: Amount,
    /// When the owner asked.
    pub at: Time,
    pub stage: WithdrawStage,
}

/// How far a withdrawal is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WithdrawStage {
    /// The owner asked; the TA has not debited itself. After a restart it is not taken up again.
    Intended,
    /// The TA debited itself; W is sent to the server, and sent again, until it answers.
    Debited(Signed<Withdraw>),
    /// The server booked W; the TA is to take the acknowledgement.
    Acknowledged(Signed<Withdraw>, Signed<WithdrawAck>),
    /// The TA took the acknowledgement.
    Closed {
        withdraw: Signed<Withdraw>,
        ack: Signed<WithdrawAck>,
        /// The balance after it.
        balance: Balance,
    },
}

impl Withdrawal {
    const fn intended(command: CommandId, amount: Amount, at: Time) -> Self {
        Self {
            command,
            amount,
            at,
            stage: WithdrawStage::Intended,
        }
    }

    /// Returns W, once the TA has signed it.
    #[must_use]
    pub const fn withdraw(&self) -> Option<&Signed<Withdraw>> {
        match &self.stage {
            WithdrawStage::Intended => None,
            WithdrawStage::Debited(withdraw)
            | WithdrawStage::Acknowledged(withdraw, _)
            | WithdrawStage::Closed { withdraw, .. } => Some(withdraw),
        }
    }

    /// Returns the server's acknowledgement, once it came.
    #[must_use]
    pub const fn ack(&self) -> Option<&Signed<WithdrawAck>> {
        match &self.stage {
            WithdrawStage::Intended | WithdrawStage::Debited(_) => None,
            WithdrawStage::Acknowledged(_, ack) | WithdrawStage::Closed { ack, .. } => Some(ack),
        }
    }
}

impl Book {
    /// Returns every withdrawal, oldest first.
    #[must_use]
    pub fn withdrawals(&self) -> &[Withdrawal] {
        &self.withdrawals
    }

    /// Returns the withdrawals whose TA is debited and that the server has not booked, as far as the
    /// journal knows, or whose acknowledgement the TA has still to take; oldest first. A TA that has
    /// ended takes none.
    pub fn withdrawals_open(&self) -> impl Iterator<Item = &Withdrawal> {
        self.withdrawals
            .iter()
            .filter(|withdrawal| match &withdrawal.stage {
                WithdrawStage::Debited(_) => true,
                WithdrawStage::Acknowledged(withdraw, _) => {
                    self.ta().is_some_and(|ta| ta.key == withdraw.body().ta)
                }
                WithdrawStage::Intended | WithdrawStage::Closed { .. } => false,
            })
    }

    pub(super) fn fold_withdraw_intent(
        &mut self,
        command: CommandId,
        amount: Amount,
        at: Time,
    ) -> Option<()> {
        if self.withdrawals.iter().any(|held| held.command == command) {
            return None;
        }
        self.withdrawals
            .push(Withdrawal::intended(command, amount, at));

        Some(())
    }

    pub(super) fn fold_withdrawn(
        &mut self,
        command: CommandId,
        withdraw: &Signed<Withdraw>,
        at: Time,
    ) -> Option<()> {
        if !self.withdrawals.iter().any(|held| held.command == command) {
            let amount = withdraw.body().amount;
            self.withdrawals
                .push(Withdrawal::intended(command, amount, at));
        }
        let withdrawal = self
            .withdrawals
            .iter_mut()
            .find(|withdrawal| withdrawal.command == command)?;
        if let Some(held) = withdrawal.withdraw() {
            return (held == withdraw).then_some(());
        }
        withdrawal.stage = WithdrawStage::Debited(withdraw.clone());
        self.status.stated(Statement::Withdraw(withdraw.clone()));

        Some(())
    }

    pub(super) fn fold_withdraw_acknowledged(&mut self, ack: &Signed<WithdrawAck>) -> Option<()> {
        self.stamped(ack.body().stamp);
        let order = ack.body().order;
        let withdrawal = self.withdrawals.iter_mut().find(|withdrawal| {
            let held = withdrawal.withdraw();
            held.is_some_and(|withdraw| withdraw.hash() == order)
        })?;
        match &withdrawal.stage {
            WithdrawStage::Intended => return None,
            WithdrawStage::Debited(withdraw) => {
                withdrawal.stage = WithdrawStage::Acknowledged(withdraw.clone(), ack.clone());
            }
            WithdrawStage::Acknowledged(_, held) | WithdrawStage::Closed { ack: held, .. } => {
                return (held == ack).then_some(());
            }
        }

        Some(())
    }

    pub(super) fn fold_withdraw_closed(&mut self, i: u64, balance: Balance) -> Option<()> {
        // the newest: a previous TA may have used the same i
        let withdrawal = self.withdrawals.iter_mut().rev().find(|withdrawal| {
            let held = withdrawal.withdraw();
            held.is_some_and(|withdraw| withdraw.body().position.i == i)
        })?;
        match &withdrawal.stage {
            WithdrawStage::Intended | WithdrawStage::Debited(_) => None,
            WithdrawStage::Acknowledged(withdraw, ack) => {
                withdrawal.stage = WithdrawStage::Closed {
                    withdraw: withdraw.clone(),
                    ack: ack.clone(),
                    balance,
                };
                Some(())
            }
            WithdrawStage::Closed { .. } => Some(()),
        }
    }
}
