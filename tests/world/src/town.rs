//! Everybody and everything of one story: people with devices, the provider, the air, and what was said.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use blepayd::api::error::sync_error;
use journal::Fact;
use radio::memory::MemoryAir;
use sync::check_enrolment;

use crate::bank::Bank;
use crate::conditions::Conditions;
use crate::fault::Fault;
use crate::money::Money;
use crate::person::{Device, Has, Person};
use crate::rng::Rng;
use crate::weather::Air;
use crate::world::World;

/// Who lives in town, and whether their devices hold money.
pub(crate) const PEOPLE: [(&str, Has); 4] = [
    ("Ada", Has::Ta),
    ("Bob", Has::Ta),
    ("Cid", Has::Ta),
    ("Dot", Has::NoTa),
];

/// What everybody with a trusted application pays in, and takes onto the device of that.
const PAID_IN: Money = Money(20_000);
const DEPOSITED: Money = Money(5_000);

/// How long a device may take to be registered, in runs of sync.
const REGISTER_RUNS_MAX: u32 = 20;

/// A town.
pub(crate) struct Town {
    pub(crate) world: Rc<World>,
    pub(crate) air: MemoryAir,
    pub(crate) weather: Arc<Air>,
    pub(crate) people: Vec<Person>,
    pub(crate) bank: Bank,
    paid_in: RefCell<BTreeMap<&'static str, u64>>,
    said: RefCell<Vec<String>>,
    counted: RefCell<BTreeMap<&'static str, u64>>,
    faults: RefCell<Vec<Fault>>,
}

impl Town {
    /// Makes a town in `dir`: everybody is registered, and the books were backed up once.
    pub(crate) async fn found(world: Rc<World>, dir: &Path, schedule: u64) -> anyhow::Result<Self> {
        world.set_hasty(true);
        let weather = Arc::new(Air::new(Rng::for_purpose(schedule, 50)));
        let bank = Bank::found(&world, dir).await?;
        let people = (1..).zip(PEOPLE);
        let town = Self {
            air: MemoryAir::new(Arc::<Air>::clone(&weather)),
            weather,
            people: people
                .map(|(number, (name, has))| Person::new(name, number, has, dir, schedule))
                .collect(),
            bank,
            paid_in: RefCell::default(),
            said: RefCell::default(),
            counted: RefCell::default(),
            faults: RefCell::default(),
            world,
        };
        for person in &town.people {
            town.settle_in(person).await?;
        }
        town.bank.back_up(&town.world).await?;
        town.world.set_hasty(false);

        Ok(town)
    }

    /// Sets how network and air are from here on.
    pub(crate) fn set_conditions(&self, conditions: &Conditions) {
        self.world.net.set_conditions(conditions.net);
        self.weather.set_conditions(conditions.air);
    }

    /// Returns the one who is called so.
    pub(crate) fn person(&self, name: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.name == name)
    }

    /// Returns the device of the one who is called so, if it runs.
    pub(crate) fn device(&self, name: &str) -> Option<(&Person, Device)> {
        let person = self.person(name)?;

        person.device().map(|device| (person, device))
    }

    /// Starts everybody's device and the server, as far as they do not run.
    pub(crate) async fn start_all(&self) -> anyhow::Result<()> {
        self.bank.start(&self.world).await?;
        for person in &self.people {
            person.start(&self.world, &self.air).await?;
        }

        Ok(())
    }

    /// Lets a device sync, and returns in one word per trouble what it could not do.
    pub(crate) async fn sync(&self, person: &Person) -> Option<Vec<String>> {
        let device = person.device()?;
        let ran = self.world.at(person.node, device.sync.run()).await.ok()?;
        let failed = ran.parts.iter().filter_map(|part| {
            let error = part.outcome.as_ref().err()?;
            Some(format!("{}: {}", part.part, sync_error(error).message))
        });
        let mut troubles: Vec<_> = failed.collect();
        let poisoned = ran.set_aside.iter();
        troubles.extend(poisoned.map(|item| format!("poisoned {}: {}", item.item, item.reason)));

        Some(troubles)
    }

    /// Returns what a trusted application holds; nothing without one that answers.
    pub(crate) async fn balance(&self, person: &Person) -> u64 {
        let Some(device) = person.device() else {
            return 0;
        };
        let status = self.world.at(person.node, device.wallet.status()).await;

        status
            .ta_state
            .map_or(0, |state| state.balance.minor_units())
    }

    /// Pays money in at the provider's desk.
    pub(crate) async fn pay_in(&self, person: &Person, money: Money) -> anyhow::Result<()> {
        self.bank.pay_in(&self.world, person.name, money).await?;
        let mut paid_in = self.paid_in.borrow_mut();
        let sum = paid_in.entry(person.name).or_default();
        *sum = sum.saturating_add(money.0);

        Ok(())
    }

    /// Returns all that was paid in.
    pub(crate) fn paid_in(&self) -> u64 {
        self.paid_in.borrow().values().sum()
    }

    /// Returns what somebody paid in.
    pub(crate) fn paid_in_by(&self, person: &Person) -> u64 {
        let paid_in = self.paid_in.borrow();

        paid_in.get(person.name).copied().unwrap_or(0)
    }

    /// Asks the server as somebody who writes the message by hand; returns status and answer.
    pub(crate) async fn ask(&self, person: &Person, path: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
        let world = &self.world;
        let asking = world.net.repeat(&world.executor, path, body);

        world.at(person.node, asking).await
    }

    /// Lets time pass.
    pub(crate) async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Writes down what happened.
    pub(crate) fn say(&self, words: String) {
        self.world.note("said", words.as_bytes());
        self.said.borrow_mut().push(words);
    }

    /// Returns what happened.
    pub(crate) fn said(&self) -> Vec<String> {
        self.said.borrow().clone()
    }

    /// Counts something that a report tells.
    pub(crate) fn count(&self, what: &'static str) {
        let mut counted = self.counted.borrow_mut();
        let count = counted.entry(what).or_default();
        *count = count.saturating_add(1);
    }

    /// Returns what was counted.
    pub(crate) fn counted(&self) -> BTreeMap<&'static str, u64> {
        self.counted.borrow().clone()
    }

    /// Takes note of what a check found, once for each check and shape.
    pub(crate) fn found_fault(&self, fault: Fault) {
        let mut faults = self.faults.borrow_mut();
        if !faults.iter().any(|known| known.class() == fault.class()) {
            faults.push(fault);
        }
    }

    /// Returns what the checks have found.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        self.faults.borrow().clone()
    }

    /// Registers somebody, and puts money onto the device.
    async fn settle_in(&self, person: &Person) -> anyhow::Result<()> {
        person.start(&self.world, &self.air).await?;
        let device = person.device().context("the device runs")?;
        let enrolment = self.bank.enrolment(&self.world).await?;
        let taking = async {
            let enrolled = check_enrolment(&enrolment)?.into_enrolled();
            let facts = vec![
                Fact::Enrolled(Box::new(enrolled)),
                Fact::ClientKeyMade {
                    client: device.wallet.identity().public_key(),
                    name: person.name.parse()?,
                },
            ];

            anyhow::Ok(device.wallet.journal().append(facts).await?)
        };
        let _seq = self.world.at(person.node, taking).await?;
        for _ in 0..REGISTER_RUNS_MAX {
            if self
                .sync(person)
                .await
                .is_some_and(|troubles| troubles.is_empty())
            {
                break;
            }
            self.wait(Duration::from_secs(20)).await;
        }
        self.pay_in(person, PAID_IN).await?;
        match person.has {
            Has::Ta => {
                let depositing = device.sync.deposit(DEPOSITED.amount());
                let deposited = self.world.at(person.node, depositing).await?;
                anyhow::ensure!(deposited.pending.is_none(), "the first deposit is answered");
            }
            Has::NoTa => {}
        }

        Ok(())
    }
}
