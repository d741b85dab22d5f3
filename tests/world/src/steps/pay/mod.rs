//! `Ada pays Bob 5.22` by the code on both screens, `… by URI`, `… by name` (a person approves) or
//! `… by policy` (nobody is asked); alone or with a trouble: `…, the link breaks after 120 ms`,
//! `…, Bob's device dies after 300 ms`, `…, the server dies after 300 ms`.

mod trouble;

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use wallet::{Asks, Mode, OpenedRequest, PaymentEvent, PaymentOrder, RequestOrder, Target, Wallet};

use super::{Kind, Step};
use crate::money::Money;
use crate::person::{Device, Person};
use crate::rng::Rng;
use crate::town::Town;
use crate::words::{scan, split_trouble};
use trouble::Trouble;

/// The sum of a day that a policy allows to a named payee.
pub(crate) const DAILY_MAX: Money = Money(10_000);

pub(super) const KIND: Kind = Kind {
    weight: 7,
    draw: |dice| {
        let payer = super::draw_holder(dice);
        let payee = super::draw_other(dice, payer);

        Rc::new(Pay {
            payer,
            payee,
            money: super::draw_money(dice),
            how: match dice.below(8) {
                0 => How::Uri,
                1 => How::Name,
                2 => How::Policy,
                _ => How::Code,
            },
            trouble: Trouble::draw(dice, payer, payee),
        })
    },
    read: |line| {
        let (line, trouble) = split_trouble(line);
        let (words, how) = How::read(line)?;
        let [payer, payee, money] = words.as_slice() else {
            return None;
        };

        Some(Rc::new(Pay {
            payer: super::read_person(payer)?,
            payee: super::read_person(payee)?,
            money: Money::read(money)?,
            how,
            trouble: match trouble {
                Some(trouble) => Some(Trouble::read(trouble)?),
                None => None,
            },
        }))
    },
};

#[derive(Clone, Copy)]
struct Pay {
    payer: &'static str,
    payee: &'static str,
    money: Money,
    how: How,
    trouble: Option<Trouble>,
}

/// How the payee is found, and who approves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Code,
    Uri,
    Name,
    Policy,
}

impl How {
    const ALL: [Self; 4] = [Self::Code, Self::Uri, Self::Name, Self::Policy];

    const fn words(self) -> &'static str {
        match self {
            Self::Code => "",
            Self::Uri => " by URI",
            Self::Name => " by name",
            Self::Policy => " by policy",
        }
    }

    fn read(line: &str) -> Option<(Vec<&str>, Self)> {
        Self::ALL.into_iter().find_map(|how| {
            let pattern = format!("{{}} pays {{}} {{}}{}", how.words());
            scan(&pattern, line).map(|words| (words, how))
        })
    }

    const fn mode(self) -> Mode {
        match self {
            Self::Uri => Mode::Uri,
            Self::Code | Self::Name | Self::Policy => Mode::Announced,
        }
    }
}

impl fmt::Display for Pay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pays {} {}", self.payer, self.payee, self.money)?;
        f.write_str(self.how.words())?;
        if let Some(trouble) = &self.trouble {
            write!(f, ", {trouble}")?;
        }

        Ok(())
    }
}

impl Step for Pay {
    fn play<'t>(&'t self, town: &'t Town, _: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>> {
        async move {
            let (Some((payer, from)), Some((payee, to))) =
                (town.device(self.payer), town.device(self.payee))
            else {
                return Ok("a device is off".to_owned());
            };
            let opened = match open(town, payee, &to, self.money, self.how.mode()).await {
                Ok(opened) => opened,
                Err(why) => return Ok(format!("no request: {why}")),
            };
            let outcome = self.pay(town, payer, payee, &from, &opened).await?;
            if outcome == "paid" {
                town.count("payments");
            }

            Ok(outcome)
        }
        .boxed_local()
    }

    fn longest(&self) -> Duration {
        let lasts = self.trouble.as_ref().map_or(Duration::ZERO, Trouble::lasts);

        Duration::from_secs(3600).saturating_add(lasts)
    }

    fn simpler(&self) -> Vec<Rc<dyn Step>> {
        let mut simpler: Vec<Rc<dyn Step>> = Vec::new();
        if self.trouble.is_some() {
            simpler.push(Rc::new(Self {
                trouble: None,
                ..*self
            }));
        }
        if self.how != How::Code {
            simpler.push(Rc::new(Self {
                how: How::Code,
                ..*self
            }));
        }
        for money in super::rounder(self.money) {
            simpler.push(Rc::new(Self { money, ..*self }));
        }

        simpler
    }
}

impl Pay {
    async fn pay(
        &self,
        town: &Town,
        payer: &Person,
        payee: &Person,
        from: &Device,
        opened: &OpenedRequest,
    ) -> anyhow::Result<String> {
        let target = match (self.how, &opened.uri) {
            (How::Uri, Some(uri)) => Target::Uri(Box::new(uri.parse()?)),
            (How::Name | How::Policy, _) => match key_of(payee) {
                Some(key) => Target::Payee(key),
                None => return Ok("the payee is off".to_owned()),
            },
            (How::Code | How::Uri, _) => Target::Tag(opened.tag),
        };
        if let (How::Policy, Target::Payee(key)) = (self.how, &target) {
            let name = self.payee.parse()?;
            let approving = from.wallet.approve_payee(*key, name, DAILY_MAX.amount());
            if town.world.at(payer.node, approving).await.is_err() {
                return Ok("the payee cannot be approved".to_owned());
            }
        }
        let asks = if matches!(self.how, How::Policy | How::Uri) {
            Asks::UnlessPolicy
        } else {
            Asks::Always
        };
        let paying = pay(&from.wallet, target, asks);
        let paying = town.world.at(payer.node, paying);
        match &self.trouble {
            None => Ok(paying.await),
            Some(trouble) => trouble.come_while(town, self.payer, paying).await,
        }
    }
}

fn key_of(payee: &Person) -> Option<ops_proto::PublicKey> {
    let device = payee.device()?;

    device
        .wallet
        .journal()
        .view(|book| Some(book.payee_chain()?.leaf.body().subject))
}

/// Opens a request and pays it, without any trouble.
pub(super) async fn pay_once(town: &Town, payer: &str, payee: &str, money: Money) -> String {
    let (Some((payer, from)), Some((payee, to))) = (town.device(payer), town.device(payee)) else {
        return "a device is off".to_owned();
    };
    match open(town, payee, &to, money, Mode::Announced).await {
        Ok(opened) => {
            let paying = pay(&from.wallet, Target::Tag(opened.tag), Asks::Always);
            let outcome = town.world.at(payer.node, paying).await;
            if outcome == "paid" {
                town.count("payments");
            }
            outcome
        }
        Err(why) => format!("no request: {why}"),
    }
}

async fn open(
    town: &Town,
    payee: &Person,
    device: &Device,
    money: Money,
    mode: Mode,
) -> Result<OpenedRequest, String> {
    let order = RequestOrder {
        amount: money.amount(),
        memo: "bread".to_owned(),
        validity: None,
        mode,
        replaces: None,
        refund_of: None,
    };
    let opening = device.wallet.open_request(order);

    town.world
        .at(payee.node, opening)
        .await
        .map_err(|error| error.to_string())
}

/// Pays as a person does who approves at once, and returns in words what came of it.
pub(super) async fn pay(wallet: &Wallet, target: Target, asks: Asks) -> String {
    let order = PaymentOrder {
        target,
        expected: None,
        asks,
        search: PaymentOrder::SEARCH_DEFAULT,
        pin: None,
    };
    let mut handle = match wallet.start_payment(order).await {
        Ok(handle) => handle,
        Err(error) => return format!("not begun: {error}"),
    };
    let controls = handle.controls();
    let mut outcome = "nothing came of it".to_owned();
    while let Some(event) = handle.next().await {
        match event {
            PaymentEvent::Locked { by_policy, .. } if !by_policy => {
                let _too_late = controls.approve(None);
            }
            PaymentEvent::Paid { .. } => outcome = "paid".to_owned(),
            PaymentEvent::Held { .. } => outcome = "held".to_owned(),
            PaymentEvent::Arrived { .. } => outcome = "arrived".to_owned(),
            PaymentEvent::Interrupted { .. } => outcome = "interrupted".to_owned(),
            PaymentEvent::Failed { message, .. } => outcome = format!("failed: {message}"),
            PaymentEvent::Waiting
            | PaymentEvent::Searching
            | PaymentEvent::Connecting
            | PaymentEvent::Offer(_)
            | PaymentEvent::Code(_)
            | PaymentEvent::Locked { .. }
            | PaymentEvent::Paying
            | PaymentEvent::Signed { .. } => {}
        }
    }

    outcome
}
