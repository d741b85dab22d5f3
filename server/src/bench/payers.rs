//! Payers and payees, and what they signed before the clock started.

use std::collections::VecDeque;
use std::thread;

use anyhow::{Context as _, anyhow};
use hyper::body::Bytes;
use ops_proto::attestation::{DeviceCertificate, Quote};
use ops_proto::certificate::Certificate;
use ops_proto::id::RequestId;
use ops_proto::list::List;
use ops_proto::message::{
    Batch, CertificateChain, DepositAnswer, DepositOpen, DepositOrder, DepositOutcome, Endorsement,
    ListsHeld, NoiseKey, Payment, Receiver, RegisterClient, RegisterTa, RequestPayment,
};
use ops_proto::signed::{Signed, decode_canonical, encode};
use ops_proto::statement::{ChainEnd, Moves, Statement};
use ops_proto::time::Validity;
use ops_proto::{Amount, Digest, PaymentPair, PublicKey, SecretKey, Time};

use super::limit::processors;
use super::provider::{BenchProvider, measurement, oem_root};
use super::wire::Connection;
use crate::writer::now;

/// Payments of each payer in a round: what a TA may pay between two tokens is of this order.
const PAYMENTS_OF_EACH: usize = 100;

/// Payees of a round.
const PAYEES: usize = 8;

/// What is sent in a round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) claims: usize,
    pub(super) batch: usize,
    pub(super) connections: usize,
}

/// The claims of one round, from payers and payees that the server has not verified yet.
pub(super) struct Round {
    pub(super) provider: Signed<Certificate>,
    pub(super) certificates: Vec<Signed<Certificate>>,
    pub(super) batches: Vec<Vec<PaymentPair>>,
}

impl Round {
    /// Registers payers and payees, puts money on the payers' TAs, and has every payment signed.
    pub(super) async fn prepare(provider: &BenchProvider, shape: &Shape) -> anyhow::Result<Self> {
        let mut connection = provider.target().connect(1).await?;
        let mut payees = Vec::with_capacity(PAYEES);
        for _ in 0..PAYEES {
            payees.push(Payee::register(&mut connection).await?);
        }
        let count = shape.claims.div_ceil(PAYMENTS_OF_EACH).max(1);
        let mut payers = Vec::with_capacity(count);
        for _ in 0..count {
            payers.push(Payer::register(provider, &mut connection).await?);
        }
        let certificates = payers
            .iter()
            .map(|payer| payer.certificate.clone())
            .chain(payees.iter().map(|payee| payee.certificate.clone()))
            .collect();

        Ok(Self {
            provider: provider.certificate().clone(),
            certificates,
            batches: sign_all(payers, &payees, shape)?,
        })
    }

    /// Returns the requests as they travel, with their numbers of claims.
    pub(super) fn into_bodies(self) -> anyhow::Result<VecDeque<(usize, Bytes)>> {
        self.batches
            .into_iter()
            .map(|pairs| {
                let count = pairs.len();
                let batch = Batch {
                    providers: List::empty(),
                    pairs: List::try_from(pairs)?,
                };

                Ok((count, Bytes::from(encode(&batch))))
            })
            .collect()
    }
}

/// Each batch is one payee's claims, of as many payers as there are.
fn sign_all(
    mut payers: Vec<Payer>,
    payees: &[Payee],
    shape: &Shape,
) -> anyhow::Result<Vec<Vec<PaymentPair>>> {
    let share = payers.len().div_ceil(processors()).max(1);
    let count = payers.len();
    let of_payers: Vec<Vec<PaymentPair>> = thread::scope(|scope| {
        let threads: Vec<_> = payers
            .chunks_mut(share)
            .enumerate()
            .map(|(chunk, payers)| {
                let first = chunk.saturating_mul(share);
                scope.spawn(move || {
                    payers
                        .iter_mut()
                        .zip(first..)
                        .map(|(payer, number)| payer.pay_all(number, count, payees, shape))
                        .collect::<anyhow::Result<Vec<_>>>()
                })
            })
            .collect();
        let mut all = Vec::with_capacity(count);
        for thread in threads {
            let signed = thread.join().map_err(|_| anyhow!("a payer panicked"))?;
            all.extend(signed?);
        }

        anyhow::Ok(all)
    })?;
    let mut turns: Vec<_> = of_payers.into_iter().map(Vec::into_iter).collect();
    let mut pairs = Vec::with_capacity(shape.claims);
    while pairs.len() < shape.claims {
        pairs.extend(turns.iter_mut().filter_map(Iterator::next));
    }
    pairs.truncate(shape.claims);

    Ok(pairs
        .chunks(shape.batch.max(1))
        .map(<[PaymentPair]>::to_vec)
        .collect())
}

/// Who is paid: a client without a TA, such as a till.
struct Payee {
    key: SecretKey,
    certificate: Signed<Certificate>,
}

impl Payee {
    async fn register(connection: &mut Connection) -> anyhow::Result<Self> {
        let key = new_key()?;
        let certificate = register_client(connection, &key).await?;

        Ok(Self { key, certificate })
    }

    fn request(&self, number: usize) -> anyhow::Result<Signed<RequestPayment>> {
        let body = RequestPayment {
            payee: self.certificate.clone(),
            request_id: RequestId(u64::try_from(number)?),
            amount: unit()?,
            currency: self.certificate.body().currency,
            noise_key: NoiseKey([7; 32]),
            memo_hash: Digest::ZERO,
            issued: now(),
            validity: Validity::try_from(60_000)?,
            lists_held: ListsHeld::default(),
            replaces: None,
            refund_of: None,
        };

        Ok(Signed::sign(body, &self.key))
    }
}

/// Who pays: a client and its TA, with money on it.
struct Payer {
    ta: SecretKey,
    certificate: Signed<Certificate>,
    chain: ChainEnd,
}

impl Payer {
    async fn register(
        provider: &BenchProvider,
        connection: &mut Connection,
    ) -> anyhow::Result<Self> {
        let (client, ta) = (new_key()?, new_key()?);
        register_client(connection, &client).await?;
        let certificate = register_ta(connection, &client, &ta).await?;
        let amount = Amount::try_from(u64::try_from(PAYMENTS_OF_EACH)?)?;
        provider.credit(&client.public_key(), amount).await?;
        let mut payer = Self {
            ta,
            certificate,
            chain: ChainEnd::START,
        };
        payer.deposit(connection, &client, amount).await?;

        Ok(payer)
    }

    async fn deposit(
        &mut self,
        connection: &mut Connection,
        client: &SecretKey,
        amount: Amount,
    ) -> anyhow::Result<()> {
        let body = DepositOpen {
            ta: self.ta.public_key(),
            position: self.chain.next(Moves::I),
            amount,
        };
        let open = Signed::sign(body, &self.ta);
        self.chain = self.chain.follow(&Statement::DepositOpen(open.clone()))?;
        let statement = open.hash();
        let order = DepositOrder {
            open,
            endorsement: Signed::sign(Endorsement { statement }, client),
        };
        let answered = connection
            .post("/v1/deposits", Bytes::from(encode(&order)))
            .await?;
        let answer = Signed::<DepositAnswer>::decode(&answered.bytes)?;
        anyhow::ensure!(
            answer.body().outcome == DepositOutcome::Granted,
            "a deposit was not granted"
        );

        Ok(())
    }

    /// Pays so that the claims of all payers, taken in turns, make batches of one payee each.
    fn pay_all(
        &mut self,
        number: usize,
        payers: usize,
        payees: &[Payee],
        shape: &Shape,
    ) -> anyhow::Result<Vec<PaymentPair>> {
        (0..PAYMENTS_OF_EACH)
            .map(|turn| {
                let claim = turn.saturating_mul(payers).saturating_add(number);
                let batch = claim.checked_div(shape.batch).unwrap_or(claim);
                let payee = batch
                    .checked_rem(payees.len())
                    .and_then(|index| payees.get(index))
                    .context("there are payees")?;

                self.pay(&payee.request(claim)?)
            })
            .collect()
    }

    fn pay(&mut self, request: &Signed<RequestPayment>) -> anyhow::Result<PaymentPair> {
        let body = request.body();
        let payment = Payment {
            sender: self.certificate.clone(),
            position: self.chain.next(Moves::J),
            amount: body.amount,
            currency: body.currency,
            receiver: Receiver::of(body),
            request_id: body.request_id,
            request_hash: request.hash(),
            refund_of: None,
        };
        let pair = PaymentPair {
            payment: Signed::sign(payment, &self.ta),
            request: request.clone(),
        };
        self.chain = self.chain.follow(&Statement::Payment(pair.clone()))?;

        Ok(pair)
    }
}

async fn challenge(connection: &mut Connection, key: &PublicKey) -> anyhow::Result<[u8; 32]> {
    let body = Bytes::copy_from_slice(&key.0);
    let answered = connection.post("/v1/challenge", body).await?;

    answered
        .bytes
        .as_ref()
        .try_into()
        .context("a challenge has 32 bytes")
}

async fn register_client(
    connection: &mut Connection,
    key: &SecretKey,
) -> anyhow::Result<Signed<Certificate>> {
    let client = key.public_key();
    let body = RegisterClient {
        client,
        name: format!("bench {}", client.id()).parse()?,
        challenge: challenge(connection, &client).await?,
    };
    let wire = Signed::sign(body, key).to_wire();
    let answered = connection.post("/v1/clients", Bytes::from(wire)).await?;
    let chain: CertificateChain = decode_canonical(&answered.bytes)?;

    Ok(chain.leaf)
}

async fn register_ta(
    connection: &mut Connection,
    client: &SecretKey,
    ta: &SecretKey,
) -> anyhow::Result<Signed<Certificate>> {
    let challenge = challenge(connection, &client.public_key()).await?;
    let attestation = SecretKey::from_seed(&[2; 32]);
    let device = DeviceCertificate {
        device: attestation.public_key(),
        model: "bench".parse()?,
        issuer: oem_root().public_key().id(),
        not_before: Time::from_ms(0),
        not_after: Time::from_ms(u64::MAX),
    };
    let quote = Quote {
        ta: ta.public_key(),
        measurement: measurement(),
        challenge,
        client: client.public_key(),
    };
    let body = RegisterTa {
        client: client.public_key(),
        ta: ta.public_key(),
        challenge,
        device: Signed::sign(device, &oem_root()),
        quote: Signed::sign(quote, &attestation),
    };
    let wire = Signed::sign(body, client).to_wire();
    let answered = connection.post("/v1/tas", Bytes::from(wire)).await?;
    let chain: CertificateChain = decode_canonical(&answered.bytes)?;

    Ok(chain.leaf)
}

/// Every payment is of one minor unit.
fn unit() -> anyhow::Result<Amount> {
    Ok(Amount::try_from(1)?)
}

fn new_key() -> anyhow::Result<SecretKey> {
    let mut seed = [0; 32];
    host::entropy::fill(&mut seed).context("the system has no randomness")?;

    Ok(SecretKey::from_seed(&seed))
}
