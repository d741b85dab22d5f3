//! What people order that needs both the TA and the server.

use ops_proto::{Amount, PublicKey};

use super::context::Context;
use super::error::SyncError;
use super::parts::{death, deposit, lives, open, retire, withdraw};
use super::runner::{Order, Runner};
use super::{Deposited, Ended, Withdrawn};

impl Runner {
    pub(super) async fn carry_out(&mut self, order: Order) {
        match order {
            Order::Run { done } => drop(done),
            Order::Deposit { amount, done } => {
                let _nobody_waits = done.send(self.deposit(amount).await);
            }
            Order::Withdraw { amount, done } => {
                let _nobody_waits = done.send(self.withdraw(amount).await);
            }
            Order::Retire { done } => {
                let _nobody_waits = done.send(self.retire().await);
            }
            Order::Recover { ta, done } => {
                let _nobody_waits = done.send(self.recover(ta).await);
            }
        }
    }

    async fn deposit(&mut self, amount: Amount) -> Result<Deposited, SyncError> {
        let cx = self.met().await?;
        let command = open::deposit(&cx, amount).await?;
        let pending = deposit::finish(&cx).await.err();
        let deposit = cx
            .journal()
            .view(|book| {
                let mut deposits = book.deposits().iter();
                deposits.find(|deposit| deposit.command == command).cloned()
            })
            .ok_or(SyncError::NotRegistered)?;

        Ok(Deposited { deposit, pending })
    }

    async fn withdraw(&mut self, amount: Option<Amount>) -> Result<Withdrawn, SyncError> {
        let cx = self.met().await?;
        let command = open::withdrawal(&cx, amount).await?;
        let pending = withdraw::finish(&cx).await.err();
        let withdrawal = cx
            .journal()
            .view(|book| {
                let mut withdrawals = book.withdrawals().iter();
                withdrawals
                    .find(|withdrawal| withdrawal.command == command)
                    .cloned()
            })
            .ok_or(SyncError::NotRegistered)?;

        Ok(Withdrawn {
            withdrawal,
            pending,
        })
    }

    /// Everything is carried first, so that as little as can be waits at the server.
    async fn retire(&mut self) -> Result<Ended, SyncError> {
        self.run_once().await;
        let cx = self.met().await?;
        let ta = retire::begin(&cx).await?;
        let pending = retire::finish(&cx).await.err();

        Ok(self.ended_as(ta, pending))
    }

    /// What the dead TA has signed is handed in by the same run that reports its death.
    async fn recover(&mut self, ta: PublicKey) -> Result<Ended, SyncError> {
        let cx = self.context()?.ok_or(SyncError::NotRegistered)?;
        death::begin(&cx, ta).await?;
        self.run_once().await;
        let cx = self.context()?.ok_or(SyncError::NotRegistered)?;
        let pending = death::finish(&cx).await.err();

        Ok(self.ended_as(ta, pending))
    }

    /// Nothing new is begun with a server that does not know what it had answered, or that is not the
    /// one of the present life.
    async fn met(&mut self) -> Result<Context, SyncError> {
        let mut cx = self.context()?.ok_or(SyncError::NotRegistered)?;
        let _told = lives::meet(&mut cx).await?;

        Ok(cx)
    }

    fn ended_as(&self, ta: PublicKey, pending: Option<SyncError>) -> Ended {
        let held = self.wallet.journal().view(|book| {
            let mut ended = book.ended().iter();
            ended.find(|ended| ended.key == ta)?.held()
        });

        Ended { ta, held, pending }
    }
}
