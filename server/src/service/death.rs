//! ReportDeath: an owner says that its TA is lost, broken or rolled back.

use ops_proto::message::{DeathAnswer, ReportDeath};
use ops_proto::signed::Signed;
use ops_proto::{Balance, Digest, PublicKey, Time};

use super::{Desk, News, Stop, challenge, ending, malformed, refuse};
use crate::refusal::{Code, Refusal};
use crate::store::{AnswerKind, TaRow, TaStanding};

/// A death that the client reports.
#[derive(Debug)]
pub(crate) struct DeathReport {
    body: ReportDeath,
    hash: Digest,
}

pub(super) fn prepare(body: &[u8]) -> Result<DeathReport, Refusal> {
    let signed = Signed::<ReportDeath>::decode(body).map_err(malformed)?;
    let body = signed
        .verify(&signed.body().client)
        .map_err(|error| Refusal::new(Code::Signature, error))?;

    Ok(DeathReport {
        body: body.clone(),
        hash: signed.hash(),
    })
}

impl DeathReport {
    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let ReportDeath {
            client,
            ta,
            challenge,
        } = &self.body;
        challenge::use_up(at, challenge, client).await?;
        let ta = at.unit.ta(ta).await?.filter(|ta| ta.owner == *client);
        let Some(ta) = ta else {
            return Err(refuse(Code::TaUnknown, "the client has no such TA"));
        };
        let (payable_from, news) = self.end(at, &ta).await?;
        let held = ending::books(at, &ta).await?.held;
        let paid = paid(at, &ta.key).await?;
        let stamp = at.unit.next_stamp().await?;
        let body = DeathAnswer {
            client: *client,
            ta: ta.key,
            held,
            paid: Balance::from_minor_units(paid),
            payable_from,
            stamp,
        };
        let answer = at.provider.sign_for(ta.certificate.body(), body);
        if news == News::Some {
            at.unit
                .put_answer(AnswerKind::Death, stamp, &answer)
                .await?;
        }

        Ok(answer.to_wire())
    }

    /// Books the death unless the TA has ended before; returns when its owner is paid, and whether anything is new.
    async fn end(&self, at: &mut Desk<'_, '_>, ta: &TaRow) -> Result<(Time, News), Stop> {
        let mut news = News::None;
        let death = match ta.standing {
            TaStanding::Live | TaStanding::Suspended => {
                news = News::Some;
                ending::bury(at, ta, &self.hash).await?
            }
            TaStanding::Retired => {
                let retired = at.unit.retirement(&ta.key).await?;
                let row = retired
                    .ok_or_else(|| refuse(Code::Internal, "the books lack how the TA retired"))?;
                return Ok((row.at, news));
            }
            TaStanding::Dead => {
                let death = at.unit.death(&ta.key).await?;
                death.ok_or_else(|| refuse(Code::Internal, "the books lack how the TA died"))?
            }
        };
        let before = paid(at, &ta.key).await?;
        ending::pay_out(at, &ta.key, &death).await?;
        if paid(at, &ta.key).await? != before {
            news = News::Some;
        }

        Ok((death.payable_from, news))
    }
}

/// Returns what the owner of a TA was paid at its end.
async fn paid(at: &mut Desk<'_, '_>, ta: &PublicKey) -> Result<u64, Stop> {
    Ok(at.unit.end(ta).await?.map_or(0, |end| end.paid))
}
