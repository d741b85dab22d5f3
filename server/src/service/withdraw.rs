//! Withdraw: the TA has debited itself, so the server books it whatever it thinks of the TA.

use ops_proto::message::{Withdraw, WithdrawAck};
use ops_proto::signed::Signed;
use ops_proto::statement::Statement;

use super::chain::known;
use super::{Conviction, Desk, Stop, ending, malformed, refuse};
use crate::ledger::{self, Trust};
use crate::refusal::{Code, Refusal};
use crate::store::{AnswerKind, TaRow, TaStanding};

/// A withdrawal that the TA signed.
#[derive(Debug)]
pub(crate) struct WithdrawOrder(Signed<Withdraw>);

pub(super) fn prepare(body: &[u8]) -> Result<WithdrawOrder, Refusal> {
    let withdraw = Signed::<Withdraw>::decode(body).map_err(malformed)?;
    withdraw
        .verify(&withdraw.body().ta)
        .map_err(|error| Refusal::new(Code::Signature, error))?;

    Ok(WithdrawOrder(withdraw))
}

impl WithdrawOrder {
    /// Returns the order of a withdrawal whose signature was checked.
    pub(super) fn of(withdraw: &Signed<Withdraw>) -> Self {
        Self(withdraw.clone())
    }

    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let Self(withdraw) = self;
        let i = withdraw.body().position.i;
        let ta = known(at, &withdraw.body().ta).await?;
        if let Some(booked) = at.unit.withdrawal(&ta.key, i).await?
            && booked.hash == withdraw.hash()
        {
            return match booked.answer {
                Some(answer) => Ok(at.unit.answer_bytes(answer).await?),
                None => self.acknowledge(at, &ta).await,
            };
        }
        let statement = Statement::Withdraw(withdraw.clone());
        let evidence = at.unit.contradiction(&statement).await?;
        if i > ta.i.saturating_add(1) {
            let message = format!("the server knows of {} deposits and withdrawals", ta.i);
            return Err(refuse(Code::CounterGap, message));
        }
        if i <= ta.i {
            return self.booked_or_evidence(at, &ta, &statement, evidence).await;
        }
        if let Some(evidence) = evidence {
            at.convict(&Conviction::by(evidence)).await?;
        }
        at.unit.put_statement(&statement).await?;
        self.book(at, &ta).await?;

        self.acknowledge(at, &ta).await
    }

    /// The i is taken: by this very statement, in a chain that was accepted, or by another one.
    async fn booked_or_evidence(
        &self,
        at: &mut Desk<'_, '_>,
        ta: &TaRow,
        statement: &Statement,
        evidence: Option<ops_proto::statement::Evidence>,
    ) -> Result<Vec<u8>, Stop> {
        if let Some(evidence) = evidence {
            let message = "the TA signed another statement that contradicts this one";
            let refusal = Refusal::new(Code::Evidence, message);
            return Err(Stop::Convicted(Conviction::by(evidence), refusal));
        }
        let is_in_chain = statement.position().n <= ta.chain.n;
        if is_in_chain && at.unit.has_statement(statement).await? {
            let Self(withdraw) = self;
            at.unit.put_withdrawal(withdraw, None).await?;
            return self.acknowledge(at, ta).await;
        }
        let message = "the TA went on without this withdrawal";

        Err(refuse(Code::Superseded, message))
    }

    /// Moves the money, and notes that it did.
    pub(super) async fn book(&self, at: &mut Desk<'_, '_>, ta: &TaRow) -> Result<(), Stop> {
        let Self(withdraw) = self;
        let body = withdraw.body();
        // It went on, so it took what was granted before.
        ending::take_grants(at, &ta.key, body.position.i, &withdraw.hash()).await?;
        let mut ta = known(at, &ta.key).await?;
        let trust = match ta.standing {
            TaStanding::Live => Trust::Full,
            TaStanding::Suspended | TaStanding::Retired | TaStanding::Dead => Trust::None,
        };
        let books = ending::books(at, &ta).await?;
        let withdrawn = ledger::withdraw(&books, body.amount, trust);
        at.unit
            .post(withdrawn.transfer.as_slice(), &withdraw.hash().0, at.now)
            .await?;
        ta.i = ta.i.max(body.position.i);
        let unbacked = i64::try_from(withdrawn.unbacked).unwrap_or(i64::MAX);
        ta.unbacked = ta.unbacked.saturating_sub(unbacked);
        at.unit.update_ta(&ta).await?;
        at.unit.put_withdrawal(withdraw, None).await?;
        tracing::info!(ta = %ta.key.id(), i = ta.i, ?trust, "Booked a withdrawal");

        Ok(())
    }

    async fn acknowledge(&self, at: &mut Desk<'_, '_>, ta: &TaRow) -> Result<Vec<u8>, Stop> {
        let Self(withdraw) = self;
        let i = withdraw.body().position.i;
        let stamp = at.unit.next_stamp().await?;
        let body = WithdrawAck {
            ta: ta.key,
            i,
            order: withdraw.hash(),
            stamp,
        };
        let ack = at.provider.sign_for(ta.certificate.body(), body);
        let answer = at
            .unit
            .put_answer(AnswerKind::Withdraw, stamp, &ack)
            .await?;
        at.unit.set_withdrawal_answer(&ta.key, i, answer).await?;

        Ok(ack.to_wire())
    }
}
