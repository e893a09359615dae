// SPDX-License-Identifier: MIT OR Apache-2.0
//! A layout of rectangles given one by one.

use super::layout::{Place, Tile};
use super::rect::{Rect, Size};

/// One rectangle.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// In pixels of the canvas it was made for.
    pub rect: Rect,
    /// Whose tile goes there. None: the next one that has no rectangle of its own.
    pub participant: Option<String>,
    /// Higher ones lie on top; of equal ones the later.
    pub zorder: u32,
    /// 0 to 1.
    pub alpha: f64,
}

/// Rectangles that are known to be possible.
#[derive(Clone, Debug, PartialEq)]
pub struct Custom {
    canvas: Size,
    slots: Vec<Slot>,
}

/// Why a layout is refused. Rectangles are counted from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LayoutError {
    /// No rectangles.
    #[error("no tiles: give at least one rectangle")]
    Empty,
    /// More than anybody could tell apart.
    #[error("{0} tiles: at most {max} are possible", max = Custom::MAX)]
    TooMany(usize),
    /// Too small to be seen.
    #[error("tile {index}: {width}x{height} is too small: give at least {min}x{min}", min = Custom::MIN)]
    TooSmall {
        /// Of the rectangle.
        index: usize,
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
    },
    /// Partly or wholly off the canvas.
    #[error(
        "tile {index}: {width}x{height} at ({x}, {y}) is not on the canvas of {}x{}", canvas.width, canvas.height
    )]
    OffCanvas {
        /// Of the rectangle.
        index: usize,
        /// Of the left edge.
        x: i32,
        /// Of the upper edge.
        y: i32,
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
        /// What it must lie on.
        canvas: Size,
    },
    /// Not from 0 to 1.
    #[error("tile {index}: alpha {alpha} is not from 0 to 1")]
    Alpha {
        /// Of the rectangle.
        index: usize,
        /// As given.
        alpha: f64,
    },
    /// Nobody of that name is there.
    #[error("tile {index}: there is no participant {participant:?}{}", known(.there))]
    UnknownParticipant {
        /// Of the rectangle.
        index: usize,
        /// As given.
        participant: String,
        /// Who is there.
        there: Vec<String>,
    },
    /// Two rectangles for one.
    #[error("tile {index}: {participant:?} has a tile already")]
    Twice {
        /// Of the second rectangle.
        index: usize,
        /// As given.
        participant: String,
    },
}

fn known(there: &[String]) -> String {
    match there {
        [] => "; nobody is there".to_owned(),
        names => format!("; there are {}", names.join(", ")),
    }
}

impl Custom {
    /// Most rectangles of a layout.
    pub const MAX: usize = 256;
    /// Least width and height of a rectangle, in pixels.
    pub const MIN: u32 = 16;

    /// Checks rectangles for a canvas and for those who are there.
    ///
    /// # Errors
    /// The first reason why they cannot be.
    pub fn new(canvas: Size, slots: Vec<Slot>, there: &[String]) -> Result<Custom, LayoutError> {
        match slots.len() {
            0 => return Err(LayoutError::Empty),
            n if n > Custom::MAX => return Err(LayoutError::TooMany(n)),
            _ => {}
        }
        for (index, slot) in slots.iter().enumerate() {
            check_rect(canvas, index, slot)?;
            check_participant(index, slot, &slots[..index], there)?;
        }
        Ok(Custom { canvas, slots })
    }

    /// The canvas it was made for; on another one it is scaled.
    pub fn canvas(&self) -> Size {
        self.canvas
    }

    /// The rectangles.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub(super) fn arrange(&self, canvas: Size, tiles: &[Tile<'_>]) -> Vec<Place> {
        let reserved: Vec<Option<usize>> = (self.slots.iter())
            .map(|slot| tile_of(tiles, slot.participant.as_deref()?))
            .collect();
        let mut free = (0..tiles.len()).filter(|tile| !reserved.contains(&Some(*tile)));
        let of_slot = |(n, (slot, reserved)): (usize, (&Slot, &Option<usize>))| {
            let tile = match slot.participant {
                Some(_) => *reserved,
                None => free.next(),
            }?;
            Some(Place {
                tile,
                rect: self.scaled(slot.rect, canvas),
                zorder: slot.zorder.saturating_mul(Custom::MAX as u32) + n as u32,
                alpha: slot.alpha,
            })
        };
        let places = self.slots.iter().zip(&reserved).enumerate();
        places
            .filter_map(of_slot)
            .filter(|place| place.rect.area() > 0)
            .collect()
    }

    fn scaled(&self, rect: Rect, canvas: Size) -> Rect {
        let along = |value: i64, to: u32, from: u32| value * i64::from(to) / i64::from(from);
        let x = along(rect.x.into(), canvas.width, self.canvas.width);
        let y = along(rect.y.into(), canvas.height, self.canvas.height);
        let right = along(rect.right(), canvas.width, self.canvas.width);
        let bottom = along(rect.bottom(), canvas.height, self.canvas.height);
        Rect::new(x as i32, y as i32, (right - x) as u32, (bottom - y) as u32).even()
    }
}

fn tile_of(tiles: &[Tile<'_>], participant: &str) -> Option<usize> {
    tiles
        .iter()
        .position(|tile| tile.participant == participant)
}

fn check_rect(canvas: Size, index: usize, slot: &Slot) -> Result<(), LayoutError> {
    let Rect {
        x,
        y,
        width,
        height,
    } = slot.rect;
    if width < Custom::MIN || height < Custom::MIN {
        return Err(LayoutError::TooSmall {
            index,
            width,
            height,
        });
    }
    if !canvas.rect().contains(&slot.rect) {
        return Err(LayoutError::OffCanvas {
            index,
            x,
            y,
            width,
            height,
            canvas,
        });
    }
    if !(0.0..=1.0).contains(&slot.alpha) {
        let alpha = slot.alpha;
        return Err(LayoutError::Alpha { index, alpha });
    }
    Ok(())
}

fn check_participant(
    index: usize,
    slot: &Slot,
    earlier: &[Slot],
    there: &[String],
) -> Result<(), LayoutError> {
    let Some(participant) = &slot.participant else {
        return Ok(());
    };
    if !there.contains(participant) {
        return Err(LayoutError::UnknownParticipant {
            index,
            participant: participant.clone(),
            there: there.to_vec(),
        });
    }
    if earlier
        .iter()
        .any(|slot| slot.participant.as_ref() == Some(participant))
    {
        return Err(LayoutError::Twice {
            index,
            participant: participant.clone(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcu::layout::Layout;
    use proptest::prelude::*;

    const HD: Size = Size {
        width: 1280,
        height: 720,
    };

    fn slot(x: i32, y: i32, width: u32, height: u32, participant: Option<&str>) -> Slot {
        Slot {
            rect: Rect::new(x, y, width, height),
            participant: participant.map(str::to_owned),
            zorder: 0,
            alpha: 1.0,
        }
    }

    fn refused(slots: Vec<Slot>) -> String {
        let there = ["alice".to_owned(), "bob".to_owned()];
        let error = Custom::new(HD, slots, &there).expect_err("it is impossible");
        error.to_string()
    }

    #[test]
    fn refusals_say_why() {
        assert_eq!(refused(vec![]), "no tiles: give at least one rectangle");
        assert_eq!(
            refused(vec![slot(1000, 0, 640, 360, None)]),
            "tile 0: 640x360 at (1000, 0) is not on the canvas of 1280x720"
        );
        assert_eq!(
            refused(vec![slot(0, 0, 0, 360, None)]),
            "tile 0: 0x360 is too small: give at least 16x16"
        );
        assert_eq!(
            refused(vec![slot(0, 0, 64, 64, Some("carol"))]),
            "tile 0: there is no participant \"carol\"; there are alice, bob"
        );
        let twice = slot(0, 0, 64, 64, Some("bob"));
        assert_eq!(
            refused(vec![twice.clone(), twice]),
            "tile 1: \"bob\" has a tile already"
        );
        let faint = Slot {
            alpha: f64::NAN,
            ..slot(0, 0, 64, 64, None)
        };
        assert_eq!(refused(vec![faint]), "tile 0: alpha NaN is not from 0 to 1");
    }

    #[test]
    fn named_rectangles_are_kept_for_whom_they_name() {
        let there = ["alice".to_owned(), "bob".to_owned()];
        let slots = vec![
            slot(0, 0, 640, 720, None),
            slot(640, 0, 640, 720, Some("alice")),
        ];
        let layout = Layout::Custom(Custom::new(HD, slots, &there).expect("possible"));
        let tiles = ["alice", "bob", "carol"].map(|participant| Tile { participant });
        let places = layout.arrange(HD, &tiles, None, 0);
        let seen: Vec<_> = places
            .iter()
            .map(|place| (place.tile, place.rect.x))
            .collect();
        assert_eq!(seen, [(1, 0), (0, 640)]);
        let without_alice = layout.arrange(HD, &tiles[1..], None, 0);
        assert_eq!(without_alice.len(), 1, "alice's place stays empty");
    }

    #[test]
    fn another_canvas_scales_it() {
        let slots = vec![slot(640, 360, 640, 360, None)];
        let layout = Layout::Custom(Custom::new(HD, slots, &[]).expect("possible"));
        let half = Size {
            width: 640,
            height: 360,
        };
        let places = layout.arrange(half, &[Tile { participant: "a" }], None, 0);
        assert_eq!(places[0].rect, Rect::new(320, 180, 320, 180));
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_on_any_canvas(
            x in -100..1400i32, y in -100..800i32, w in 0..1500u32, h in 0..900u32, cw in 32..4000u32, ch in 32..3000u32,
        ) {
            let canvas = Size { width: cw, height: ch };
            if let Ok(custom) = Custom::new(HD, vec![slot(x, y, w, h, None)], &[]) {
                for place in Layout::Custom(custom).arrange(canvas, &[Tile { participant: "a" }], None, 0) {
                    prop_assert!(canvas.rect().contains(&place.rect));
                }
            }
        }
    }
}
