//! What comes between while somebody pays.

use std::fmt;
use std::time::Duration;

use crate::rng::Rng;
use crate::steps::read_person;
use crate::town::Town;
use crate::words::scan;

/// What comes between, and when, from the moment at which the payer begins.
#[derive(Clone, Copy)]
pub(super) struct Trouble {
    what: What,
    after_ms: u64,
}

#[derive(Clone, Copy)]
enum What {
    LinkBreaks,
    DeviceDies(&'static str),
    /// It starts again only when so many minutes are over.
    DeviceGoesOff(&'static str, u64),
    ServerDies,
}

impl Trouble {
    /// Draws one for half of all payments.
    pub(super) fn draw(dice: &mut Rng, payer: &'static str, payee: &'static str) -> Option<Self> {
        let (what, longest_ms) = match dice.below(10) {
            0 | 1 => (What::LinkBreaks, 500),
            2 => (What::DeviceDies(payer), 1500),
            3 => (What::DeviceDies(payee), 1500),
            4 => (What::DeviceGoesOff(payee, 1), 1500),
            _ => return None,
        };

        Some(Self {
            what,
            after_ms: dice.between(0, longest_ms),
        })
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let (text, after) = text.split_once(" after ")?;
        let after_ms = after.strip_suffix(" ms")?.parse().ok()?;
        let what = match text {
            "the link breaks" => What::LinkBreaks,
            "the server dies" => What::ServerDies,
            _ => match scan("{}'s device dies", text) {
                Some(words) => What::DeviceDies(read_person(words.first()?)?),
                None => {
                    let off = scan("{}'s device goes off", text);
                    let words =
                        off.or_else(|| scan("{}'s device goes off for {} minutes", text))?;
                    let minutes = words.get(1).map_or(Ok(1), |minutes| minutes.parse());
                    What::DeviceGoesOff(read_person(words.first()?)?, minutes.ok()?)
                }
            },
        };

        Some(Self { what, after_ms })
    }

    /// Returns how long it lasts.
    pub(super) fn lasts(&self) -> Duration {
        match self.what {
            What::DeviceGoesOff(_, minutes) => Duration::from_secs(minutes.saturating_mul(60)),
            What::LinkBreaks | What::DeviceDies(_) | What::ServerDies => Duration::ZERO,
        }
    }

    /// Lets it come while somebody pays, and returns what came of the payment.
    pub(super) async fn come_while(
        &self,
        town: &Town,
        payer: &str,
        paying: impl Future<Output = String>,
    ) -> anyhow::Result<String> {
        if let What::LinkBreaks = self.what {
            let after = Duration::from_millis(self.after_ms);
            town.weather.break_next(Some(after));
            town.count("links cut");
            let outcome = paying.await;
            town.weather.break_next(None);
            return Ok(outcome);
        }
        tokio::pin!(paying);
        let coming = self.come(town);
        tokio::pin!(coming);
        tokio::select! {
            biased; // who is paid before the trouble comes is paid
            outcome = &mut paying => {
                coming.await?;
                Ok(outcome)
            }
            came = &mut coming => {
                came?;
                match self.what {
                    What::DeviceDies(who) | What::DeviceGoesOff(who, _) if who == payer => {
                        Ok("died".to_owned())
                    }
                    What::DeviceDies(_)
                    | What::DeviceGoesOff(_, _)
                    | What::ServerDies
                    | What::LinkBreaks => Ok(paying.await),
                }
            }
        }
    }

    /// Returns when it has come.
    async fn come(&self, town: &Town) -> anyhow::Result<()> {
        town.wait(Duration::from_millis(self.after_ms)).await;
        town.count("kills");
        match self.what {
            What::LinkBreaks => Ok(()),
            What::DeviceDies(who) | What::DeviceGoesOff(who, _) => {
                if let Some(person) = town.person(who) {
                    person.kill(&town.world);
                    town.wait(self.lasts()).await;
                    person.start(&town.world, &town.air).await?;
                }

                Ok(())
            }
            What::ServerDies => {
                town.bank.kill(&town.world)?;

                town.bank.start(&town.world).await
            }
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::LinkBreaks => f.write_str("the link breaks")?,
            What::DeviceDies(who) => write!(f, "{who}'s device dies")?,
            What::DeviceGoesOff(who, 1) => write!(f, "{who}'s device goes off")?,
            What::DeviceGoesOff(who, minutes) => {
                write!(f, "{who}'s device goes off for {minutes} minutes")?;
            }
            What::ServerDies => f.write_str("the server dies")?,
        }

        write!(f, " after {} ms", self.after_ms)
    }
}
