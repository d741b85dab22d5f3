//! ReportDeath: an owner says that its TA is lost, broken or rolled back.

use ops_proto::message::{DeathAnswer, ReportDeath};
use ops_proto::signed::Signed;
use ops_proto::{Balance, Digest, Time};

use super::{Desk, News, Stop, challenge, ending, malformed, refuse};
use crate::refusal::{Code, Refusal};
use crate::store::{AnswerKind, TaRow, TaStanding};

/// A death that the client reports.
#[derive(Debug)]
pub(crate) struct DeathReport {
    body: ReportDeath,
    hash: Digest,
}

/// How a TA ended.
struct Ended {
    payable_from: Time,
    paid: u64,
    news: News,
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
        let Ended {
            payable_from,
            paid,
            news,
        } = self.end(at, &ta).await?;
        let held = ending::books(at, &ta).await?.held;
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

    /// Books the death unless the TA has ended before; returns when its owner is paid, and what was.
    async fn end(&self, at: &mut Desk<'_, '_>, ta: &TaRow) -> Result<Ended, Stop> {
        let mut news = News::None;
        let mut death = match ta.standing {
            TaStanding::Live | TaStanding::Suspended => {
                news = News::Some;
                ending::bury(at, ta, &self.hash).await?
            }
            TaStanding::Retired => {
                let retired = at.unit.retirement(&ta.key).await?;
                let row = retired
                    .ok_or_else(|| refuse(Code::Internal, "the books lack how the TA retired"))?;
                return Ok(Ended {
                    payable_from: row.at,
                    paid: row.paid,
                    news,
                });
            }
            TaStanding::Dead => {
                let death = at.unit.death(&ta.key).await?;
                death.ok_or_else(|| refuse(Code::Internal, "the books lack how the TA died"))?
            }
        };
        let paid_before = death.paid;
        ending::pay_out(at, &ta.key, &mut death).await?;
        if death.paid != paid_before {
            news = News::Some;
        }

        Ok(Ended {
            payable_from: death.payable_from,
            paid: death.paid,
            news,
        })
    }
}
