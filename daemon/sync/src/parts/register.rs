//! RegisterClient, RegisterTa and CertInit.

use journal::Fact;
use journal::unfinished::TaSession;
use ops_proto::certificate::Kind;
use ops_proto::contract::{Command, Output};
use ops_proto::message::{RegisterClient, RegisterTa};
use runtime::clock;
use wallet::ta::TaError;

use crate::context::Context;
use crate::error::SyncError;

/// Registers the client key, once.
pub(crate) async fn client(cx: &Context) -> Result<u64, SyncError> {
    let client = cx.journal().view(|book| book.client().cloned());
    let client = client.ok_or(SyncError::NotRegistered)?;
    if client.chain.is_some() {
        return Ok(0);
    }
    let challenge = cx.server.challenge(&client.key).await?;
    let order = cx.wallet.identity().sign(RegisterClient {
        client: client.key,
        name: client.name.clone(),
        challenge,
    });
    tracing::info!(target: "ops", client = %client.key.id(), "C → S: RegisterClient = Sign_C(pk_C, name, challenge)");
    let chain = cx
        .server
        .certificate("/v1/clients", order.to_wire(), &client.key, Kind::Client)
        .await?;
    if chain.leaf.body().name != client.name {
        return Err(SyncError::NotBelieved("the certificate has another name"));
    }
    cx.record(vec![Fact::ClientRegistered(Box::new(chain))])
        .await?;

    Ok(1)
}

/// Registers the TA, once, and hands it its certificate.
pub(crate) async fn ta(cx: &Context) -> Result<u64, SyncError> {
    // one that has ended is no failure: the next one registers when it is there
    if !cx.uses_ta || cx.session() == TaSession::Ended {
        return Ok(0);
    }
    let is_client = cx
        .journal()
        .view(|book| book.client().is_some_and(|client| client.chain.is_some()));
    if !is_client {
        return Err(SyncError::NotRegistered);
    }
    let carried = match cx.journal().view(|book| book.ta().cloned()) {
        Some(ta) if ta.chain.is_some() => 0,
        Some(_) | None => {
            ask(cx).await?;
            1
        }
    };
    take(cx).await?;

    Ok(carried)
}

async fn ask(cx: &Context) -> Result<(), SyncError> {
    let ta = cx.ta()?;
    let root = cx
        .journal()
        .view(|book| book.enrolled().map(|enrolled| enrolled.root))
        .ok_or(SyncError::NotRegistered)?;
    let Output::Initialised { ta: key } = ta.invoke(Command::Init { root }).await? else {
        return Err(TaError::OtherAnswer.into());
    };
    let client = cx.wallet.identity().public_key();
    let challenge = cx.server.challenge(&client).await?;
    let attest = Command::Attest { challenge, client };
    let Output::Attested { device, quote } = ta.invoke(attest).await? else {
        return Err(TaError::OtherAnswer.into());
    };
    let order = cx.wallet.identity().sign(RegisterTa {
        client,
        ta: key,
        challenge,
        device,
        quote,
    });
    tracing::info!(target: "ops", ta = %key.id(), "C → S: RegisterTa = Sign_C(pk_T, challenge, Quote_D(pk_T, measurement, challenge, pk_C))");
    let chain = cx
        .server
        .certificate("/v1/tas", order.to_wire(), &key, Kind::Ta)
        .await?;

    cx.record(vec![Fact::TaRegistered(Box::new(chain))]).await
}

/// Hands the TA the certificate that it has still to take.
pub(super) async fn take(cx: &Context) -> Result<(), SyncError> {
    let chain = cx
        .journal()
        .view(|book| book.ta().and_then(|ta| ta.to_take().cloned()));
    let Some(chain) = chain else {
        return Ok(());
    };
    let command = Command::CertInit {
        provider: chain.provider,
        certificate: chain.leaf,
        now: clock::now(),
    };
    let Output::Certified = cx.ta()?.invoke(command).await? else {
        return Err(TaError::OtherAnswer.into());
    };

    Ok(())
}
