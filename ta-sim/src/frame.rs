//! Frames on the socket: the length in four bytes, the smallest first, then postcard in its canonical form.
//!
//! A command may hold a PIN, so what is read or written is wiped afterwards.

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

/// Reads one frame of at most `size_max` bytes; nothing when the peer ended before it began one.
///
/// # Errors
///
/// When the peer ends in the middle of a frame, takes too long, or the frame is too long.
pub fn read(stream: &mut impl Read, size_max: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut length = [0; 4];
    if !fill(stream, &mut length)? {
        return Ok(None);
    }
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > size_max {
        let message = format!("a frame of {length} bytes; at most {size_max} are allowed");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let mut bytes = Zeroizing::new(vec![0; length]);
    stream.read_exact(&mut bytes)?;

    Ok(Some(bytes))
}

/// Writes one frame.
///
/// # Errors
///
/// When the peer is gone or does not read.
pub fn write(stream: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the frame is too long"))?;
    let frame = Zeroizing::new([length.to_le_bytes().as_slice(), bytes].concat());
    stream.write_all(&frame)?;

    stream.flush()
}

/// Fills `bytes`; returns false when the stream ends before the first of them.
fn fill(stream: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    let Some((first, rest)) = bytes.split_first_mut() else {
        return Ok(true);
    };
    if stream.read(core::slice::from_mut(first))? == 0 {
        return Ok(false);
    }
    stream.read_exact(rest)?;

    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_back_as_it_was_written() {
        let mut wire = Vec::new();
        write(&mut wire, b"command").expect("memory takes it");

        let mut stream = wire.as_slice();
        let frame = read(&mut stream, 7).expect("it is whole");
        let expected = Zeroizing::new(b"command".to_vec());
        assert_eq!(frame, Some(expected));
        assert!(read(&mut stream, 7).expect("the end is no error").is_none());
    }

    #[test]
    fn a_frame_that_is_too_long_or_cut_short_is_an_error() {
        let mut wire = Vec::new();
        write(&mut wire, b"command").expect("memory takes it");

        assert!(read(&mut wire.as_slice(), 6).is_err());
        for end in 1..wire.len() {
            assert!(read(&mut &wire[..end], 7).is_err());
        }
        let mut huge: &[u8] = &[0xff; 8];
        assert!(read(&mut huge, 7).is_err());
    }
}
