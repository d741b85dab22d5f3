//! Certificates of an earlier life: their keys are registered again.

use ops_proto::certificate::{Certificate, Kind};
use ops_proto::signed::Signed;
use ops_proto::{PublicKey, Time};

use super::super::{Desk, Stop, ending, payment};
use super::lists;
use crate::provider::{CLOCK_SKEW_MS, Provider};
use crate::store::{ClientRow, SubjectKind};

/// Returns whether this provider issued a certificate.
pub(super) fn is_ours(leaf: &Signed<Certificate>, provider: &Provider) -> bool {
    let body = leaf.body();

    provider.certificates().iter().any(|certificate| {
        let issuer = certificate.body();
        issuer.provider == body.provider
            && issuer.subject.id() == body.issuer
            && leaf.verify(&issuer.subject).is_ok()
    })
}

/// Registers the key of a certificate again, or takes the certificate if it is the newer one.
pub(super) async fn book(
    at: &mut Desk<'_, '_>,
    client: &PublicKey,
    leaf: &Signed<Certificate>,
    raised: Option<Time>,
) -> Result<bool, Stop> {
    match leaf.body().kind() {
        Kind::Provider => Ok(false),
        Kind::Client => book_client(at, client, leaf, raised).await,
        Kind::Ta => book_ta(at, client, leaf, raised).await,
    }
}

/// When a certificate was issued.
fn issued(leaf: &Certificate) -> Time {
    leaf.not_before.saturating_add_ms(CLOCK_SKEW_MS)
}

async fn book_client(
    at: &mut Desk<'_, '_>,
    client: &PublicKey,
    leaf: &Signed<Certificate>,
    raised: Option<Time>,
) -> Result<bool, Stop> {
    let body = leaf.body();
    if let Some(known) = at.unit.client(&body.subject).await? {
        if known.certificate.body().number < body.number {
            at.unit.renew(SubjectKind::Client, leaf).await?;
        }
        return Ok(true);
    }
    let at_time = issued(body);
    if body.subject != *client || raised.is_none_or(|raised| at_time >= raised) {
        return Ok(false);
    }
    let kind = SubjectKind::Client;
    if !at.unit.put_subject(&body.subject, kind, at_time).await? {
        return Ok(false);
    }
    let row = ClientRow {
        key: body.subject,
        name: body.name.as_str().to_owned(),
        certificate: leaf.clone(),
    };
    // Somebody may have taken the name since the restore: both have it then, and people tell by the key.
    at.unit.put_client(&row).await?;
    lists::suspend_listed(at, &body.subject).await?;
    payment::redeem_waiting(at, &body.subject).await?;
    tracing::info!(client = %body.subject.id(), "Registered a client again");

    Ok(true)
}

/// Whose the TA is, its certificate does not say: it has the name of the client that it was certified
/// for, a name is one client's, and nobody can have owned it who came after the restore, or after the TA.
async fn book_ta(
    at: &mut Desk<'_, '_>,
    client: &PublicKey,
    leaf: &Signed<Certificate>,
    raised: Option<Time>,
) -> Result<bool, Stop> {
    let body = leaf.body();
    if let Some(known) = at.unit.ta(&body.subject).await? {
        if known.owner != *client {
            return Ok(false);
        }
        if known.certificate.body().number < body.number {
            at.unit.renew(SubjectKind::Ta, leaf).await?;
        }
        return Ok(true);
    }
    let Some(owner) = at.unit.client(client).await? else {
        return Ok(false);
    };
    let registered = at.unit.registered(client).await?;
    let at_time = issued(body);
    let was_before = |time: Time| raised.is_some_and(|raised| time < raised);
    if owner.certificate.body().name != body.name
        || !was_before(at_time)
        || !registered.is_some_and(|time| was_before(time) && time <= at_time)
    {
        return Ok(false);
    }
    let kind = SubjectKind::Ta;
    if !at.unit.put_subject(&body.subject, kind, at_time).await? {
        return Ok(false);
    }
    if let Some(other) = at.unit.ta_of(client).await? {
        if issued(other.certificate.body()) > at_time {
            // One that ended before the TA of now was registered: nothing is on it any more.
            return book_ended(at, client, leaf).await;
        }
        // It had ended, or the server of before would not have certified this one.
        ending::bury(at, &other, &leaf.hash()).await?;
    }
    at.unit.put_ta(&body.subject, client, leaf).await?;
    lists::suspend_listed(at, &body.subject).await?;
    suspend_convicted(at, &body.subject).await?;
    payment::redeem_waiting(at, &body.subject).await?;
    tracing::info!(ta = %body.subject.id(), client = %client.id(), "Registered a TA again");

    Ok(true)
}

/// Suspends a TA that was convicted while the books did not know it.
async fn suspend_convicted(at: &mut Desk<'_, '_>, ta: &PublicKey) -> Result<(), Stop> {
    let findings = at.unit.findings(ta).await?;
    if findings.iter().all(|(_, evidence)| evidence.is_none()) {
        return Ok(());
    }
    at.unit.suspend_ta(ta).await?;
    if let Some(ta) = at.unit.ta(ta).await? {
        at.revoke(&ta).await?;
    }

    Ok(())
}

async fn book_ended(
    at: &mut Desk<'_, '_>,
    client: &PublicKey,
    leaf: &Signed<Certificate>,
) -> Result<bool, Stop> {
    let subject = &leaf.body().subject;
    at.unit.put_dead_ta(subject, client, leaf).await?;
    if let Some(ta) = at.unit.ta(subject).await? {
        ending::bury(at, &ta, &leaf.hash()).await?;
    }
    payment::redeem_waiting(at, subject).await?;

    Ok(true)
}
