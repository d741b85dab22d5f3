//! Whose wallet is on which board. A board has one at a time; the others' states lie in a drawer of its disk.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::bench::Bench;
use crate::board::{Board, Network};
use crate::failure::{Failure, Outcome};
use crate::progress::{say, step};
use crate::wallet::{self, ASK_STATUS, DAEMON, Kind, SOCKET, TA, UNITS};

/// The drop-in that the package ships as an example, and that turns the TPM on.
const TPM_DROP_IN: &str = include_str!("../../../../systemd/blepay-ta-tpm.conf.example");
const TPM_DROP_IN_FOLDER: &str = "/etc/systemd/system/blepay-ta.service.d";
/// Where states lie that are not in use.
pub(super) const DRAWER: &str = "/var/lib/board-wallets";
/// Whose states are put aside for what runs after this scenario.
const BEFORE: &str = "before";
const CREDIT: &str = "100.00";
const DEPOSIT: &str = "50.00";
const DAILY: &str = "100.00";
const SWITCH_LIMIT: Duration = Duration::from_secs(600);
const READY_LIMIT: Duration = Duration::from_secs(300);

/// Somebody with a wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// On the payer's board, with money.
    Ada,
    /// On the payee's board; has only what is paid to him.
    Ben,
    /// On the payer's board, with money.
    Cleo,
    /// On the payer's board, with money and a TPM.
    Dora,
    /// On the payee's board, with money. She cheats.
    Eve,
}

/// One of the two boards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    /// The one that pays in the other scenarios.
    Payer,
    /// The one that is paid in the other scenarios.
    Payee,
}

/// By which keys a wallet is known.
#[derive(Clone, Debug)]
pub(super) struct Card {
    /// The client key.
    pub(super) client: String,
    /// The trusted application's key, which also names who is paid.
    pub(super) ta: String,
}

/// All wallets, and which of them run.
#[derive(Debug)]
pub(super) struct People {
    known: BTreeMap<Who, Card>,
    present: BTreeMap<Side, Who>,
}

impl Who {
    const fn side(self) -> Side {
        match self {
            Self::Ada | Self::Cleo | Self::Dora => Side::Payer,
            Self::Ben | Self::Eve => Side::Payee,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Ada => "Ada",
            Self::Ben => "Ben",
            Self::Cleo => "Cleo",
            Self::Dora => "Dora",
            Self::Eve => "Eve",
        }
    }

    const fn has_money(self) -> bool {
        match self {
            Self::Ada | Self::Cleo | Self::Dora | Self::Eve => true,
            Self::Ben => false,
        }
    }

    const fn uses_tpm(self) -> bool {
        match self {
            Self::Dora => true,
            Self::Ada | Self::Ben | Self::Cleo | Self::Eve => false,
        }
    }
}

impl Side {
    const ALL: [Self; 2] = [Self::Payer, Self::Payee];

    /// Returns the board.
    pub(super) fn of(self, bench: &mut Bench) -> &mut Board {
        match self {
            Self::Payer => &mut bench.payer,
            Self::Payee => &mut bench.payee,
        }
    }
}

impl People {
    /// Puts aside what is on the boards, after making sure that they have the packages.
    pub(super) fn gather(bench: &mut Bench) -> Outcome<Self> {
        step("install the packages on both boards", || {
            let mut lacking = Vec::new();
            for board in [&mut bench.payer, &mut bench.payee] {
                let there = board.must("dpkg-query --show --showformat '${Package} '")?;
                let there: Vec<&str> = there.split_whitespace().collect();
                lacking.push((
                    board,
                    [DAEMON, TA]
                        .into_iter()
                        .filter(|name| !there.contains(name))
                        .collect::<Vec<_>>(),
                ));
            }
            let mut lacking: Vec<_> = lacking
                .iter_mut()
                .filter(|(_, packages)| !packages.is_empty())
                .map(|(board, packages)| (&mut **board, packages.as_slice()))
                .collect();
            wallet::install_all(&mut lacking)?;
            for side in Side::ALL {
                side.of(bench).must_within(
                    &format!("systemctl stop {UNITS}; {}", put_aside(BEFORE)),
                    SWITCH_LIMIT,
                )?;
            }
            Ok(())
        })?;

        Ok(Self {
            known: BTreeMap::new(),
            present: BTreeMap::new(),
        })
    }

    /// Sees to it that somebody's wallet runs on its board, and returns its keys. Who has none yet gets one,
    /// online; else the board's network is left as it is.
    pub(super) fn bring(&mut self, bench: &mut Bench, who: Who) -> Outcome<Card> {
        self.seat(bench, &[who])?;
        let side = who.side();
        if let Some(card) = self.known.get(&who) {
            wait_until_ready(side.of(bench))?;
            return Ok(card.clone());
        }
        let card = step(&format!("register {}", who.name()), || register(bench, who))?;
        self.known.insert(who, card.clone());

        Ok(card)
    }

    /// Takes note of a new trusted application in somebody's wallet.
    pub(super) fn renewed(&mut self, who: Who, card: Card) {
        self.known.insert(who, card);
    }

    /// Gives each of them the board that is theirs, at once.
    fn seat(&mut self, bench: &mut Bench, wanted: &[Who]) -> Outcome<()> {
        let mut jobs = Vec::new();
        for who in wanted {
            let side = who.side();
            if self.present.get(&side) == Some(who) {
                continue;
            }
            let before = self.present.remove(&side);
            say(&format!("ops: {} gets the board", who.name()));
            jobs.push((*who, side.of(bench).start(&switching(before, Some(*who)))?));
        }
        for (who, job) in jobs {
            who.side().of(bench).must_end(&job, SWITCH_LIMIT)?;
            self.present.insert(who.side(), who);
        }

        Ok(())
    }

    /// Brings two online and waits until nothing of theirs is under way.
    pub(super) fn bring_online(
        &mut self,
        bench: &mut Bench,
        payer: Who,
        payee: Who,
    ) -> Outcome<(Card, Card)> {
        bench.networks(Network::On)?;
        self.seat(bench, &[payer, payee])?;
        let cards = (self.bring(bench, payer)?, self.bring(bench, payee)?);
        for side in Side::ALL {
            super::books::quiet(side.of(bench))?;
        }

        Ok(cards)
    }

    /// Finds boards with a wallet that runs, after a part broke off.
    pub(super) fn look_again(&mut self, bench: &mut Bench) -> Outcome<()> {
        for side in Side::ALL {
            let board = side.of(bench);
            board.must_within("systemctl start blepay-ta.socket blepayd", SWITCH_LIMIT)?;
            wallet::network(board, Network::On)?;
        }

        Ok(())
    }

    /// Puts back what was on the boards.
    pub(super) fn leave(&mut self, bench: &mut Bench) -> Outcome<()> {
        for side in Side::ALL {
            let before = self.present.remove(&side);
            let script = switching(before, None);
            side.of(bench).must_within(&script, SWITCH_LIMIT)?;
        }

        bench.networks(Network::On)
    }
}

/// Takes both off the air and off the network.
pub(super) fn both_offline(bench: &mut Bench) -> Outcome<()> {
    bench.networks(Network::Off)
}

/// Stops a board's services, does something with their states, and starts them again.
pub(super) fn while_stopped(board: &mut Board, script: &str) -> Outcome<()> {
    board.must_within(
        &format!(
            "systemctl stop {UNITS} && {script} && sync && systemctl reset-failed && systemctl start blepay-ta.socket blepayd"
        ),
        SWITCH_LIMIT,
    )?;

    board.wait_until(
        "the daemon answers",
        &format!("test -S {SOCKET}"),
        READY_LIMIT,
    )
}

/// Waits until the trusted application can pay.
pub(super) fn wait_until_ready(board: &mut Board) -> Outcome<()> {
    board.wait_until(
        "the trusted application is ready",
        &format!(r#"{ASK_STATUS} | grep -q '"state":"ready"'"#),
        READY_LIMIT,
    )
}

/// Names somebody as a payee that is paid without confirmation.
pub(super) fn trust(bench: &mut Bench, payer: Who, payee: &Card) -> Outcome<()> {
    wallet::trust(payer.side().of(bench), &payee.ta, DAILY)
}

fn register(bench: &mut Bench, who: Who) -> Outcome<Card> {
    let enrolment = bench.office()?.enrolment()?;
    let board = who.side().of(bench);
    wallet::network(board, Network::On)?;
    let identity = wallet::init(board, &enrolment, who.name(), Kind::WithTa)?;
    let ta = wallet::status(board)?.ta.key;
    let ta = ta
        .ok_or_else(|| Failure::Unexpected(format!("{} has no trusted application", who.name())))?;
    if who.has_money() {
        bench.office()?.credit(&identity.client, CREDIT)?;
        wallet::deposit(who.side().of(bench), DEPOSIT)?;
    }

    Ok(Card {
        client: identity.client,
        ta,
    })
}

/// The shell command that takes one wallet off a board and puts another one there. systemd reads its units again
/// only where they change, since that is most of the work.
fn switching(from: Option<Who>, to: Option<Who>) -> String {
    let mut steps = vec![format!("systemctl stop {UNITS}")];
    let (had_tpm, has_tpm) = (
        from.is_some_and(Who::uses_tpm),
        to.is_some_and(Who::uses_tpm),
    );
    if has_tpm {
        steps.push(format!("mkdir -p {TPM_DROP_IN_FOLDER}"));
        let file = format!("{TPM_DROP_IN_FOLDER}/tpm.conf");
        steps.push(format!("cat > {file} <<'END'\n{TPM_DROP_IN}\nEND\n"));
    } else if had_tpm {
        steps.push(format!("rm -rf {TPM_DROP_IN_FOLDER}"));
    }
    if had_tpm != has_tpm {
        steps.push("systemctl daemon-reload".to_owned());
    }
    steps.extend(from.map(|who| put_aside(who.name())));
    steps.push(take_out(to.map_or(BEFORE, Who::name)));
    steps.push("sync".to_owned());
    steps.push("systemctl reset-failed".to_owned());
    steps.push("systemctl start blepay-ta.socket blepayd".to_owned());

    format!(
        "set -e\n{}\nuntil test -S {SOCKET}; do sleep 0.1; done",
        steps.join("\n")
    )
}

fn put_aside(name: &str) -> String {
    format!(
        "mkdir -p {DRAWER}/{name} && for part in blepay blepay-ta; do if [ -d /var/lib/$part ]; then mv /var/lib/$part {DRAWER}/{name}/; fi; done"
    )
}

fn take_out(name: &str) -> String {
    format!(
        "for part in blepay blepay-ta; do if [ -d {DRAWER}/{name}/$part ]; then mv {DRAWER}/{name}/$part /var/lib/; fi; done"
    )
}
