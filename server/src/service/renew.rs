//! Renew: the next certificate of a client or TA. The same request again is given the same bytes.

use ops_proto::certificate::Certificate;
use ops_proto::message::Renew;
use ops_proto::signed::{Signed, encode};

use super::chain::not_live;
use super::{Desk, Stop, challenge, malformed, refuse};
use crate::refusal::{Code, Refusal};
use crate::store::{SubjectKind, TaStanding};

/// A renewal that the subject signed.
#[derive(Debug)]
pub(crate) struct RenewOrder(Renew);

pub(super) fn prepare(body: &[u8]) -> Result<RenewOrder, Refusal> {
    let signed = Signed::<Renew>::decode(body).map_err(malformed)?;
    let body = signed
        .verify(&signed.body().subject)
        .map_err(|error| Refusal::new(Code::Signature, error))?;

    Ok(RenewOrder(body.clone()))
}

impl RenewOrder {
    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let Renew {
            subject,
            number,
            challenge,
        } = &self.0;
        let next = number
            .checked_add(1)
            .ok_or_else(|| refuse(Code::CertificateNumber, "no number follows this one"))?;
        // Its challenge is used up: the repeat is known by the number. A certificate is no secret.
        if let Some(renewed) = at.unit.renewed(subject, next).await? {
            return Ok(encode(&at.provider.chain(renewed)));
        }
        challenge::use_up(at, challenge, subject).await?;
        let (kind, held) = self.newest(at).await?;
        if held.body().number != *number {
            let message = format!("the newest certificate has number {}", held.body().number);
            return Err(refuse(Code::CertificateNumber, message));
        }
        let renewed = at.provider.renew(held.body(), next, at.now);
        at.unit.renew(kind, &renewed).await?;
        tracing::info!(subject = %subject.id(), number = next, "Renewed a certificate");

        Ok(encode(&at.provider.chain(renewed)))
    }

    /// Returns the newest certificate of a subject that may have another.
    async fn newest(
        &self,
        at: &mut Desk<'_, '_>,
    ) -> Result<(SubjectKind, Signed<Certificate>), Stop> {
        let subject = &self.0.subject;
        if let Some(ta) = at.unit.ta(subject).await? {
            return match ta.standing {
                TaStanding::Live => Ok((SubjectKind::Ta, ta.certificate)),
                TaStanding::Suspended | TaStanding::Retired | TaStanding::Dead => {
                    Err(not_live(&ta))
                }
            };
        }
        let Some(client) = at.unit.client(subject).await? else {
            let message = "the key is not registered as a client or TA";
            return Err(refuse(Code::SubjectUnknown, message));
        };
        if at.unit.is_client_suspended(subject).await? {
            return Err(refuse(Code::Suspended, "the client is suspended"));
        }

        Ok((SubjectKind::Client, client.certificate))
    }
}
