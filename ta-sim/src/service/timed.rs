//! A stream on which a whole frame must pass before a deadline, however slowly its bytes drip.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

pub(super) struct Timed<'a> {
    stream: &'a UnixStream,
    begun: Instant,
    time_max: Duration,
}

impl<'a> Timed<'a> {
    pub(super) fn new(stream: &'a UnixStream, time_max: Duration) -> Self {
        Self {
            stream,
            begun: Instant::now(),
            time_max,
        }
    }

    fn rest(&self) -> io::Result<Duration> {
        let rest = self.time_max.saturating_sub(self.begun.elapsed());
        if rest.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }

        Ok(rest)
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.rest()?))?;
        let mut stream = self.stream;

        stream.read(bytes)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.rest()?))?;
        let mut stream = self.stream;

        stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
