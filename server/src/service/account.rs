//! A client asks what its account holds.

use ops_proto::message::{AccountAnswer, AccountQuery};
use ops_proto::signed::Signed;

use super::{Desk, Stop, challenge, malformed, refuse};
use crate::ledger::Account;
use crate::refusal::{Code, Refusal};

/// A query that the client signed.
#[derive(Debug)]
pub(crate) struct Query(AccountQuery);

pub(super) fn prepare(body: &[u8]) -> Result<Query, Refusal> {
    let signed = Signed::<AccountQuery>::decode(body).map_err(malformed)?;
    let body = signed
        .verify(&signed.body().client)
        .map_err(|error| Refusal::new(Code::Signature, error))?;

    Ok(Query(body.clone()))
}

impl Query {
    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let AccountQuery { client, challenge } = self.0;
        challenge::use_up(at, &challenge, &client).await?;
        let Some(row) = at.unit.client(&client).await? else {
            return Err(refuse(Code::ClientUnknown, "the client is not registered"));
        };
        let shadow = match at.unit.ta_of(&client).await? {
            Some(ta) => Some(at.unit.balance(&Account::Shadow(ta.key)).await?),
            None => None,
        };
        let online = at.unit.balance(&Account::Online(client)).await?;
        let stamp = at.unit.next_stamp().await?;
        let body = AccountAnswer {
            client,
            currency: at.provider.certificate().body().currency,
            online,
            shadow,
            stamp,
        };

        // It only reads the books, so it leaves no row: a client may ask as often as it likes.
        Ok(at.provider.sign_for(row.certificate.body(), body).to_wire())
    }
}
