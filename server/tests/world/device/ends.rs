//! What a device asks at the end of a TA's life, and between: withdrawal, retirement, death, renewal,
//! mailbox and lists.

use ops_proto::Balance;
use ops_proto::id::RequestId;
use ops_proto::list::List;
use ops_proto::message::{
    CertificateChain, CreditedAnswer, CreditedQuery, DeathAnswer, ListsQuery, ListsUpdate,
    MailboxAnswer, MailboxQuery, Renew, ReportDeath, Retire, RetireAnswer, RetireOrder, Status,
    Withdraw, WithdrawAck,
};
use ops_proto::signed::{Body, Signed, encode};
use ops_proto::statement::{Moves, Statement};
use ops_proto::{Digest, PublicKey, SecretKey};

use super::super::{Refused, World, decode};
use super::Device;

impl Device {
    /// Signs the TA's last statement, over the chain since the last token.
    pub(crate) fn retire(&mut self) -> RetireOrder {
        let balance = self.balance;

        self.retire_with_balance(balance)
    }

    pub(crate) fn retire_with_balance(&mut self, balance: u64) -> RetireOrder {
        let chain = self.since_token.clone();
        let collected_total = self.collected_total();
        let statement = self.state(Moves::Neither, |device, position| {
            let last = Status {
                ta: device.ta_key(),
                position,
                balance: Balance::from_minor_units(balance),
                paid_count: 0,
                paid_total: 0,
                collected_count: device.collected.len().try_into().unwrap(),
                collected_total,
                collected: List::try_from(device.collected.clone()).unwrap(),
                open: List::empty(),
                mark: RequestId(device.next_id),
                nonce: [9; 16],
            };
            Statement::Retire(Signed::sign(Retire { last }, &device.ta()))
        });
        let Statement::Retire(retire) = statement else {
            unreachable!("a Retire was made")
        };

        RetireOrder {
            chain: List::try_from(chain).unwrap(),
            retire,
        }
    }

    /// The same client with a new TA.
    pub(crate) fn with_new_ta(&self) -> Self {
        let other = Self::new(&self.name);
        let mut device = self.with_ta_of(&other);
        device.ta_certificate = None;
        device.chain = other.chain;
        device.balance = 0;
        device.since_token.clear();
        device.open_ids.clear();
        device.collected.clear();
        device.next_id = 1;
        device.deposit = None;
        device.status = None;

        device
    }

    pub(crate) fn sign_renew(key: &SecretKey, number: u64, challenge: [u8; 32]) -> Vec<u8> {
        let body = Renew {
            subject: key.public_key(),
            number,
            challenge,
        };

        Signed::sign(body, key).to_wire()
    }
}

impl World {
    pub(crate) fn root(&self) -> PublicKey {
        blepay_server::provider::Layout::new(self.data.path())
            .root_key()
            .unwrap()
    }

    /// Returns an answer of this world's server.
    pub(crate) fn signed<T: Body>(&self, bytes: &[u8]) -> Signed<T> {
        self.answer(bytes)
    }

    pub(crate) async fn withdraw(
        &self,
        withdraw: &Signed<Withdraw>,
    ) -> Result<Signed<WithdrawAck>, Refused> {
        let bytes = self.post("/v1/withdrawals", withdraw.to_wire()).await?;

        Ok(self.answer(&bytes))
    }

    pub(crate) async fn retire(&self, order: &RetireOrder) -> Result<RetireAnswer, Refused> {
        let bytes = self.post("/v1/retirements", encode(order)).await?;
        let answer: Signed<RetireAnswer> = self.answer(&bytes);

        Ok(answer.body().clone())
    }

    pub(crate) async fn report_death(
        &self,
        client: &Device,
        ta: PublicKey,
    ) -> Result<DeathAnswer, Refused> {
        let challenge = self.challenge(client.client_key()).await;
        let body = ReportDeath {
            client: client.client_key(),
            ta,
            challenge,
        };
        let signed = Signed::sign(body, &client.client());
        let bytes = self.post("/v1/deaths", signed.to_wire()).await?;
        let answer: Signed<DeathAnswer> = self.answer(&bytes);

        Ok(answer.body().clone())
    }

    pub(crate) async fn renew(
        &self,
        key: &SecretKey,
        number: u64,
    ) -> Result<CertificateChain, Refused> {
        let challenge = self.challenge(key.public_key()).await;
        let body = Device::sign_renew(key, number, challenge);

        Ok(decode(&self.post("/v1/renewals", body).await?))
    }

    pub(crate) async fn mailbox(
        &self,
        device: &Device,
        after: u64,
    ) -> Result<MailboxAnswer, Refused> {
        let challenge = self.challenge(device.client_key()).await;
        let body = MailboxQuery {
            client: device.client_key(),
            ta: device.ta_key(),
            after,
            challenge,
        };
        let signed = Signed::sign(body, &device.client());
        let bytes = self.post("/v1/mailbox", signed.to_wire()).await?;
        let answer: Signed<MailboxAnswer> = self.answer(&bytes);

        Ok(answer.body().clone())
    }

    pub(crate) async fn credited(
        &self,
        device: &Device,
        after: u64,
        wanted: &[Digest],
    ) -> Result<CreditedAnswer, Refused> {
        let body = CreditedQuery {
            client: device.client_key(),
            after,
            wanted: List::try_from(wanted.to_vec()).unwrap(),
            challenge: self.challenge(device.client_key()).await,
        };
        let signed = Signed::sign(body, &device.client());
        let bytes = self.post("/v1/credited", signed.to_wire()).await?;
        let answer: Signed<CreditedAnswer> = self.answer(&bytes);

        Ok(answer.body().clone())
    }

    pub(crate) async fn lists(&self, query: &ListsQuery) -> ListsUpdate {
        decode(&self.post("/v1/lists", encode(query)).await.unwrap())
    }
}
