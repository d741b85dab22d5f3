//! Who owns an intent to pay: the visit that wrote it, as long as it lasts. One that nobody owns, and that the TA has not
//! signed, has come to nothing, and `unfinished` says so in the journal.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use journal::book::PaymentKey;
use tokio::sync::Notify;

/// How long a visit waits until an earlier intent for the same request is given up: a commit of the journal.
const GIVING_UP: Duration = Duration::from_millis(20);

/// The intents that somebody owns at present. Cloning it is cheap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Intents {
    shared: Arc<SharedIntents>,
}

#[derive(Debug, Default)]
struct SharedIntents {
    owners: Mutex<BTreeMap<PaymentKey, Owner>>,
    left: Notify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// So many visits pay this request, or are about to.
    Visits(usize),
    /// It is being given up.
    GivingUp,
}

/// An intent that is owned until this is dropped.
#[derive(Debug)]
pub(crate) struct OwnedIntent {
    intents: Intents,
    key: PaymentKey,
}

impl Intents {
    /// Owns an intent that a visit is about to write. Cancel safe.
    pub(crate) async fn begin(&self, key: PaymentKey) -> OwnedIntent {
        loop {
            if let Some(owned) = self.visit(key) {
                return owned;
            }
            tokio::time::sleep(GIVING_UP).await;
        }
    }

    fn visit(&self, key: PaymentKey) -> Option<OwnedIntent> {
        let mut owners = self.owners();
        let visits = match owners.get(&key) {
            Some(Owner::GivingUp) => return None,
            Some(Owner::Visits(visits)) => visits.saturating_add(1),
            None => 1,
        };
        let _before = owners.insert(key, Owner::Visits(visits));

        Some(self.owned(key))
    }

    /// Owns an intent that is to be given up; `None` while a visit owns it.
    pub(crate) fn give_up(&self, key: PaymentKey) -> Option<OwnedIntent> {
        let mut owners = self.owners();
        if owners.contains_key(&key) {
            return None;
        }
        let _none = owners.insert(key, Owner::GivingUp);

        Some(self.owned(key))
    }

    /// Waits until a visit has left an intent. Cancel safe.
    pub(crate) async fn left(&self) {
        self.shared.left.notified().await;
    }

    fn owned(&self, key: PaymentKey) -> OwnedIntent {
        OwnedIntent {
            intents: self.clone(),
            key,
        }
    }

    fn owners(&self) -> MutexGuard<'_, BTreeMap<PaymentKey, Owner>> {
        let owners = self.shared.owners.lock();

        owners.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OwnedIntent {
    fn drop(&mut self) {
        let mut owners = self.intents.owners();
        let left = match owners.get(&self.key) {
            Some(Owner::Visits(visits)) => visits.saturating_sub(1),
            Some(Owner::GivingUp) | None => 0,
        };
        if left > 0 {
            let _before = owners.insert(self.key, Owner::Visits(left));
            return;
        }
        let was = owners.remove(&self.key);
        if was != Some(Owner::GivingUp) {
            self.intents.shared.left.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use ops_proto::{RequestId, SecretKey};

    #[tokio::test]
    async fn an_intent_is_given_up_when_no_visit_owns_it_and_begun_when_that_is_done() {
        let intents = Intents::default();
        let payee = SecretKey::from_seed(&[1; 32]).public_key();
        let key = PaymentKey::new(payee, RequestId(1));

        let (one, two) = (intents.begin(key).await, intents.begin(key).await);
        assert!(intents.give_up(key).is_none());
        drop(one);
        assert!(intents.give_up(key).is_none());
        drop(two);
        intents.left().await;

        let given_up = intents.give_up(key);
        assert!(given_up.is_some());
        let again = intents.begin(key);
        tokio::pin!(again);
        let waited = tokio::time::timeout(GIVING_UP, &mut again).await;
        assert!(waited.is_err(), "it is being given up");
        drop(given_up);
        let _owned = again.await;
        assert!(intents.give_up(key).is_none());
    }
}
