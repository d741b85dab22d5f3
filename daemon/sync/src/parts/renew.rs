//! Renew: the next certificates, in time; and the provider's own, while its keys roll over.

use journal::Fact;
use ops_proto::certificate::{Certificate, Kind};
use ops_proto::contract::{Command, Output};
use ops_proto::message::{CertificateChain, Renew};
use ops_proto::{Signed, Time};
use runtime::clock;
use wallet::ta::TaError;

use super::register;
use crate::context::Context;
use crate::error::SyncError;

/// Learns whether the provider has a newer certificate. The previous ones are kept.
pub(crate) async fn provider(cx: &Context) -> Result<u64, SyncError> {
    let provider = cx.server.provider().await?;
    let is_known = cx
        .journal()
        .view(|book| book.providers().any(|held| *held == provider));
    if is_known {
        return Ok(0);
    }
    tracing::info!(
        number = provider.body().number,
        "The provider has a newer certificate"
    );
    cx.record(vec![Fact::ProviderSeen(Box::new(provider))])
        .await?;

    Ok(1)
}

/// Renews what is due: the client's certificate and the TA's.
pub(crate) async fn due(cx: &Context) -> Result<u64, SyncError> {
    let now = clock::now();
    let (client, ta) = cx.journal().view(|book| {
        let provider = book.own_provider();
        let due = |chain: &&CertificateChain| is_due(chain, provider, now);
        let client = book.client().and_then(|client| client.chain.as_ref());
        let ta = book
            .sender_chain()
            .and_then(|_| book.ta()?.chain.as_ref())
            .filter(|_| cx.uses_ta);

        (client.filter(due).cloned(), ta.filter(due).cloned())
    });
    let mut carried = 0_u64;
    let first = match client {
        Some(chain) => renew_client(cx, &chain).await.map(|()| 1),
        None => Ok(0),
    };
    if let Some(chain) = ta {
        renew_ta(cx, &chain).await?;
        carried = carried.saturating_add(1);
    }

    first.map(|client: u64| carried.saturating_add(client))
}

/// A third of its validity is left, or the provider has another key by now.
fn is_due(chain: &CertificateChain, provider: Option<&Signed<Certificate>>, now: Time) -> bool {
    let leaf = chain.leaf.body();
    let third = leaf
        .not_after
        .ms_since(leaf.not_before)
        .checked_div(3)
        .unwrap_or(0);
    let is_late = now >= leaf.not_after.saturating_sub_ms(third);
    let has_moved = provider.is_some_and(|provider| provider.body().subject.id() != leaf.issuer);

    is_late || has_moved
}

async fn renew_client(cx: &Context, held: &CertificateChain) -> Result<(), SyncError> {
    let leaf = held.leaf.body();
    let challenge = cx.server.challenge(&leaf.subject).await?;
    let order = cx.wallet.identity().sign(Renew {
        subject: leaf.subject,
        number: leaf.number,
        challenge,
    });
    let chain = ask(cx, held, &order, Kind::Client).await?;

    cx.record(vec![Fact::ClientRegistered(Box::new(chain))])
        .await
}

async fn renew_ta(cx: &Context, held: &CertificateChain) -> Result<(), SyncError> {
    let leaf = held.leaf.body();
    let challenge = cx.server.challenge(&leaf.subject).await?;
    let Output::Renewal(order) = cx.ta()?.invoke(Command::Renew { challenge }).await? else {
        return Err(TaError::OtherAnswer.into());
    };
    let chain = ask(cx, held, &order, Kind::Ta).await?;
    cx.record(vec![Fact::TaRegistered(Box::new(chain))]).await?;

    register::take(cx).await
}

async fn ask(
    cx: &Context,
    held: &CertificateChain,
    order: &Signed<Renew>,
    kind: Kind,
) -> Result<CertificateChain, SyncError> {
    let held = held.leaf.body();
    tracing::info!(target: "ops", number = held.number, "C → S: Renew = Sign(pk, number, challenge)");
    let chain = cx
        .server
        .certificate("/v1/renewals", order.to_wire(), &held.subject, kind)
        .await?;
    let leaf = chain.leaf.body();
    if leaf.number <= held.number {
        return Err(SyncError::NotBelieved("the certificate is not newer"));
    }
    if leaf.name != held.name || leaf.currency != held.currency {
        return Err(SyncError::NotBelieved(
            "the certificate has another name or currency",
        ));
    }

    Ok(chain)
}
