// SPDX-License-Identifier: MIT OR Apache-2.0

/// How many indices behind the highest a packet may still be new.
pub const REPLAY_WINDOW: u64 = 128;

/// Which packet indices of one source were already taken (RFC 3711 §3.3.2), and the highest of them.
#[derive(Clone, Copy, Debug)]
pub struct ReplayWindow {
    highest: u64,
    /// Bit n: index `highest - n` was taken.
    taken: u128,
}

impl ReplayWindow {
    /// A window in which the first index is taken.
    pub fn new(first: u64) -> ReplayWindow {
        ReplayWindow {
            highest: first,
            taken: 1,
        }
    }

    /// True when the index was not taken and is not too old.
    pub fn is_new(&self, index: u64) -> bool {
        match self.highest.checked_sub(index) {
            None => true,
            Some(age) => age < REPLAY_WINDOW && self.taken & (1 << age) == 0,
        }
    }

    /// Takes an index. Only for packets that were authenticated.
    pub fn take(&mut self, index: u64) {
        match index.checked_sub(self.highest) {
            Some(step) => {
                self.taken = if step < REPLAY_WINDOW {
                    self.taken << step
                } else {
                    0
                } | 1;
                self.highest = index;
            }
            None => {
                let age = self.highest - index;
                if age < REPLAY_WINDOW {
                    self.taken |= 1 << age;
                }
            }
        }
    }

    /// The index that a sequence number most likely means: the one nearest to the highest (RFC 3711 §3.3.1).
    pub fn estimate(&self, sequence: u16) -> u64 {
        let roc = self.highest >> 16;
        let last = self.highest as u16;
        let roc = if last < 0x8000 && sequence.wrapping_sub(last) > 0x8000 && sequence > last {
            roc.saturating_sub(1)
        } else if last >= 0x8000 && sequence < last - 0x8000 {
            // 48 bits: after the last index comes no other, and the tag will not match.
            (roc + 1) & 0xffff_ffff
        } else {
            roc
        };
        roc << 16 | u64::from(sequence)
    }
}

/// The windows of the sources of one session. Bounded: a peer cannot make it grow.
#[derive(Default)]
pub(super) struct ReplayTable {
    ssrcs: Vec<u32>,
    windows: Vec<ReplayWindow>,
    /// Where the last packet was found; packets come in runs.
    last: usize,
}

impl ReplayTable {
    pub(super) fn find(&mut self, ssrc: u32) -> Option<&mut ReplayWindow> {
        if self.ssrcs.get(self.last) != Some(&ssrc) {
            self.last = self.ssrcs.iter().position(|known| *known == ssrc)?;
        }
        self.windows.get_mut(self.last)
    }

    pub(super) fn len(&self) -> usize {
        self.ssrcs.len()
    }

    /// Takes an index of a source, which may be new. Only for packets that were authenticated.
    pub(super) fn take(&mut self, ssrc: u32, index: u64) {
        match self.find(ssrc) {
            Some(window) => window.take(index),
            None => {
                self.ssrcs.push(ssrc);
                self.windows.push(ReplayWindow::new(index));
            }
        }
    }
}
