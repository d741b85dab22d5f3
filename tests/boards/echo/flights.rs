//! What flies: the sizes of the frames of each flight.

use std::str::FromStr;

/// The largest value that a notification carries.
const NOTIFICATION_SIZE_MAX: usize = 512;
/// The largest write without response that BlueZ 5.66 hands on; it drops longer ones unsaid.
const WRITE_SIZE_MAX: usize = 510;

/// Who sends a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The central, by writes without response.
    Central,
    /// The peripheral, by notifications.
    Peripheral,
}

/// Frames that go one way before the turn changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flight {
    /// Who sends.
    pub(crate) sender: Sender,
    /// The size of each frame in bytes.
    pub(crate) frames: Vec<usize>,
}

impl Flight {
    /// Returns all bytes of the flight together.
    pub(crate) fn bytes(&self) -> usize {
        self.frames
            .iter()
            .fold(0, |sum, frame| sum.saturating_add(*frame))
    }
}

impl FromStr for Flight {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (sender, sizes) = match text.split_once(':') {
            Some(("c", sizes)) => (Sender::Central, sizes),
            Some(("s", sizes)) => (Sender::Peripheral, sizes),
            Some(_) | None => return Err(format!("`{text}`: write c:SIZES or s:SIZES")),
        };
        let frame_size_max = match sender {
            Sender::Central => WRITE_SIZE_MAX,
            Sender::Peripheral => NOTIFICATION_SIZE_MAX,
        };
        let mut frames = Vec::new();
        for size in sizes.split('+') {
            let mut left: usize = size
                .parse()
                .map_err(|_malformed| format!("`{size}` is not a number of bytes"))?;
            if left == 0 {
                return Err("a frame has at least one byte".to_owned());
            }
            while left > 0 {
                let frame = left.min(frame_size_max);
                frames.push(frame);
                left = left.saturating_sub(frame);
            }
        }

        Ok(Self { sender, frames })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_above_the_largest_value_are_split() {
        let flight: Flight = "s:800+20".parse().expect("well formed");

        assert_eq!(
            flight,
            Flight {
                sender: Sender::Peripheral,
                frames: vec![512, 288, 20]
            }
        );
        assert_eq!(flight.bytes(), 820);
        assert_eq!(
            "c:512".parse(),
            Ok(Flight {
                sender: Sender::Central,
                frames: vec![510, 2]
            })
        );
    }

    #[test]
    fn malformed_flights_are_refused_by_name() {
        for text in ["", "c", "x:5", "c:", "c:0", "c:-1", "c:5+", "s:5,6"] {
            assert!(text.parse::<Flight>().is_err(), "{text}");
        }
    }
}
