//! RegisterClient and RegisterTa: the same key again is given the same certificate.

use ops_proto::attestation::oem_verify;
use ops_proto::certificate::Certificate;
use ops_proto::message::{RegisterClient, RegisterTa};
use ops_proto::signed::{Signed, encode};
use ops_proto::{PublicKey, Time};

use super::{Desk, Stop, challenge, malformed, refuse};
use crate::provider::Provider;
use crate::refusal::{Code, Refusal};
use crate::store::{ClientRow, SubjectKind};

/// A client that proved that it has its key.
#[derive(Debug)]
pub(crate) struct Client(RegisterClient);

pub(super) fn prepare_client(body: &[u8]) -> Result<Client, Refusal> {
    let signed = Signed::<RegisterClient>::decode(body).map_err(malformed)?;
    let client = signed.body().client;
    check_key(&client)?;
    let body = signed
        .verify(&client)
        .map_err(|error| Refusal::new(Code::Signature, error))?;

    Ok(Client(body.clone()))
}

fn check_key(key: &PublicKey) -> Result<(), Refusal> {
    key.check()
        .map_err(|error| Refusal::new(Code::KeyRefused, error))
}

impl Client {
    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let RegisterClient {
            client,
            name,
            challenge,
        } = &self.0;
        challenge::use_up(at, challenge, client).await?;
        if let Some(known) = at.unit.client(client).await? {
            return Ok(chain_bytes(at, known.certificate));
        }
        take_key(at, client, SubjectKind::Client).await?;
        if at.unit.has_client_called(name.as_str()).await? {
            let message = "another client has this name, or one that looks the same";
            return Err(refuse(Code::NameTaken, message));
        }
        let certificate = at.provider.certify_client(*client, name.clone(), at.now);
        let row = ClientRow {
            key: *client,
            name: name.as_str().to_owned(),
            certificate: certificate.clone(),
        };
        at.unit.put_client(&row).await?;
        tracing::info!(client = %client.id(), "Registered a client");

        Ok(chain_bytes(at, certificate))
    }
}

/// A TA whose quote was checked, asked for by the client that signed.
#[derive(Debug)]
pub(crate) struct Ta {
    client: PublicKey,
    ta: PublicKey,
    challenge: [u8; 32],
}

pub(super) fn prepare_ta(body: &[u8], provider: &Provider, now: Time) -> Result<Ta, Refusal> {
    let signed = Signed::<RegisterTa>::decode(body).map_err(malformed)?;
    let client = signed.body().client;
    let body = signed
        .verify(&client)
        .map_err(|error| Refusal::new(Code::Signature, error))?;
    check_key(&body.ta)?;
    let measurements = provider.config().measurements();
    let expected = provider.expected(&body.challenge, &client, &body.ta, &measurements, now);
    oem_verify(&body.device, &body.quote, &expected)
        .map_err(|error| Refusal::new(Code::Quote, error))?;

    Ok(Ta {
        client,
        ta: body.ta,
        challenge: body.challenge,
    })
}

impl Ta {
    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        challenge::use_up(at, &self.challenge, &self.client).await?;
        let Some(client) = at.unit.client(&self.client).await? else {
            return Err(refuse(Code::ClientUnknown, "the client is not registered"));
        };
        if let Some(known) = at.unit.ta(&self.ta).await? {
            if known.owner != self.client {
                let message = "the TA belongs to another client";
                return Err(refuse(Code::KeyTaken, message));
            }
            return Ok(chain_bytes(at, known.certificate));
        }
        if at.unit.is_client_suspended(&self.client).await? {
            return Err(refuse(Code::Suspended, "the client is suspended"));
        }
        if at.unit.ta_of(&self.client).await?.is_some() {
            return Err(refuse(Code::TaBound, "the client has another TA"));
        }
        let debts = at.unit.debts_of(&self.client, at.now).await?;
        if debts.iter().any(|debt| debt.advanced > 0) {
            let message = "the client was paid what its last TA held, and that TA had spent it: what reaches its account pays that first";
            return Err(refuse(Code::TaBound, message));
        }
        take_key(at, &self.ta, SubjectKind::Ta).await?;
        let name = client.certificate.body().name.clone();
        let certificate = at.provider.certify_ta(self.ta, name, at.now);
        at.unit.put_ta(&self.ta, &self.client, &certificate).await?;
        tracing::info!(ta = %self.ta.id(), client = %self.client.id(), "Registered a TA");

        Ok(chain_bytes(at, certificate))
    }
}

async fn take_key(at: &mut Desk<'_, '_>, key: &PublicKey, kind: SubjectKind) -> Result<(), Stop> {
    if !at.unit.put_subject(key, kind, at.now).await? {
        let message = "the key is registered as something else";
        return Err(refuse(Code::KeyTaken, message));
    }

    Ok(())
}

fn chain_bytes(at: &Desk<'_, '_>, certificate: Signed<Certificate>) -> Vec<u8> {
    encode(&at.provider.chain(certificate))
}
