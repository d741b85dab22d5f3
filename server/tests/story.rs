//! Many honest devices, in any order, with answers lost and messages repeated: nobody is convicted, the
//! books balance, and every balance is what the TA holds.

use ops_proto::PaymentPair;

use super::world::{Device, World};

const STEPS: usize = 250;

#[tokio::test]
async fn no_honest_ta_is_ever_convicted_and_money_is_conserved() {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds = seed.map_or_else(|| vec![1, 2, 3], |seed| vec![seed]);
    for seed in seeds {
        let mut story = Story::new(seed).await;
        for step in 0..STEPS {
            assert!(story.step().await, "repeat with SEED={seed}, step {step}");
        }
        assert!(story.end().await, "repeat with SEED={seed}");
    }
}

struct Story {
    world: World,
    random: Random,
    devices: Vec<Device>,
    /// Every pair, with the device that paid and the one whose TA may collect.
    pairs: Vec<(PaymentPair, Option<usize>)>,
    issued: u64,
}

impl Story {
    async fn new(seed: u64) -> Self {
        let world = World::new().await;
        let mut devices = Vec::new();
        for name in ["Ann", "Ben", "Cid", "Dot"] {
            devices.push(world.device(name, 10_000).await);
        }

        Self {
            world,
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            devices,
            pairs: Vec::new(),
            issued: 40_000,
        }
    }

    /// Does something; returns whether all is well.
    async fn step(&mut self) -> bool {
        let who = self.random.below(4);
        match self.random.below(12) {
            0 | 1 => self.deposit(who).await,
            2..=5 => self.pay(who),
            6 | 7 => self.collect(),
            8 | 9 => self.report().await,
            10 => self.status(who).await,
            _ => self.withdraw_or_close(who),
        }
    }

    async fn deposit(&mut self, who: usize) -> bool {
        let amount = 1 + self.random.units(900);
        let is_answer_lost = self.random.below(3) == 0;
        let device = &mut self.devices[who];
        let order = device
            .open_deposit()
            .unwrap_or_else(|| device.deposit_open(amount));
        let Ok(answer) = self.world.deposit(&order).await else {
            return false;
        };
        if !is_answer_lost {
            device.deposit_close(&answer);
        }

        true
    }

    fn pay(&mut self, who: usize) -> bool {
        let whom = (who + 1 + self.random.below(3)) % 4;
        let to_ta = self.random.below(2) == 0;
        let most = self.devices[who].balance.min(700);
        if most == 0 {
            return true;
        }
        let amount = 1 + self.random.units(most);
        let request = if to_ta {
            self.devices[whom].request(amount)
        } else {
            self.devices[whom].client_request(amount)
        };
        let pair = self.devices[who].pay(&request);
        self.pairs.push((pair, to_ta.then_some(whom)));
        if to_ta && self.random.below(6) == 0 && self.devices[who].balance >= amount {
            let second = self.devices[who].pay(&request);
            self.pairs.push((second, Some(whom)));
        }

        true
    }

    fn collect(&mut self) -> bool {
        if self.pairs.is_empty() {
            return true;
        }
        let at = self.random.below(self.pairs.len());
        let (pair, whom) = &self.pairs[at];
        if let Some(whom) = whom {
            self.devices[*whom].collect(pair);
        }

        true
    }

    async fn report(&mut self) -> bool {
        if self.pairs.is_empty() {
            return true;
        }
        let at = self.random.below(self.pairs.len());
        let outcome = self.world.report(&self.pairs[at].0).await;

        matches!(outcome, ops_proto::message::ItemOutcome::Held(_))
    }

    /// Hands the chain in; what was collected must have been reported, or the server asks for it.
    async fn status(&mut self, who: usize) -> bool {
        let is_token_lost = self.random.below(3) == 0;
        let order = self.devices[who].status_open();
        let token = match self.world.status(&order).await {
            Ok(token) => token,
            Err(refused) => return refused.code == "report-first",
        };
        if !is_token_lost {
            self.devices[who].take_token(&token);
        }

        true
    }

    fn withdraw_or_close(&mut self, who: usize) -> bool {
        let device = &mut self.devices[who];
        if device.balance > 100 && !device.has_open_deposit() {
            let amount = 1 + self.random.units(100);
            drop(device.withdraw(amount));
        } else {
            device.close_ids();
        }

        true
    }

    /// Everybody reports everything and syncs: then the books say what the TAs hold.
    async fn end(&mut self) -> bool {
        for (pair, _) in &self.pairs {
            self.world.report(pair).await;
        }
        for device in &mut self.devices {
            if let Some(order) = device.open_deposit() {
                let answer = self.world.deposit(&order).await.unwrap();
                device.deposit_close(&answer);
            }
            device.close_ids();
            self.world.sync(device).await;
        }
        let mut on_devices = 0;
        for device in &self.devices {
            let view = self.world.view(device).await;
            let ta = &view.tas[0];
            if ta.shadow != device.balance || ta.standing != "live" || ta.advanced != 0 {
                return false;
            }
            on_devices += device.balance;
        }
        let ledger = self.world.check().await;

        ledger.issued == i64::try_from(self.issued).unwrap()
            && ledger.shadow == i64::try_from(on_devices).unwrap()
            && ledger.transit == 0
            && ledger.open == 0
            && ledger.loss == 0
    }
}

/// Xorshift: repeatable from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.units(u64::try_from(n).unwrap())).unwrap()
    }

    fn units(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;

        self.0 % n
    }
}
