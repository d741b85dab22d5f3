//! Plain claims by the hundred: everything of a group of messages that needs no judgement, in a few
//! statements.
//!
//! A claim is plain when its sender's TA is live here, its receiver is a client here, the shadow has the
//! money, and nothing stored is near enough to contradict it. The rules are those of [`payment::book`];
//! what is not plain, or might not be, is left to it, one by one.
//!
//! [`payment::book`]: super::payment::book

mod answers;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ops_proto::certificate::Kind;
use ops_proto::list::List;
use ops_proto::message::ItemOutcome;
use ops_proto::statement::ChainPosition;
use ops_proto::{Balance, Digest, PaymentPair, PublicKey, Time};

use super::batch::Batch;
use super::payment::{new_row_of, outcome, outcome_of};
use super::verify::PayVerify;
use crate::ledger::{self, Honour, Receiver, SenderBooks, redeem};
use crate::provider::Provider;
use crate::store::{
    KnownPayment, LiveTa, Neighbours, Numbers, OpenGrant, PaymentState, PlainPayment, PlainUnit,
    Standing, StoreError, StoredNear, StoredPosition, Unit,
};
use answers::{Whole, sign};

/// What was booked of a group, before its messages are taken one by one.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlainBooked {
    outcomes: HashMap<Digest, ItemOutcome>,
    /// Payments that were booked now, and of which no answer that is stored says so yet.
    unanswered: BTreeSet<Digest>,
}

impl PlainBooked {
    /// Returns what became of a payment, if it was plain.
    pub(super) fn outcome(&self, payment: &Digest) -> Option<ItemOutcome> {
        self.outcomes.get(payment).copied()
    }

    /// Returns whether an answer with these outcomes is the first to say what was booked now: it is to be
    /// stored, and no other after it for the same.
    pub(super) fn answer_first(&mut self, items: &[(Digest, ItemOutcome)]) -> bool {
        let before = self.unanswered.len();
        for (payment, _) in items {
            self.unanswered.remove(payment);
        }

        self.unanswered.len() < before
    }

    /// Returns the batches of which all was plain. Devices name this provider in each; one that names
    /// another, or this one's earlier key, brings what is to be noted, and may want another key's signature.
    fn whole(&mut self, batches: &[Option<&Batch>], provider: &Provider) -> Vec<Whole> {
        let here = provider.certificate();
        batches
            .iter()
            .enumerate()
            .filter_map(|(number, batch)| {
                let batch = batch.filter(|batch| {
                    let is_here = batch.providers().iter().all(|named| named == here);
                    is_here && !batch.items().is_empty()
                })?;
                let items: Option<Vec<(Digest, ItemOutcome)>> = batch
                    .items()
                    .iter()
                    .map(|item| Some((item.hash, self.outcome(&item.hash)?)))
                    .collect();

                let items = items?;

                Some(Whole {
                    number,
                    is_first: self.answer_first(&items),
                    items: List::try_from(items).ok()?,
                })
            })
            .collect()
    }
}

/// What was booked, and for each batch its answer, if all of it was.
type Booked = (PlainBooked, Vec<Option<Vec<u8>>>);

/// Books what is plain in a group of batches, and signs the answers to those of which all was.
pub(crate) async fn book(
    unit: &mut Unit<'_>,
    provider: &Provider,
    batches: &[Option<&Batch>],
    now: Time,
) -> Result<Booked, StoreError> {
    let mut group = Group::of(batches, provider);
    let known = unit.payments_known(&group.wanted()).await?;
    group.recognise(&known);
    let tas = unit.live_tas(&group.senders()).await?;
    let facts = Facts {
        grants: unit.open_grants(&group.short(&tas)).await?,
        tas,
        accounts: unit.online_accounts(&group.receivers()).await?,
        neighbours: unit.neighbours(&group.numbers()).await?,
    };
    let (mut booked, plain) = group.judge(&facts);
    unit.put_plain_payments(plain, now).await?;
    let whole = booked.whole(batches, provider);
    let mut stamps = Vec::with_capacity(whole.len());
    for _ in &whole {
        stamps.push(unit.next_stamp().await?);
    }
    let answers = sign(provider, whole, stamps);
    unit.put_batch_answers(&answers.stored()).await?;

    Ok((booked, answers.of_batches(batches.len())))
}

/// Does the same as [`book`] in a file.
pub(crate) fn book_in_file(
    unit: &mut PlainUnit<'_>,
    provider: &Provider,
    batches: &[Option<&Batch>],
    now: Time,
) -> Result<Booked, StoreError> {
    let mut group = Group::of(batches, provider);
    let known = unit.payments_known(&group.wanted())?;
    group.recognise(&known);
    let tas = unit.live_tas(&group.senders())?;
    let facts = Facts {
        grants: unit.open_grants(&group.short(&tas))?,
        tas,
        accounts: unit.online_accounts(&group.receivers())?,
        neighbours: unit.neighbours(&group.numbers())?,
    };
    let (mut booked, plain) = group.judge(&facts);
    unit.put_plain_payments(&plain, now)?;
    let whole = booked.whole(batches, provider);
    let mut stamps = Vec::with_capacity(whole.len());
    for _ in &whole {
        stamps.push(unit.next_stamp()?);
    }
    let answers = sign(provider, whole, stamps);
    unit.put_batch_answers(&answers.stored())?;

    Ok((booked, answers.of_batches(batches.len())))
}

/// What the books say of those who take part in a group.
struct Facts {
    tas: HashMap<PublicKey, LiveTa>,
    /// Of those whose shadow has not enough.
    grants: HashMap<PublicKey, Vec<OpenGrant>>,
    accounts: HashMap<PublicKey, i64>,
    neighbours: HashMap<PublicKey, Neighbours>,
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
    fn position(&self) -> &ChainPosition {
        &self.pair.payment.body().position
    }
}

/// The claims of a group that may be plain, and what is known of the others.
struct Group<'b> {
    candidates: Candidates<'b>,
    booked: PlainBooked,
}

impl<'b> Group<'b> {
    fn of(batches: &[Option<&'b Batch>], provider: &Provider) -> Self {
        let here = provider.id();
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

        Self {
            candidates,
            booked: PlainBooked::default(),
        }
    }

    /// Returns which payments to look for, by sender and j.
    fn wanted(&self) -> Vec<(PublicKey, u64)> {
        let mut wanted: Vec<(PublicKey, u64)> = self
            .candidates
            .iter()
            .flat_map(|(sender, of_sender)| {
                let j = |candidate: &Candidate<'_>| (*sender, candidate.position().j);
                of_sender.iter().map(j)
            })
            .collect();
        wanted.dedup();

        wanted
    }

    /// Takes note of what became of repeats. Who sends another payment with a j that is taken is left to
    /// judgement.
    fn recognise(&mut self, known: &[KnownPayment]) {
        let mut by_sender: HashMap<PublicKey, HashMap<u64, &KnownPayment>> = HashMap::new();
        for known in known {
            let of_sender = by_sender.entry(known.sender).or_default();
            of_sender.insert(known.j, known);
        }
        let outcomes = &mut self.booked.outcomes;
        self.candidates.retain(|sender, of_sender| {
            let Some(known) = by_sender.get(sender) else {
                return true;
            };
            let mut is_taken = false;
            of_sender.retain(|candidate| match known.get(&candidate.position().j) {
                None => true,
                Some(known)
                    if known.hash == candidate.hash && known.standing != Standing::Foreign =>
                {
                    outcomes.insert(known.hash, outcome(known.standing, known.state));
                    false
                }
                Some(_) => {
                    is_taken = true;
                    true
                }
            });

            !is_taken && !of_sender.is_empty()
        });
    }

    fn senders(&self) -> Vec<PublicKey> {
        self.candidates.keys().copied().collect()
    }

    /// Returns the TAs whose shadow has less than they paid here.
    fn short(&self, tas: &HashMap<PublicKey, LiveTa>) -> Vec<PublicKey> {
        let is_short = |ta: &PublicKey, of_sender: &[Candidate<'_>]| {
            let paid = of_sender.iter().fold(0_u64, |sum, candidate| {
                let amount = candidate.pair.payment.body().amount;
                sum.saturating_add(amount.minor_units())
            });

            tas.get(ta).is_some_and(|ta| ta.shadow.minor_units() < paid)
        };

        self.candidates
            .iter()
            .filter(|(ta, of_sender)| is_short(ta, of_sender))
            .map(|(ta, _)| *ta)
            .collect()
    }

    fn receivers(&self) -> Vec<PublicKey> {
        let receivers: BTreeSet<PublicKey> = self
            .candidates
            .values()
            .flatten()
            .map(|candidate| candidate.pair.payment.body().receiver.key)
            .collect();

        receivers.into_iter().collect()
    }

    /// Returns the numbers of each sender's statements here. Where n falls as j rises, nothing is plain.
    fn numbers(&mut self) -> Vec<Numbers> {
        self.candidates.retain(|_, of_sender| {
            of_sender.is_sorted_by(|one, next| one.position().n < next.position().n)
        });

        self.candidates
            .iter()
            .filter_map(|(sender, of_sender)| {
                let all: Vec<u64> = of_sender.iter().map(|one| one.position().n).collect();

                Some(Numbers {
                    ta: *sender,
                    first: *all.first()?,
                    all,
                })
            })
            .collect()
    }

    /// Returns what is plain, as it is to be booked, and what becomes of it and of repeats.
    fn judge(self, facts: &Facts) -> (PlainBooked, Vec<PlainPayment>) {
        let Self {
            candidates,
            mut booked,
        } = self;
        let mut plain = Vec::new();
        for (sender, of_sender) in candidates {
            let (Some(ta), Some(near)) = (facts.tas.get(&sender), facts.neighbours.get(&sender))
            else {
                continue;
            };
            if !near.is_cut && lies_on_one_chain(near, &of_sender) {
                plain.extend(honoured(&sender, ta, &of_sender, facts));
            }
        }
        for payment in &plain {
            let became = outcome_of(&payment.row);
            booked.outcomes.insert(payment.row.hash, became);
            booked.unanswered.insert(payment.row.hash);
        }
        if !plain.is_empty() {
            tracing::info!(count = plain.len(), "Credited payments");
        }

        (booked, plain)
    }
}

/// Returns whether claims of one TA, by j, plainly lie on one chain with what is stored among and beside
/// them.
fn lies_on_one_chain(near: &Neighbours, of_sender: &[Candidate<'_>]) -> bool {
    let mut stored = near.from_first.iter().peekable();
    let mut last = near.before;
    // What is stored was compared with each other when it came.
    let mut last_claimed: Option<StoredPosition> = None;
    for candidate in of_sender {
        let position = candidate.position();
        while let Some(between) = stored.next_if(|stored| stored.position.n <= position.n) {
            if last_claimed.is_some_and(|claimed| !goes_on(&claimed, between)) {
                return false;
            }
            last = Some(between.position);
            last_claimed = None;
        }
        if last.is_some_and(|last| !follows(&last, position)) {
            return false;
        }
        last = Some(StoredPosition {
            n: position.n,
            i: position.i,
            j: position.j,
            hash: candidate.hash,
        });
        last_claimed = last;
    }

    match (last_claimed, stored.next()) {
        (Some(claimed), Some(after)) => goes_on(&claimed, after),
        (_, None) | (None, _) => true,
    }
}

/// Returns whether a stored statement plainly comes after a payment: it names the one right before it.
fn goes_on(payment: &StoredPosition, stored: &StoredNear) -> bool {
    let after = &stored.position;
    let does_not_fall = payment.n < after.n && payment.i <= after.i && payment.j <= after.j;
    if payment.n.checked_add(1) == Some(after.n) {
        return does_not_fall && stored.previous == Some(payment.hash);
    }

    // With the same j it may be another payment, unless a hash tells.
    does_not_fall && payment.j < after.j
}

/// Returns whether a payment plainly comes after another statement.
fn follows(before: &StoredPosition, payment: &ChainPosition) -> bool {
    let fits = if before.n.checked_add(1) == Some(payment.n) {
        payment.previous == before.hash
    } else {
        true
    };

    before.n < payment.n && before.i <= payment.i && before.j < payment.j && fits
}

/// Returns the claims of one TA that its shadow and its grants have money for.
fn honoured(
    sender: &PublicKey,
    ta: &LiveTa,
    of_sender: &[Candidate<'_>],
    facts: &Facts,
) -> Vec<PlainPayment> {
    let mut grants = facts.grants.get(sender).cloned().unwrap_or_default();
    let mut shadow = ta.shadow;
    let mut honoured = Vec::with_capacity(of_sender.len());
    for candidate in of_sender {
        let mut row = new_row_of(candidate.pair, candidate.hash);
        let Some(credited) = facts.accounts.get(&row.receiver) else {
            continue;
        };
        let books = SenderBooks {
            ta: *sender,
            owner: ta.owner,
            shadow,
            grants: grants.iter().map(|open| open.grant).collect(),
            taken: 0,
            held: Balance::ZERO,
            online: Balance::ZERO,
            advanced: 0,
            advanced_max: 0,
        };
        let place = redeem(&Receiver::Client(row.receiver));
        let (to, reason) = place.target(row.sender, row.j);
        // Nothing may be advanced here, so the shadow and the grants have it all.
        let Honour::Honoured(transfers) = ledger::honour(&books, row.amount, to, reason) else {
            continue;
        };
        let mut taken = Vec::new();
        if transfers.len() > 1 {
            taken = std::mem::take(&mut grants);
        }
        let granted = taken
            .iter()
            .try_fold(shadow, |sum, open| sum.checked_add(open.grant.amount));
        let Some(rest) = granted.and_then(|granted| granted.checked_sub(row.amount)) else {
            continue;
        };
        shadow = rest;
        row.standing = Standing::Honoured;
        row.state = PaymentState::Credited;
        honoured.push(PlainPayment {
            position: *candidate.position(),
            bytes: candidate.statement.to_vec(),
            taken,
            debited: ta.shadow_id,
            credited: *credited,
            reason,
            row,
        });
    }

    honoured
}
