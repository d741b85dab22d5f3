//! Strangers on the boards' air: hosts without a board, each with a radio of its own, that mean no good.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;

use crate::air::{Place, wait_for_ready};
use crate::failure::{Failure, Outcome};
use crate::process::{Process, command};

const PROGRAM: &str = include_str!("strangers.py");

/// What the strangers do; see strangers.py.
pub(crate) const WAYS: [Way; 12] = [
    Way::Silent,
    Way::Silent,
    Way::Silent,
    Way::Silent,
    Way::Reader,
    Way::Reader,
    Way::Half,
    Way::Half,
    Way::Half,
    Way::Gap,
    Way::Gap,
    Way::Copier,
];

/// What a stranger does, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    /// It connects and does nothing.
    Silent,
    /// It connects and reads `INFO`.
    Reader,
    /// It sends half a message.
    Half,
    /// It sends a frame whose counter is wrong.
    Gap,
    /// It advertises the payee's tag and hangs up.
    Copier,
}

impl Way {
    const fn word(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Reader => "reader",
            Self::Half => "half",
            Self::Gap => "gap",
            Self::Copier => "copier",
        }
    }
}

/// The running strangers; they are gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Strangers {
    process: Process,
    told: PathBuf,
}

/// What a stranger told of itself.
#[derive(Clone, Debug, Deserialize)]
struct Told {
    who: String,
    way: Way,
    at_s: f64,
    #[serde(flatten)]
    event: Event,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Connected,
    Ended {
        lasted_s: f64,
        /// Whether it could do what its way is.
        touched: bool,
    },
    HungUp,
}

/// What the strangers of one way have met with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Met {
    /// How often one did what its way is, and was let go of or has hung up.
    pub(crate) times: u32,
    /// The longest that one was connected, or is.
    pub(crate) longest_s: f64,
}

/// Returns the strangers' places on the air.
pub(crate) fn places(sockets: &Path) -> Vec<Place> {
    (0_u8..)
        .zip(WAYS)
        .map(|(number, way)| {
            let name = format!("{}{number}", way.word());
            Place {
                address: format!("00:1B:DC:0A:01:{number:02X}"),
                socket: sockets.join(format!("{name}.radio")),
                name,
            }
        })
        .collect()
}

impl Strangers {
    /// Lets the strangers in, who know the address of the payee.
    pub(crate) fn start(
        python: &Path,
        folder: &Path,
        places: &[Place],
        payee: &str,
    ) -> Outcome<Self> {
        let program = folder.join("strangers.py");
        std::fs::write(&program, PROGRAM).map_err(Failure::host("write the strangers' program"))?;
        let told = folder.join("strangers.jsonl");
        let log = File::create(folder.join("strangers.log"))
            .map_err(Failure::host("create the strangers' log"))?;
        let mut start = command(python);
        start
            .arg(&program)
            .args(["--payee", payee, "--told"])
            .arg(&told);
        for (place, way) in places.iter().zip(WAYS) {
            start.arg(format!(
                "{}={}={}",
                way.word(),
                place.name,
                place.socket.display()
            ));
        }
        start
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut process = Process::start("the strangers", &mut start)?;
        let stdout = process
            .take_stdout()
            .ok_or_else(|| Failure::Unexpected("no standard output of the strangers".to_owned()))?;
        wait_for_ready("the strangers", stdout)?;

        Ok(Self { process, told })
    }

    /// Returns what they have met with so far.
    pub(crate) fn met(&mut self) -> Outcome<BTreeMap<Way, Met>> {
        if let Some(status) = self.process.ended()? {
            return Err(Failure::Unexpected(format!(
                "the strangers ended with {status}; see strangers.log"
            )));
        }
        let text = match std::fs::read_to_string(&self.told) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Failure::host("read what the strangers tell")(error)),
        };

        Ok(sum_up(&text))
    }
}

/// Sums up what was told; a line that is half written comes whole the next time.
fn sum_up(text: &str) -> BTreeMap<Way, Met> {
    let mut met: BTreeMap<Way, Met> = WAYS.into_iter().map(|way| (way, Met::default())).collect();
    let mut connected = BTreeMap::new();
    let mut newest_s = 0.0_f64;
    for told in text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
    {
        let Told {
            who,
            way,
            at_s,
            event,
        } = told;
        newest_s = newest_s.max(at_s);
        let of_way = met.entry(way).or_default();
        match event {
            Event::Connected => {
                connected.insert(who, (way, at_s));
            }
            Event::Ended { lasted_s, touched } => {
                connected.remove(&who);
                of_way.longest_s = of_way.longest_s.max(lasted_s);
                // on the air a central that another outran notices it after the supervision timeout
                let was_there = touched && lasted_s > OUTRUN_S;
                of_way.times = of_way.times.saturating_add(was_there.into());
            }
            Event::HungUp => of_way.times = of_way.times.saturating_add(1),
        }
    }
    for (way, since_s) in connected.into_values() {
        let of_way = met.entry(way).or_default();
        of_way.longest_s = of_way.longest_s.max(newest_s - since_s);
    }

    met
}

/// Longer than the supervision timeout.
const OUTRUN_S: f64 = 0.6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_tell_is_summed_up_by_their_ways() {
        let told = concat!(
            r#"{"who": "silent0", "way": "silent", "event": "connected", "at_s": 10.0}"#,
            "\n",
            r#"{"who": "silent1", "way": "silent", "event": "connected", "at_s": 11.0}"#,
            "\n",
            r#"{"who": "silent0", "way": "silent", "event": "ended", "lasted_s": 7.5, "touched": true, "at_s": 17.5}"#,
            "\n",
            r#"{"who": "gap9", "way": "gap", "event": "ended", "lasted_s": 0.42, "touched": false, "at_s": 18.0}"#,
            "\n",
            r#"{"who": "copier11", "way": "copier", "event": "hung_up", "at_s": 30.0}"#,
            "\n",
            r#"{"who": "half"#,
        );

        let met = sum_up(told);

        assert_eq!(met.len(), 5);
        let of = |way| met.get(&way).map(|met| (met.times, met.longest_s));
        // one was let go of, and the other is still there
        assert_eq!(of(Way::Silent), Some((1, 19.0)));
        assert_eq!(of(Way::Gap), Some((0, 0.42)));
        assert_eq!(of(Way::Copier), Some((1, 0.0)));
        assert_eq!(of(Way::Half), Some((0, 0.0)));
    }

    #[test]
    fn each_stranger_has_a_place_and_an_address_of_its_own() {
        let places = places(Path::new("/tmp"));

        let addresses: std::collections::BTreeSet<_> =
            places.iter().map(|place| place.address.as_str()).collect();
        assert_eq!((places.len(), addresses.len()), (12, 12));
    }
}
