//! Where all money is, by the server's and the TAs' own answers, and whether each payment is proven.

use api_types::{Payment, Receipt};
use blepay::failure::Failure;
use ops_proto::certificate::Certificate;
use ops_proto::message::receipt::verify_receipt;
use ops_proto::message::{Payment as SignedPayment, ReceivedPayment, RequestPayment};
use ops_proto::signed::Body;
use ops_proto::{PaymentPair, PublicKey, Signed, pay_verify};
use serde::{Deserialize, Serialize};

use super::device::{CURRENCY, Device, text};
use super::provider::{Ledger, Provider};
use super::stage::Stage;

/// What the demo ends with. Amounts are minor units, summed over all providers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Outcome {
    pub(super) issued: u64,
    pub(super) online: u64,
    pub(super) ta: u64,
    pub(super) in_flight: u64,
    pub(super) held: u64,
    pub(super) conserved: bool,
    pub(super) payments: Vec<Proven>,
    pub(super) currency: String,
    pub(super) providers: Vec<Books>,
    /// What each provider's books say of what it owes and is owed; below zero it is owed.
    pub(super) positions: Vec<Position>,
}

/// One provider's books, and what the TAs that it certified say they hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Books {
    pub(super) name: String,
    pub(super) ledger: Ledger,
    pub(super) audit: String,
    pub(super) devices: Vec<TaHolding>,
}

/// What one provider's books say of the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Position {
    pub(super) provider: String,
    pub(super) position: i64,
}

/// A provider, and its devices that hold money.
#[derive(Debug)]
pub(super) struct Member<'a> {
    pub(super) bank: &'a Provider,
    /// What these say is believed.
    pub(super) devices: Vec<&'a Device>,
    /// What these say is not: they were rolled back. The books count what they had left.
    pub(super) convicted: Vec<&'a Device>,
}

/// A payment with what was found out about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Proven {
    pub(super) amount: u64,
    pub(super) payee: String,
    pub(super) hash: String,
    pub(super) resumed: bool,
    pub(super) receipt_verified: bool,
    pub(super) settled: bool,
    pub(super) settlement: Option<String>,
}

/// What a TA holds, in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct TaHolding {
    pub(super) name: String,
    /// By its own word; by its provider's books when it was convicted.
    pub(super) balance: u64,
    /// What a convicted one still says.
    pub(super) claimed: Option<u64>,
}

/// What `blepay-server account show --json` says of a client.
#[derive(Debug, Deserialize)]
struct Account {
    tas: Vec<AccountTa>,
}

#[derive(Debug, Deserialize)]
struct AccountTa {
    shadow: u64,
}

/// Asks everybody and adds up.
pub(super) async fn close(
    stage: &mut Stage<'_>,
    members: &[Member<'_>],
    payments: Vec<Proven>,
) -> Result<Outcome, Failure> {
    let mut providers = Vec::new();
    for member in members {
        let books = books_of(member).await?;
        show(stage, &books)?;
        providers.push(books);
    }
    let total = |field: fn(&Ledger) -> u64| sum(providers.iter().map(|books| field(&books.ledger)));
    let positions = providers.iter().map(|books| Position {
        provider: books.name.clone(),
        position: books.ledger.position,
    });

    Ok(Outcome {
        issued: total(|ledger| ledger.issued),
        online: total(|ledger| ledger.online),
        ta: sum(providers.iter().map(Books::on_devices)),
        in_flight: total(|ledger| ledger.transit.saturating_add(ledger.open)),
        held: total(|ledger| ledger.held),
        conserved: is_conserved(&providers),
        payments,
        currency: CURRENCY.to_owned(),
        positions: positions.collect(),
        providers,
    })
}

impl Books {
    fn on_devices(&self) -> u64 {
        sum(self.devices.iter().map(|holding| holding.balance))
    }

    /// Whether each unit that was issued is in one place, by what the TAs themselves say.
    fn adds_up(&self) -> bool {
        let ledger = &self.ledger;
        let places = [
            ledger.online,
            self.on_devices(),
            ledger.open,
            ledger.transit,
            ledger.held,
        ];
        let found = i128::from(sum(places))
            .saturating_add(i128::from(ledger.position))
            .saturating_add(i128::from(ledger.loss));

        ledger.balanced
            && self.audit == BALANCED
            && ledger.shadow == self.on_devices()
            && found == i128::from(ledger.issued)
    }
}

fn is_conserved(providers: &[Books]) -> bool {
    let positions = providers
        .iter()
        .map(|books| i128::from(books.ledger.position));

    providers.iter().all(Books::adds_up) && positions.sum::<i128>() == 0
}

async fn books_of(member: &Member<'_>) -> Result<Books, Failure> {
    let mut devices = Vec::new();
    for device in &member.devices {
        devices.push(TaHolding {
            name: device.name.to_owned(),
            balance: device.balance().await?,
            claimed: None,
        });
    }
    for device in &member.convicted {
        let show = ["account", "show", device.name];
        let account: Account = member.bank.ask(&show, &["--json"])?;
        devices.push(TaHolding {
            name: device.name.to_owned(),
            balance: sum(account.tas.iter().map(|ta| ta.shadow)),
            claimed: Some(device.balance().await?),
        });
    }
    let audit = member.bank.audit()?;

    Ok(Books {
        name: member.bank.name.to_owned(),
        ledger: member.bank.ledger()?,
        audit: if audit.balanced {
            BALANCED.to_owned()
        } else {
            audit.faults.join("; ")
        },
        devices,
    })
}

fn show(stage: &mut Stage<'_>, books: &Books) -> Result<(), Failure> {
    let Books {
        name,
        ledger,
        audit,
        devices,
    } = books;
    stage.say(&format!("{name:<29} The devices' TAs"))?;
    let left = [
        ("issued", ledger.issued),
        ("online", ledger.online),
        ("shadow of the TAs", ledger.shadow),
        ("open deposits", ledger.open),
        ("transit", ledger.transit),
        ("held", ledger.held),
    ];
    for (index, (name, amount)) in left.into_iter().enumerate() {
        let right = devices.get(index).map_or_else(String::new, TaHolding::line);
        let line = format!("  {name:<18} {:>8}   {right}", text(amount));
        stage.say(line.trim_end())?;
    }
    for (name, amount) in [("position", ledger.position), ("loss", ledger.loss)] {
        if amount != 0 {
            let sign = if amount < 0 { "-" } else { "" };
            let amount = format!("{sign}{}", text(amount.unsigned_abs()));
            stage.say(&format!("  {name:<18} {amount:>8}"))?;
        }
    }

    stage.say(&format!("  blepay-server audit: {audit}"))
}

impl TaHolding {
    fn line(&self) -> String {
        let claimed = self.claimed.map_or_else(String::new, |claimed| {
            format!("  convicted; says {}", text(claimed))
        });

        format!("{:<10} {:>8}{claimed}", self.name, text(self.balance))
    }
}

/// What an audit says that found nothing wrong.
const BALANCED: &str = "balanced";

/// Checks a receipt as a third party would, from its bytes alone, and sums up the payment.
pub(super) async fn prove(payer: &Device, payment: &Payment) -> Result<Proven, Failure> {
    let path = format!("/v1/payments/{}/receipt", payment.id);
    let receipt: Receipt = payer.client.get(&path).await?;
    let now = &receipt.payment;

    Ok(Proven {
        amount: now.amount.as_ref().map_or(0, |amount| amount.minor_units),
        payee: now.peer.clone().unwrap_or_default(),
        hash: now.hash.clone().unwrap_or_default(),
        resumed: now.resumed,
        receipt_verified: is_proven(&receipt),
        settled: now.settled,
        settlement: now.settlement.clone(),
    })
}

fn is_proven(receipt: &Receipt) -> bool {
    proof(receipt).is_some()
}

fn proof(receipt: &Receipt) -> Option<()> {
    let pair = PaymentPair {
        payment: message::<SignedPayment>(Some(&receipt.p))?,
        request: message::<RequestPayment>(Some(&receipt.r))?,
    };
    let received = message::<ReceivedPayment>(receipt.receipt.as_ref())?;
    let sender_provider = message::<Certificate>(receipt.sender_provider.as_ref())?;
    let payee_provider = message::<Certificate>(receipt.payee_provider.as_ref())?;
    let mut root = [0; 32];
    hex::decode_to_slice(receipt.root.as_ref()?, &mut root).ok()?;
    let root = PublicKey(root);
    let _paid = pay_verify(&root, &pair, &sender_provider, &payee_provider).ok()?;
    let _received = verify_receipt(&received, &pair.payment).ok()?;

    Some(())
}

fn message<T: Body>(text: Option<&String>) -> Option<Signed<T>> {
    let wire = hex::decode(text?).ok()?;

    Signed::decode(&wire).ok()
}

fn sum(amounts: impl IntoIterator<Item = u64>) -> u64 {
    amounts.into_iter().fold(0, u64::saturating_add)
}
