// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sequence numbers of a source to ours and back, with what is left out closed up.
//!
//! As long as nothing is left out this is one subtraction. Every packet left out ends a [`Stretch`]; the next one begins a new
//! one, and enough of them are remembered to answer NACKs. A number that was never seen is kept free: whether it belongs
//! to something left out is known only when it comes after all.

use std::collections::VecDeque;

/// Stretches remembered: at 30 pictures a second, with something left out of each, four seconds.
const STRETCHES: usize = 128;

/// Source numbers that follow each other in ours too.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    source: u64,
    /// The first source number behind it.
    end: u64,
    out: u64,
    pictures: u16,
}

impl Stretch {
    fn place(&self, source: u64) -> Option<Placed> {
        (self.source..self.end)
            .contains(&source)
            .then(|| self.number(source))
    }

    fn number(&self, source: u64) -> Placed {
        Placed {
            sequence: source - self.source + self.out,
            pictures: self.pictures,
        }
    }

    fn out_end(&self) -> u64 {
        self.out + (self.end - self.source)
    }

    fn source_of(&self, out: u64) -> Option<u64> {
        (self.out..self.out_end())
            .contains(&out)
            .then(|| out - self.out + self.source)
    }
}

/// Our number of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Placed {
    /// Our sequence number.
    pub(super) sequence: u64,
    /// Pictures left out before it, modulo 2^16.
    pub(super) pictures: u16,
}

/// Where a source number stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// Newer than everything so far.
    New,
    /// It has a number of ours.
    Known(Placed),
    /// It was left out, or is from before.
    Nowhere,
}

/// The map.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    current: Stretch,
    /// The newest packet was left out, so the current stretch has ended.
    closed: bool,
    /// The number after the newest seen.
    next: u64,
    pictures: u16,
    earlier: VecDeque<Stretch>,
}

impl Numbers {
    /// A map that begins with `source`, which becomes `out`.
    pub(super) fn new(source: u64, out: u64) -> Numbers {
        let current = Stretch {
            source,
            end: source,
            out,
            pictures: 0,
        };
        Numbers {
            current,
            closed: false,
            next: source,
            pictures: 0,
            earlier: VecDeque::new(),
        }
    }

    /// The first of our numbers it ever gave out or kept free, as far as it remembers.
    pub(super) fn first(&self) -> u64 {
        self.earlier.front().unwrap_or(&self.current).out
    }

    /// The source number behind the newest seen.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Where a source number stands.
    pub(super) fn place(&self, source: u64) -> Place {
        if source >= self.next {
            return Place::New;
        }
        let known = self.current.place(source).or_else(|| {
            self.earlier
                .iter()
                .rev()
                .find_map(|stretch| stretch.place(source))
        });
        known.map_or(Place::Nowhere, Place::Known)
    }

    /// Gives a new packet its number; those missing before it keep theirs free.
    pub(super) fn take(&mut self, source: u64) -> Placed {
        debug_assert!(source >= self.next, "a new packet");
        self.reopen();
        self.next = source + 1;
        self.current.end = self.next;
        self.current.number(source)
    }

    /// Leaves a new packet out; `picture`: it is the first of a picture left out as a whole.
    pub(super) fn leave_out(&mut self, source: u64, picture: bool) {
        debug_assert!(source >= self.next, "a new packet");
        if source > self.next {
            self.reopen();
            self.current.end = source;
        }
        self.closed = true;
        self.next = source + 1;
        self.pictures = self.pictures.wrapping_add(u16::from(picture));
    }

    /// The source's number for ours.
    pub(super) fn source_of(&self, out: u64) -> Option<u64> {
        let stretches = std::iter::once(&self.current).chain(self.earlier.iter().rev());
        stretches.filter_map(|s| s.source_of(out)).next()
    }

    fn reopen(&mut self) {
        if !std::mem::take(&mut self.closed) {
            return;
        }
        let out = self.current.out_end();
        if self.current.end > self.current.source {
            if self.earlier.len() == STRETCHES {
                self.earlier.pop_front();
            }
            self.earlier.push_back(self.current);
        }
        self.current = Stretch {
            source: self.next,
            end: self.next,
            out,
            pictures: self.pictures,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn sequence(place: Place) -> u64 {
        match place {
            Place::Known(placed) => placed.sequence,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_anything_left_out_numbers_are_shifted() {
        let mut numbers = Numbers::new(100, 7);
        assert_eq!(
            [100, 101, 104].map(|n| numbers.take(n).sequence),
            [7, 8, 11]
        );
        assert_eq!(sequence(numbers.place(102)), 9);
        assert_eq!(numbers.place(99), Place::Nowhere);
        assert_eq!(numbers.place(105), Place::New);
        assert_eq!(numbers.source_of(9), Some(102));
        assert_eq!((numbers.source_of(6), numbers.source_of(12)), (None, None));
        assert!(numbers.earlier.is_empty());
    }

    #[test]
    fn what_is_left_out_is_closed_up_and_what_is_missing_stays_free() {
        let mut numbers = Numbers::new(10, 1);
        numbers.take(10);
        numbers.leave_out(11, true);
        numbers.leave_out(12, false);
        // 13 is missing.
        numbers.leave_out(14, true);
        let placed = numbers.take(15);
        assert_eq!((placed.sequence, placed.pictures), (3, 2));
        assert_eq!(sequence(numbers.place(13)), 2);
        assert_eq!(numbers.place(12), Place::Nowhere);
        assert_eq!(
            [1, 2, 3].map(|n| numbers.source_of(n)),
            [10, 13, 15].map(Some)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Each packet comes (0), is left out (1) or is missing (2).
        #[test]
        fn our_numbers_have_no_gap_but_those_of_missing_packets(fates in proptest::collection::vec(0u8..3, 1..300)) {
            let mut numbers = Numbers::new(0, 1000);
            let mut expected = 1000;
            let mut given = BTreeMap::new();
            for (source, fate) in (0u64..).zip(&fates) {
                match fate {
                    0 => {
                        prop_assert_eq!(numbers.take(source).sequence, expected);
                        given.insert(expected, source);
                    }
                    1 => numbers.leave_out(source, false),
                    _ => {}
                }
                expected += u64::from(*fate != 1);
            }
            prop_assert!(numbers.earlier.len() <= STRETCHES);
            for (out, source) in given.into_iter().filter(|(out, _)| *out >= numbers.first()) {
                prop_assert_eq!(numbers.source_of(out), Some(source));
                prop_assert_eq!(sequence(numbers.place(source)), out);
            }
        }
    }
}
