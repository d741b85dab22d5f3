//! A client asks which payments were credited to its account: its payers may have told the server before they told it.

use ops_proto::limits::CREDITED_PAYMENTS_MAX;
use ops_proto::list::List;
use ops_proto::message::{CreditedAnswer, CreditedQuery};
use ops_proto::signed::Signed;

use super::mailbox::{providers, too_long};
use super::{Desk, Stop, challenge, malformed, refuse};
use crate::refusal::{Code, Refusal};

/// A query that the client signed.
#[derive(Debug)]
pub(crate) struct Query(CreditedQuery);

pub(super) fn prepare(body: &[u8]) -> Result<Query, Refusal> {
    let signed = Signed::<CreditedQuery>::decode(body).map_err(malformed)?;
    let body = signed
        .verify(&signed.body().client)
        .map_err(|error| Refusal::new(Code::Signature, error))?;

    Ok(Query(body.clone()))
}

impl Query {
    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let CreditedQuery {
            client,
            after,
            wanted,
            challenge,
        } = &self.0;
        challenge::use_up(at, challenge, client).await?;
        let Some(row) = at.unit.client(client).await? else {
            return Err(refuse(Code::ClientUnknown, "the client is not registered"));
        };
        // One more than fits tells whether there is more.
        let limit = i64::try_from(CREDITED_PAYMENTS_MAX.saturating_add(1)).unwrap_or(i64::MAX);
        let mut credited = at.unit.credited(client, *after, limit).await?;
        let more = credited.len() > CREDITED_PAYMENTS_MAX;
        credited.truncate(CREDITED_PAYMENTS_MAX);
        let mut pairs = Vec::new();
        for one in &credited {
            if wanted.contains(&one.payment) {
                pairs.extend(at.unit.credited_pair(*one).await?);
            }
        }
        let payments: Vec<_> = credited.iter().map(|one| one.payment).collect();
        let stamp = at.unit.next_stamp().await?;
        let body = CreditedAnswer {
            client: *client,
            payments: too_long(List::try_from(payments))?,
            next: credited.last().map_or(*after, |last| last.entry),
            more,
            providers: providers(at, &pairs).await?,
            pairs: too_long(List::try_from(pairs))?,
            stamp,
        };

        // It promises nothing that the payments do not: it is not stored.
        Ok(at.provider.sign_for(row.certificate.body(), body).to_wire())
    }
}
