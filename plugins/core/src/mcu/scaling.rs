// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a picture meets a tile of another shape.

use super::rect::{Rect, Size};

/// What is done when a picture and its tile differ in shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scaling {
    /// The whole picture, with bars of background beside it.
    Fit,
    /// The whole picture, stretched.
    Fill,
    /// The middle of the picture, the tile full.
    #[default]
    Crop,
}

/// Pixels cut off a picture before it is scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cut {
    /// From the left.
    pub left: u32,
    /// From the right.
    pub right: u32,
    /// From above.
    pub top: u32,
    /// From below.
    pub bottom: u32,
}

/// What of the picture is shown, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Where on the canvas the rest of the picture goes.
    pub rect: Rect,
    /// What does not go there.
    pub cut: Cut,
}

impl Scaling {
    /// Brings a picture into a tile.
    ///
    /// `pixels` is the picture's size as it comes, `shown` the same with square pixels (it differs for anamorphic video).
    pub fn place(self, tile: Rect, pixels: Size, shown: Size) -> Placed {
        let whole = |rect| Placed {
            rect,
            cut: Cut::default(),
        };
        if pixels.is_empty() || shown.is_empty() || tile.area() == 0 {
            return whole(tile);
        }
        match self {
            Scaling::Fill => whole(tile),
            Scaling::Fit => whole(tile.inscribed(shown).even()),
            Scaling::Crop => Placed {
                rect: tile,
                cut: cut(tile.size(), pixels, shown),
            },
        }
    }
}

/// Cuts evenly on both sides, on even pixels; the rest has the shape of the tile.
fn cut(tile: Size, pixels: Size, shown: Size) -> Cut {
    let kept = shown.rect().inscribed(tile);
    let side = |pixels: u32, shown: u32, kept: u32| {
        let surplus = u64::from(shown - kept) * u64::from(pixels) / u64::from(shown) / 2;
        (surplus as u32 & !1).min(pixels.saturating_sub(2) / 2)
    };
    let x = side(pixels.width, shown.width, kept.width);
    let y = side(pixels.height, shown.height, kept.height);
    Cut {
        left: x,
        right: x,
        top: y,
        bottom: y,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HD: Size = Size {
        width: 1280,
        height: 720,
    };

    #[test]
    fn a_wide_picture_in_a_square_tile() {
        let tile = Rect::new(100, 100, 360, 360);
        assert_eq!(Scaling::Fill.place(tile, HD, HD).rect, tile);
        let fit = Scaling::Fit.place(tile, HD, HD);
        assert_eq!(fit.rect, Rect::new(100, 180, 360, 200));
        let crop = Scaling::Crop.place(tile, HD, HD);
        assert_eq!((crop.rect, crop.cut.left, crop.cut.top), (tile, 280, 0));
    }

    #[test]
    fn anamorphic_pictures_are_cut_in_their_own_pixels() {
        let stored = Size {
            width: 720,
            height: 576,
        };
        let shown = Size {
            width: 1024,
            height: 576,
        };
        let tile = Rect::new(0, 0, 576, 576);
        let cut = Scaling::Crop.place(tile, stored, shown).cut;
        // 448 of 1024 go, which are 315 of 720.
        assert_eq!((cut.left, cut.right), (156, 156));
    }

    proptest! {
        #[test]
        fn something_is_always_left(w in 1..5000u32, h in 1..5000u32, tw in 1..2000u32, th in 1..2000u32) {
            let picture = Size { width: w, height: h };
            let tile = Rect::new(0, 0, tw, th);
            for scaling in [Scaling::Fit, Scaling::Fill, Scaling::Crop] {
                let Placed { rect, cut } = scaling.place(tile, picture, picture);
                prop_assert!(rect.area() == 0 || tile.contains(&rect));
                prop_assert!(cut.left + cut.right < w && cut.top + cut.bottom < h);
            }
        }
    }
}
