//! Mailbox: pairs that others handed in for a TA wait until a status lists their ids.

use std::collections::BTreeSet;

use ops_proto::PaymentPair;
use ops_proto::certificate::Certificate;
use ops_proto::id::KeyId;
use ops_proto::list::List;
use ops_proto::message::{MailboxAnswer, MailboxQuery};
use ops_proto::signed::Signed;

use super::{Desk, Stop, challenge, malformed, refuse};
use crate::limits::MAILBOX_PAGE;
use crate::refusal::{Code, Refusal};

/// A query that the client signed.
#[derive(Debug)]
pub(crate) struct Query(MailboxQuery);

pub(super) fn prepare(body: &[u8]) -> Result<Query, Refusal> {
    let signed = Signed::<MailboxQuery>::decode(body).map_err(malformed)?;
    let body = signed
        .verify(&signed.body().client)
        .map_err(|error| Refusal::new(Code::Signature, error))?;

    Ok(Query(body.clone()))
}

impl Query {
    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let MailboxQuery {
            client,
            ta,
            after,
            challenge,
        } = &self.0;
        challenge::use_up(at, challenge, client).await?;
        let ta = at.unit.ta(ta).await?.filter(|ta| ta.owner == *client);
        let Some(ta) = ta else {
            return Err(refuse(Code::TaUnknown, "the client has no such TA"));
        };
        let mut mail = at
            .unit
            .mail(&ta.key, *after, MAILBOX_PAGE.saturating_add(1))
            .await?;
        let page = usize::try_from(MAILBOX_PAGE).unwrap_or(usize::MAX);
        let has_more = mail.len() > page;
        mail.truncate(page);
        let next = mail.last().filter(|_| has_more).map(|(id, _)| *id);
        let pairs: Vec<PaymentPair> = mail.into_iter().map(|(_, pair)| pair).collect();
        let stamp = at.unit.next_stamp().await?;
        let body = MailboxAnswer {
            ta: ta.key,
            providers: providers(at, &pairs).await?,
            pairs: too_long(pairs.try_into())?,
            next,
            stamp,
        };

        // It promises nothing that the payments do not: it is not stored.
        Ok(at.provider.sign_for(ta.certificate.body(), body).to_wire())
    }
}

/// Returns the certificates of the providers that issued those of the pairs: ours, and those of others whose
/// TAs paid.
pub(super) async fn providers<const MAX: usize>(
    at: &mut Desk<'_, '_>,
    pairs: &[PaymentPair],
) -> Result<List<Signed<Certificate>, MAX>, Stop> {
    let issuers: BTreeSet<KeyId> = pairs
        .iter()
        .flat_map(|pair| {
            [
                pair.payment.body().sender.body().issuer,
                pair.request.body().payee.body().issuer,
            ]
        })
        .collect();
    let mut named: Vec<_> = at
        .provider
        .certificates()
        .iter()
        .filter(|certificate| issuers.contains(&certificate.body().subject.id()))
        .cloned()
        .collect();
    for issuer in &issuers {
        named.extend(at.unit.issuer_certificates(issuer).await?);
    }
    named.truncate(MAX);

    too_long(named.try_into())
}

pub(super) fn too_long<T>(list: Result<T, ops_proto::list::ListTooLong>) -> Result<T, Stop> {
    list.map_err(|error| refuse(Code::Internal, error))
}
