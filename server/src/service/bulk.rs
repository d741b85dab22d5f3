//! Plain claims by the hundred: everything of a group of messages that needs no judgement, in a few
//! statements.
//!
//! A claim is plain when its sender's TA is live here, its receiver is a client here, the shadow has the
//! money, and nothing stored is near enough to contradict it. The rules are those of [`payment::book`];
//! what is not plain, or might not be, is left to it, one by one.
//!
//! [`payment::book`]: super::payment::book

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use ops_proto::certificate::Kind;
use ops_proto::list::List;
use ops_proto::message::{BatchAnswer, ItemOutcome};
use ops_proto::signed::Signed;
use ops_proto::statement::Position;
use ops_proto::{Balance, Digest, PaymentPair, ProviderId, PublicKey, Time};

use super::batch::Batch;
use super::payment::{new_row, outcome_of};
use super::verify::PayVerify;
use crate::ledger::{self, Account, Honour, Receiver, SenderBooks, redeem};
use crate::provider::Provider;
use crate::store::{
    LiveTa, Neighbours, PaymentState, PlainPayment, Standing, StoreError, StoredPosition, Unit,
};

/// What was booked of a group, before its messages are taken one by one.
#[derive(Debug, Default)]
pub(crate) struct PlainBooked {
    outcomes: HashMap<Digest, ItemOutcome>,
}

impl PlainBooked {
    /// Returns what became of a payment, if it was plain.
    pub(super) fn outcome(&self, payment: &Digest) -> Option<ItemOutcome> {
        self.outcomes.get(payment).copied()
    }

    /// Returns the items of an answer, if all of a batch was plain.
    fn all_of(&self, batch: &Batch) -> Option<Vec<(Digest, ItemOutcome)>> {
        batch
            .items()
            .iter()
            .map(|item| Some((item.hash, self.outcome(&item.hash)?)))
            .collect()
    }
}

/// Books what is plain in a group of batches, and signs the answers to those of which all was.
pub(crate) async fn book(
    unit: &mut Unit<'_>,
    provider: &Provider,
    batches: &[Option<&Batch>],
    now: Time,
) -> Result<(PlainBooked, Vec<Option<Vec<u8>>>), StoreError> {
    let mut booked = PlainBooked::default();
    let here = provider.certificate().body().provider;
    let mut candidates = candidates(batches, here);
    recognise(unit, &mut candidates, &mut booked).await?;
    let plain = plain(unit, candidates).await?;
    for payment in &plain {
        let outcome = outcome_of(&payment.row);
        booked.outcomes.insert(payment.row.hash, outcome);
    }
    let count = plain.len();
    unit.put_plain_payments(plain, now).await?;
    if count > 0 {
        tracing::info!(count, "Credited payments");
    }
    let answers = answer(unit, provider, batches, &booked).await?;

    Ok((booked, answers))
}

/// Signs and stores the answers to batches of which all was plain; the others have none here.
async fn answer(
    unit: &mut Unit<'_>,
    provider: &Provider,
    batches: &[Option<&Batch>],
    booked: &PlainBooked,
) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    let mut answers = Vec::with_capacity(batches.len());
    let mut stored = Vec::new();
    for batch in batches {
        let items = batch
            .filter(|batch| batch.providers().is_empty() && !batch.items().is_empty())
            .and_then(|batch| booked.all_of(batch))
            .and_then(|items| List::try_from(items).ok());
        let Some(items) = items else {
            answers.push(None);
            continue;
        };
        let stamp = unit.next_stamp().await?;
        let answer: Signed<BatchAnswer> = provider.sign(BatchAnswer { items, stamp });
        let bytes = answer.to_wire();
        stored.push((stamp, bytes.clone()));
        answers.push(Some(bytes));
    }
    unit.put_batch_answers(&stored).await?;

    Ok(answers)
}

/// Verified claims by their senders, each sender's by j.
type Candidates<'b> = BTreeMap<PublicKey, Vec<Candidate<'b>>>;

#[derive(Clone, Copy)]
struct Candidate<'b> {
    pair: &'b PaymentPair,
    hash: Digest,
    statement: &'b [u8],
}

impl Candidate<'_> {
    fn position(&self) -> &Position {
        &self.pair.payment.body().position
    }
}

fn candidates<'b>(batches: &[Option<&'b Batch>], here: ProviderId) -> Candidates<'b> {
    let mut candidates: Candidates<'b> = BTreeMap::new();
    for item in batches.iter().flatten().flat_map(|batch| batch.items()) {
        let payment = item.pair.payment.body();
        let is_here = payment.receiver.provider == here
            && payment.receiver.kind == Kind::Client
            && payment.sender.body().provider == here;
        if item.verified == PayVerify::Passed && is_here {
            let sender = candidates.entry(item.pair.sender_key()).or_default();
            sender.push(Candidate {
                pair: &item.pair,
                hash: item.hash,
                statement: &item.statement,
            });
        }
    }
    for of_sender in candidates.values_mut() {
        of_sender.sort_by_key(|candidate| (candidate.position().j, candidate.hash));
        of_sender.dedup_by_key(|candidate| candidate.hash);
    }

    candidates
}

/// Tells what became of repeats. Who sends another payment with a j that is taken is left to judgement.
async fn recognise(
    unit: &mut Unit<'_>,
    candidates: &mut Candidates<'_>,
    booked: &mut PlainBooked,
) -> Result<(), StoreError> {
    let wanted: Vec<(PublicKey, u64)> = candidates
        .iter()
        .flat_map(|(sender, of_sender)| {
            let j = |candidate: &Candidate<'_>| (*sender, candidate.position().j);
            of_sender.iter().map(j)
        })
        .collect();
    for known in unit.payments_known(&wanted).await? {
        let Entry::Occupied(mut of_sender) = candidates.entry(known.sender) else {
            continue;
        };
        let is_repeat = |candidate: &Candidate<'_>| candidate.hash == known.hash;
        if of_sender.get().iter().any(is_repeat) && known.standing != Standing::Foreign {
            booked.outcomes.insert(known.hash, outcome_of(&known));
            of_sender
                .get_mut()
                .retain(|candidate| !is_repeat(candidate));
        }
        let has_same_j = |candidate: &Candidate<'_>| candidate.position().j == known.j;
        if of_sender.get().iter().any(has_same_j) {
            of_sender.remove();
        }
    }
    candidates.retain(|_, of_sender| !of_sender.is_empty());

    Ok(())
}

/// Returns what is plain, as it is to be booked.
async fn plain(
    unit: &mut Unit<'_>,
    candidates: Candidates<'_>,
) -> Result<Vec<PlainPayment>, StoreError> {
    let senders: Vec<PublicKey> = candidates.keys().copied().collect();
    let receivers: BTreeSet<PublicKey> = candidates
        .values()
        .flatten()
        .map(|candidate| candidate.pair.payment.body().receiver.key)
        .collect();
    let receivers: Vec<PublicKey> = receivers.into_iter().collect();
    let first_n: Vec<(PublicKey, u64)> = candidates
        .iter()
        .filter_map(|(sender, of_sender)| Some((*sender, of_sender.first()?.position().n)))
        .collect();
    let tas = unit.live_tas(&senders).await?;
    let accounts = unit.online_accounts(&receivers).await?;
    let neighbours = unit.neighbours(&first_n).await?;
    let mut plain = Vec::new();
    for (sender, of_sender) in candidates {
        let near = neighbours.get(&sender).copied().unwrap_or_default();
        let Some(ta) = tas.get(&sender) else { continue };
        if lies_on_one_chain(&near, &of_sender) {
            plain.extend(honoured(&sender, ta, &of_sender, &accounts));
        }
    }

    Ok(plain)
}

/// Returns whether claims of one TA, by j, plainly lie on one chain with what is stored beside them.
fn lies_on_one_chain(near: &Neighbours, of_sender: &[Candidate<'_>]) -> bool {
    let mut last = near.before;
    for candidate in of_sender {
        let position = candidate.position();
        if last.is_some_and(|last| !follows(&last, position)) {
            return false;
        }
        last = Some(StoredPosition {
            n: position.n,
            i: position.i,
            j: position.j,
            hash: candidate.hash,
        });
    }
    let (Some(last), Some(after)) = (last, near.after) else {
        return true;
    };

    // What is stored right after it names it; that is left to judgement.
    last.n.checked_add(1).is_some_and(|next| next < after.n)
        && last.i <= after.i
        && last.j < after.j
}

/// Returns whether a payment plainly comes after another statement.
fn follows(before: &StoredPosition, payment: &Position) -> bool {
    let fits = if before.n.checked_add(1) == Some(payment.n) {
        payment.previous == before.hash
    } else {
        true
    };

    before.n < payment.n && before.i <= payment.i && before.j < payment.j && fits
}

/// Returns the claims of one TA that its shadow has money for.
fn honoured(
    sender: &PublicKey,
    ta: &LiveTa,
    of_sender: &[Candidate<'_>],
    accounts: &HashMap<PublicKey, i64>,
) -> Vec<PlainPayment> {
    let mut shadow = ta.shadow;
    let mut honoured = Vec::with_capacity(of_sender.len());
    for candidate in of_sender {
        let mut row = new_row(candidate.pair);
        let (Some(credited), Some(rest)) =
            (accounts.get(&row.receiver), shadow.checked_sub(row.amount))
        else {
            continue;
        };
        let books = SenderBooks {
            ta: *sender,
            owner: ta.owner,
            shadow,
            grants: Vec::new(),
            held: Balance::ZERO,
            online: Balance::ZERO,
            advanced: 0,
            advanced_max: 0,
        };
        let place = redeem(&Receiver::Client(row.receiver));
        let (to, reason) = place.target(row.sender, row.j);
        let Honour::Honoured(transfers) = ledger::honour(&books, row.amount, to, reason) else {
            continue;
        };
        let [transfer] = transfers.as_slice() else {
            continue;
        };
        debug_assert_eq!(transfer.from, Account::Shadow(*sender));
        shadow = rest;
        row.standing = Standing::Honoured;
        row.state = PaymentState::Credited;
        honoured.push(PlainPayment {
            position: *candidate.position(),
            bytes: candidate.statement.to_vec(),
            debited: ta.shadow_id,
            credited: *credited,
            reason: transfer.reason,
            row,
        });
    }

    honoured
}
