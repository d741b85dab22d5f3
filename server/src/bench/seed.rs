//! Books with many claims in them, written straight into the tables.
//!
//! The rows are as long as real ones and lie where real ones would, with every index; what they hold was
//! never signed. So the directory is good for measuring and for nothing else: an audit of it finds fault.

use std::path::Path;

use anyhow::{Context as _, ensure};
use ops_proto::certificate::{Certificate, Kind};
use ops_proto::signed::{Signed, encode};
use ops_proto::statement::{ChainPosition, Statement};
use ops_proto::{Amount, Digest, PaymentPair, PublicKey, RequestId};

use super::payers::{Round, Shape};
use super::provider::BenchProvider;
use super::report::{Seeded, rate};
use crate::ledger::{Account, Reason, Transfer};
use crate::provider::Layout;
use crate::store::{
    ClientRow, PaymentRow, PaymentState, PlainPayment, Standing, Store, SubjectKind, Unit,
};
use crate::writer::now;

/// Claims of each TA.
const CLAIMS_OF_EACH: u64 = 200;

/// TAs in a transaction.
const TAS_OF_EACH: u64 = 20;

/// Claims in an answer.
const CLAIMS_IN_ANSWER: u64 = 100;

/// Bytes of an answer to so many claims.
const ANSWER_SIZE: usize = 3600;

/// Puts so many claims into the books of a data directory.
///
/// # Errors
///
/// Says what could not be made or written.
pub async fn seed(data: &Path, store: Option<&str>, claims: u64) -> anyhow::Result<Seeded> {
    let mut provider = BenchProvider::make(Some(data), store).await?;
    let template = Template::prepare(&mut provider).await?;
    let address = Layout::new(data).store_address()?;
    let mut store = Store::open(&address).await?;
    let begun = std::time::Instant::now();
    let tas = claims.div_ceil(CLAIMS_OF_EACH);
    let step = u64::MAX.checked_div(tas).context("there are claims")?;
    let mut first = 0_u64;
    while first < tas {
        let last = first.saturating_add(TAS_OF_EACH).min(tas);
        store.draw_stamps().await?;
        let mut unit = store.begin().await?;
        let mut payments = Vec::new();
        for ta in first..last {
            template.put_ta(&mut unit, ta.saturating_mul(step)).await?;
            payments.extend(template.payments(ta.saturating_mul(step)));
        }
        let payments = template.with_accounts(&mut unit, payments).await?;
        put_answers(&mut unit, payments.len()).await?;
        unit.put_plain_payments(payments, now()).await?;
        unit.commit().await?;
        first = last;
    }
    store.close().await?;
    let claims = usize::try_from(tas.saturating_mul(CLAIMS_OF_EACH))?;

    Ok(Seeded {
        claims,
        seconds: begun.elapsed().as_secs(),
        per_second: rate(claims, begun.elapsed()).unwrap_or(0.0),
    })
}

async fn put_answers(unit: &mut Unit<'_>, claims: usize) -> anyhow::Result<()> {
    let count = u64::try_from(claims)?.div_ceil(CLAIMS_IN_ANSWER);
    let bytes = [0xab; ANSWER_SIZE];
    let mut answers = Vec::new();
    for _ in 0..count {
        answers.push((unit.next_stamp().await?, bytes.as_slice()));
    }
    unit.put_batch_answers(&answers).await?;

    Ok(())
}

/// A real payment, of which the others are copies.
struct Template {
    pair: PaymentPair,
    statement: Vec<u8>,
    certificate: Signed<Certificate>,
    unit: Amount,
}

impl Template {
    /// Has one payment made and claimed nowhere, with real certificates.
    async fn prepare(provider: &mut BenchProvider) -> anyhow::Result<Self> {
        provider.start().await?;
        let shape = Shape {
            claims: 1,
            batch: 1,
            connections: 1,
        };
        let round = Round::prepare(provider, &shape).await;
        provider.stop().await?;
        let pair = round?
            .batches
            .into_iter()
            .flatten()
            .next()
            .context("a round has a payment")?;

        Ok(Self {
            statement: encode(&Statement::Payment(pair.clone())),
            certificate: pair.payment.body().sender.clone(),
            unit: Amount::try_from(1)?,
            pair,
        })
    }

    /// Registers a TA and its owner, with the money that it pays.
    async fn put_ta(&self, unit: &mut Unit<'_>, number: u64) -> anyhow::Result<()> {
        let (ta, owner) = (key_of(number, 0), key_of(number, 1));
        let is_new = unit.put_subject(&ta, SubjectKind::Ta, now()).await?;
        ensure!(is_new, "the directory was seeded before: take a new one");
        unit.put_subject(&owner, SubjectKind::Client, now()).await?;
        let client = ClientRow {
            key: owner,
            name: format!("seed {number:016x}"),
            certificate: self.certificate.clone(),
        };
        unit.put_client(&client).await?;
        unit.put_ta(&ta, &owner, &self.certificate).await?;
        let transfer = Transfer {
            from: Account::Issued,
            to: Account::Shadow(ta),
            amount: Amount::try_from(CLAIMS_OF_EACH)?,
            reason: Reason::Issue,
        };
        unit.post(&[transfer], b"seed", now()).await?;

        Ok(())
    }

    fn payments(&self, number: u64) -> impl Iterator<Item = PlainPayment> + '_ {
        let payment = self.pair.payment.body();
        let sender = key_of(number, 0);

        (1..=CLAIMS_OF_EACH).map(move |j| PlainPayment {
            row: PaymentRow {
                hash: hash_of(number, j),
                sender,
                j,
                n: j.saturating_add(1),
                amount: self.unit,
                provider: payment.sender.body().provider,
                receiver_kind: Kind::Client,
                receiver: payment.receiver.key,
                request_id: RequestId(number.wrapping_add(j)),
                elsewhere: false,
                standing: Standing::Honoured,
                state: PaymentState::Credited,
            },
            position: ChainPosition {
                n: j.saturating_add(1),
                i: 1,
                j,
                previous: hash_of(number, j.saturating_sub(1)),
            },
            bytes: self.statement.clone(),
            taken: Vec::new(),
            debited: 0,
            credited: 0,
            reason: Reason::Credit,
        })
    }

    /// Fills in the numbers of the accounts.
    async fn with_accounts(
        &self,
        unit: &mut Unit<'_>,
        mut payments: Vec<PlainPayment>,
    ) -> anyhow::Result<Vec<PlainPayment>> {
        let receiver = self.pair.payment.body().receiver.key;
        let online = unit.online_accounts(&[receiver]).await?;
        let credited = online.get(&receiver).context("the payee is registered")?;
        let mut senders: Vec<PublicKey> = payments.iter().map(|one| one.row.sender).collect();
        senders.dedup();
        let tas = unit.live_tas(&senders).await?;
        for payment in &mut payments {
            let ta = tas.get(&payment.row.sender).context("the TA was put")?;
            payment.debited = ta.shadow_id;
            payment.credited = *credited;
        }

        Ok(payments)
    }
}

/// A key that rises with the number: rows that are put in their order need no search.
fn key_of(number: u64, of_whom: u8) -> PublicKey {
    let Digest(mut key) = Digest::of(&[b"seed", &number.to_be_bytes(), &[of_whom]]);
    for (byte, high) in key.iter_mut().zip(number.to_be_bytes()) {
        *byte = high;
    }

    PublicKey(key)
}

fn hash_of(number: u64, j: u64) -> Digest {
    Digest::of(&[b"seed", &number.to_be_bytes(), &j.to_be_bytes()])
}
