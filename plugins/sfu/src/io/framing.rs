// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packets on a byte stream: a 16-bit length before each (RFC 4571 §2).

/// The longest frame taken. No WebRTC peer sends more than 1,500 bytes of media or 2,048 bytes of DTLS in one packet; a larger length is
/// not framing but another protocol.
pub(crate) const MAX_FRAME: usize = 4_096;
/// Bytes of the length.
pub(crate) const PREFIX: usize = 2;

/// The peer does not speak RFC 4571.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {0} bytes; at most {MAX_FRAME} are taken")]
pub(crate) struct FrameTooLong(usize);

/// Cuts a stream into frames. It holds at most one incomplete frame.
#[derive(Debug, Default)]
pub(crate) struct Deframer {
    partial: Vec<u8>,
}

impl Deframer {
    /// Takes the next bytes of the stream and hands out the frames that they complete. Empty frames are skipped.
    ///
    /// # Errors
    /// A length that no packet has. The stream cannot be followed beyond it.
    pub(crate) fn push(
        &mut self,
        mut input: &mut [u8],
        mut each: impl FnMut(&mut [u8]),
    ) -> Result<(), FrameTooLong> {
        while !self.partial.is_empty() {
            let missing = self.missing()?;
            if missing > input.len() {
                self.partial.extend_from_slice(input);
                return self.missing().map(drop);
            }
            let (head, rest) = input.split_at_mut(missing);
            self.partial.extend_from_slice(head);
            input = rest;
            // The length alone may have been completed; then what follows it is still missing.
            if self.partial.len() >= PREFIX && self.missing()? == 0 {
                hand_out(&mut self.partial[PREFIX..], &mut each);
                self.partial.clear();
            }
        }
        while let Some(len) = length(input)? {
            if input.len() < PREFIX + len {
                break;
            }
            let (frame, rest) = input.split_at_mut(PREFIX + len);
            hand_out(&mut frame[PREFIX..], &mut each);
            input = rest;
        }
        self.partial.extend_from_slice(input);
        Ok(())
    }

    /// Bytes missing to complete the length, or the frame when the length is known.
    fn missing(&self) -> Result<usize, FrameTooLong> {
        let whole = length(&self.partial)?.map_or(PREFIX, |len| PREFIX + len);
        Ok(whole - self.partial.len())
    }
}

fn length(data: &[u8]) -> Result<Option<usize>, FrameTooLong> {
    match data
        .first_chunk::<PREFIX>()
        .map(|prefix| usize::from(u16::from_be_bytes(*prefix)))
    {
        Some(len) if len > MAX_FRAME => Err(FrameTooLong(len)),
        len => Ok(len),
    }
}

fn hand_out(frame: &mut [u8], each: &mut impl FnMut(&mut [u8])) {
    if !frame.is_empty() {
        each(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(frames: &[&[u8]]) -> Vec<u8> {
        frames
            .iter()
            .flat_map(|f| {
                (f.len() as u16)
                    .to_be_bytes()
                    .into_iter()
                    .chain(f.iter().copied())
            })
            .collect()
    }

    fn read(stream: &[u8], step: usize) -> Result<Vec<Vec<u8>>, FrameTooLong> {
        let (mut deframer, mut frames) = (Deframer::default(), Vec::new());
        for piece in stream.to_vec().chunks_mut(step) {
            deframer.push(piece, |frame| frames.push(frame.to_vec()))?;
        }
        Ok(frames)
    }

    #[test]
    fn frames_come_out_whole_however_the_stream_is_cut() {
        let long = vec![9; MAX_FRAME];
        let frames: [&[u8]; 5] = [b"a", b"bcd", &long, b"ef", b"g"];
        let stream = stream(&frames);
        for step in (1..20).chain([100, 4_095, 4_097, stream.len()]) {
            assert_eq!(
                read(&stream, step).expect("valid frames"),
                frames,
                "in steps of {step}"
            );
        }
    }

    #[test]
    fn empty_frames_are_skipped() {
        let stream = stream(&[b"", b"x", b"", b""]);
        for step in 1..5 {
            assert_eq!(read(&stream, step), Ok(vec![b"x".to_vec()]));
        }
    }

    #[test]
    fn an_incomplete_frame_is_held_back() {
        assert_eq!(read(b"\x00\x05abcd", 3), Ok(vec![]));
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_at_once_and_nothing_is_held_for_it() {
        for step in 1..4 {
            assert_eq!(
                read(b"\x00\x01aGET / HTTP/1.1", step),
                Err(FrameTooLong(0x4745))
            );
        }
    }
}
