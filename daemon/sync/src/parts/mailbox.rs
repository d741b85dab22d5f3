//! The mailbox: payments for this device's TA that somebody else handed in at the provider.

use std::collections::BTreeSet;

use journal::{Book, Fact};
use ops_proto::certificate::{Certificate, Kind};
use ops_proto::message::{MailboxAnswer, MailboxQuery};
use ops_proto::{PaymentPair, PublicKey, Signed, Time, pay_verify};

use crate::context::Context;
use crate::error::SyncError;

/// Answers that one run asks for; what is left waits for the next run.
const ROUNDS_MAX: usize = 64;

/// Takes into the journal what waits. The TA collects what it can; the rest is credited online once a
/// status has closed its request.
pub(crate) async fn read(cx: &mut Context) -> Result<u64, SyncError> {
    let registered = cx
        .journal()
        .view(|book| book.client().is_some_and(|client| client.chain.is_some()));
    let ta = cx
        .journal()
        .view(|book| book.sender_chain().map(|chain| chain.leaf.body().subject));
    let Some(ta) = ta.filter(|_| registered && cx.uses_ta) else {
        return Ok(0);
    };
    let mut carried = 0_u64;
    for _ in 0..ROUNDS_MAX {
        let (count, more) = read_once(cx, ta).await?;
        carried = carried.saturating_add(count);
        if !more {
            break;
        }
    }

    Ok(carried)
}

async fn read_once(cx: &mut Context, ta: PublicKey) -> Result<(u64, bool), SyncError> {
    let after = cx.journal().view(|book| book.mailbox_next(&ta));
    let client = cx.wallet.identity().public_key();
    let challenge = cx.server.challenge(&client).await?;
    let query = cx.wallet.identity().sign(MailboxQuery {
        client,
        ta,
        after,
        challenge,
    });
    let answer: Signed<MailboxAnswer> = cx.server.ask("/v1/mailbox", query.to_wire()).await?;
    if answer.body().ta != ta {
        return Err(SyncError::NotBelieved("it is of another mailbox"));
    }
    let mut facts = providers(cx, &answer.body().providers);
    let mut seen = BTreeSet::new();
    let mut carried = 0_u64;
    for pair in answer.body().pairs.iter() {
        match verify(cx, answer.body(), pair) {
            Ok(fact) => {
                let is_new = seen.insert(pair.hash())
                    && cx
                        .journal()
                        .view(|book| book.incoming_by_hash(&pair.hash()).is_none());
                if is_new {
                    facts.push(fact);
                    carried = carried.saturating_add(1);
                }
            }
            Err(error) => cx.set_pair_aside(pair.hash(), &error),
        }
    }
    let next = answer.body().next;
    if let Some(next) = next.filter(|next| *next > after) {
        facts.push(Fact::MailboxRead { ta, next });
    }
    if !facts.is_empty() {
        cx.record(facts).await?;
    }

    Ok((carried, next.is_some_and(|next| next > after)))
}

/// Returns facts for the certificates that the answer brings and that are new, once checked.
pub(super) fn providers(cx: &Context, brought: &[Signed<Certificate>]) -> Vec<Fact> {
    let root = cx
        .journal()
        .view(|book| book.enrolled().map(|enrolled| enrolled.root));
    let Some(root) = root else {
        return Vec::new();
    };
    let is_new = |provider: &&Signed<Certificate>| {
        cx.journal()
            .view(|book| !book.providers().any(|held| held == *provider))
    };

    brought
        .iter()
        .filter(is_new)
        // one whose validity is over may still have certified who paid while it was valid
        .filter(|provider| {
            let at = provider.body().not_before;
            ops_proto::certificate::verify_provider(&root, provider, at).is_ok()
        })
        .map(|provider| Fact::ProviderSeen(Box::new(provider.clone())))
        .collect()
}

fn verify(cx: &Context, answer: &MailboxAnswer, pair: &PaymentPair) -> Result<Fact, SyncError> {
    let receiver = pair.payment.body().receiver;
    if receiver.kind != Kind::Ta || receiver.key != answer.ta {
        return Err(SyncError::NotBelieved("the payment is for another TA"));
    }

    verified(cx, &answer.providers, pair)
}

/// Returns the fact of a payment that an answer brings, once checked as if it had come from its payer.
pub(super) fn verified(
    cx: &Context,
    brought: &[Signed<Certificate>],
    pair: &PaymentPair,
) -> Result<Fact, SyncError> {
    cx.journal().view(|book| {
        let root = book
            .enrolled()
            .map(|enrolled| enrolled.root)
            .ok_or(SyncError::NotRegistered)?;
        let issued = pair.request.body().issued;
        let known = |leaf: &Certificate| {
            issuer(book, brought, leaf, issued).ok_or(SyncError::NotBelieved(
                "a provider of the payment is unknown",
            ))
        };
        let sender_provider = known(pair.payment.body().sender.body())?;
        let payee_provider = known(pair.request.body().payee.body())?;
        let _verified = pay_verify(&root, pair, sender_provider, payee_provider)
            .map_err(|_| SyncError::NotBelieved("the payment does not verify"))?;

        Ok(Fact::PaymentReceived {
            pair: Box::new(pair.clone()),
            sender_provider: sender_provider.clone(),
        })
    })
}

fn issuer<'a>(
    book: &'a Book,
    brought: &'a [Signed<Certificate>],
    leaf: &Certificate,
    at: Time,
) -> Option<&'a Signed<Certificate>> {
    let brought = brought.iter().filter(|provider| {
        let body = provider.body();

        body.provider == leaf.provider && body.subject.id() == leaf.issuer
    });

    book.provider_of_at(leaf, at)
        .into_iter()
        .chain(brought)
        .max_by_key(|provider| (provider.body().is_valid_at(at), provider.body().number))
}
