// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where each tile goes.

use super::custom::Custom;
use super::rect::{Rect, Size};

/// A way to arrange tiles on a canvas.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Layout {
    /// All the same size, as large as they can be.
    #[default]
    Grid,
    /// One big, the others in a strip below.
    Speaker,
    /// One big, the others in a column at the right.
    Sidebar,
    /// One fills the canvas, up to three others lie small on top of it.
    Pip,
    /// One fills the canvas, nobody else is seen.
    Single,
    /// Rectangles given one by one.
    Custom(Custom),
}

/// What wants a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile<'a> {
    /// Whose picture it is.
    pub participant: &'a str,
}

/// A place for a tile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Index of the tile.
    pub tile: usize,
    /// On the canvas, edges on even pixels.
    pub rect: Rect,
    /// Higher ones lie on top.
    pub zorder: u32,
    /// 0 to 1.
    pub alpha: f64,
}

/// The shape of a tile where the layout is free to choose.
const SHAPE: Size = Size {
    width: 16,
    height: 9,
};

/// Most tiles that lie on top of the big one.
const INSETS: usize = 3;

impl Layout {
    /// The layout of that name; custom ones have none.
    pub fn named(name: &str) -> Option<Layout> {
        Some(match name {
            "grid" => Layout::Grid,
            "speaker" => Layout::Speaker,
            "sidebar" => Layout::Sidebar,
            "pip" => Layout::Pip,
            "single" => Layout::Single,
            _ => return None,
        })
    }

    /// All names that [`named`](Self::named) knows.
    pub const NAMES: [&'static str; 5] = ["grid", "speaker", "sidebar", "pip", "single"];

    /// Its name; `custom` for rectangles.
    pub fn name(&self) -> &'static str {
        match self {
            Layout::Grid => "grid",
            Layout::Speaker => "speaker",
            Layout::Sidebar => "sidebar",
            Layout::Pip => "pip",
            Layout::Single => "single",
            Layout::Custom(_) => "custom",
        }
    }

    /// Arranges tiles. Those without a place are not seen.
    ///
    /// `big` is the participant whose first tile is the big one, where the layout has one; without, or when there is no such
    /// tile, it is the first. `gap` is left free around each tile, in pixels.
    pub fn arrange(
        &self,
        canvas: Size,
        tiles: &[Tile<'_>],
        big: Option<&str>,
        gap: u32,
    ) -> Vec<Place> {
        let all: Vec<usize> = (0..tiles.len()).collect();
        let area = canvas.rect();
        match self {
            Layout::Custom(custom) => custom.arrange(canvas, tiles),
            Layout::Grid => grid(area, &all, gap),
            Layout::Speaker | Layout::Sidebar | Layout::Pip | Layout::Single => {
                let Some(big) = index_of(tiles, big) else {
                    return Vec::new();
                };
                let others: Vec<usize> = all.into_iter().filter(|tile| *tile != big).collect();
                self.around(area, big, &others, gap)
            }
        }
    }

    fn around(&self, area: Rect, big: usize, others: &[usize], gap: u32) -> Vec<Place> {
        let (main, rest) = match self {
            Layout::Speaker if !others.is_empty() => split_below(area),
            Layout::Sidebar if !others.is_empty() => split_right(area),
            _ => (area, Rect::default()),
        };
        let mut places: Vec<Place> = place(main.shrunk(gap), big, 0).into_iter().collect();
        match self {
            Layout::Pip => places.extend(insets(area, others, gap)),
            Layout::Speaker | Layout::Sidebar => places.extend(grid(rest, others, gap)),
            _ => {}
        }
        places
    }
}

/// The tile that is big.
fn index_of(tiles: &[Tile<'_>], big: Option<&str>) -> Option<usize> {
    let named = big.and_then(|big| tiles.iter().position(|tile| tile.participant == big));
    named.or((!tiles.is_empty()).then_some(0))
}

fn place(rect: Rect, tile: usize, zorder: u32) -> Option<Place> {
    let rect = rect.even();
    (rect.area() > 0).then_some(Place {
        tile,
        rect,
        zorder,
        alpha: 1.0,
    })
}

/// The upper four fifths, and the strip below.
fn split_below(area: Rect) -> (Rect, Rect) {
    let strip = (area.height / 5) & !1;
    let main = Rect::new(area.x, area.y, area.width, area.height - strip);
    (
        main,
        Rect::new(area.x, main.bottom() as i32, area.width, strip),
    )
}

/// The left three quarters, and the column beside.
fn split_right(area: Rect) -> (Rect, Rect) {
    let column = (area.width / 4) & !1;
    let main = Rect::new(area.x, area.y, area.width - column, area.height);
    (
        main,
        Rect::new(main.right() as i32, area.y, column, area.height),
    )
}

/// Small ones in a row, from the lower right corner.
fn insets(area: Rect, others: &[usize], gap: u32) -> Vec<Place> {
    let (width, height) = (area.width / 4, area.height / 4);
    let margin = (area.height / 36).max(gap);
    let y = area.bottom() - i64::from(height) - i64::from(margin);
    let at = |(n, tile): (usize, &usize)| {
        let n = n as i64 + 1;
        let x = area.right() - n * (i64::from(width) + i64::from(margin));
        let rect = Rect::new(x as i32, y as i32, width, height);
        let there_is_room = area.contains(&rect);
        there_is_room.then(|| place(rect, *tile, n as u32))?
    };
    others
        .iter()
        .take(INSETS)
        .enumerate()
        .filter_map(at)
        .collect()
}

/// As many columns as make the tiles largest; the last row is in the middle.
fn grid(area: Rect, tiles: &[usize], gap: u32) -> Vec<Place> {
    if tiles.is_empty() {
        return Vec::new();
    }
    let (columns, tile) = best_grid(area, tiles.len(), gap);
    let rows = tiles.len().div_ceil(columns);
    let pitch = (tile.width + 2 * gap, tile.height + 2 * gap);
    let block = area.centred(pitch.0 * columns as u32, pitch.1 * rows as u32);
    let at = |(n, index): (usize, &usize)| {
        let (row, column) = (n / columns, n % columns);
        let in_row = columns.min(tiles.len() - row * columns);
        let free = (columns - in_row) as u32 * pitch.0 / 2;
        // An odd corner would cost each tile two pixels.
        let x = (block.x & !1) + (free + column as u32 * pitch.0) as i32;
        let y = (block.y & !1) + (row as u32 * pitch.1) as i32;
        let cell = Rect::new(x, y, pitch.0, pitch.1);
        place(cell.shrunk(gap), *index, 0)
    };
    tiles.iter().enumerate().filter_map(at).collect()
}

/// The number of columns, and the size of a tile.
fn best_grid(area: Rect, count: usize, gap: u32) -> (usize, Size) {
    let tile = |columns: usize| {
        let rows = count.div_ceil(columns);
        let cell = Rect::new(0, 0, area.width / columns as u32, area.height / rows as u32);
        cell.shrunk(gap).inscribed(SHAPE).even().size()
    };
    let options = (1..=count).map(|columns| (columns, tile(columns)));
    options
        .max_by_key(|(_, tile)| tile.rect().area())
        .expect("there is at least one tile")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HD: Size = Size {
        width: 1280,
        height: 720,
    };

    fn tiles(names: &[&'static str]) -> Vec<Tile<'static>> {
        names
            .iter()
            .map(|participant| Tile { participant })
            .collect()
    }

    fn rects(places: &[Place]) -> Vec<(i32, i32, u32, u32)> {
        let rect = |p: &Place| (p.rect.x, p.rect.y, p.rect.width, p.rect.height);
        places.iter().map(rect).collect()
    }

    #[test]
    fn grids_of_a_few() {
        let grid =
            |names: &[&'static str]| rects(&Layout::Grid.arrange(HD, &tiles(names), None, 0));
        assert_eq!(grid(&[]), []);
        assert_eq!(grid(&["a"]), [(0, 0, 1280, 720)]);
        assert_eq!(
            grid(&["a", "b"]),
            [(0, 180, 640, 360), (640, 180, 640, 360)]
        );
        assert_eq!(
            grid(&["a", "b", "c"]),
            [(0, 0, 640, 360), (640, 0, 640, 360), (320, 360, 640, 360)]
        );
        assert_eq!(grid(&["a"; 9]).last(), Some(&(852, 478, 426, 238)));
    }

    #[test]
    fn a_tall_canvas_gets_one_column() {
        let tall = Size {
            width: 360,
            height: 640,
        };
        let places = Layout::Grid.arrange(tall, &tiles(&["a", "b", "c"]), None, 0);
        assert!(places.iter().all(|place| place.rect.x == 0), "{places:?}");
    }

    #[test]
    fn the_speaker_is_big() {
        let names = tiles(&["a", "b", "c"]);
        let places = Layout::Speaker.arrange(HD, &names, Some("b"), 0);
        assert_eq!(
            (places[0].tile, places[0].rect),
            (1, Rect::new(0, 0, 1280, 576))
        );
        assert!(places[1..].iter().all(|place| place.rect.y >= 576));
        let nobody = Layout::Speaker.arrange(HD, &names, Some("zoe"), 0);
        assert_eq!(
            nobody[0].tile, 0,
            "the first, when there is no such participant"
        );
    }

    #[test]
    fn one_alone_has_the_whole_canvas() {
        for name in Layout::NAMES {
            let layout = Layout::named(name).expect("it is a name");
            let places = layout.arrange(HD, &tiles(&["a"]), None, 0);
            assert_eq!(rects(&places), [(0, 0, 1280, 720)], "{name}");
            assert_eq!(layout.name(), name);
        }
    }

    #[test]
    fn insets_lie_on_top() {
        let places = Layout::Pip.arrange(HD, &tiles(&["a", "b", "c", "d", "e"]), None, 0);
        assert_eq!(places.len(), 4);
        assert_eq!(rects(&places)[1], (940, 520, 320, 180));
        assert!(
            places[1..]
                .iter()
                .all(|place| place.zorder > places[0].zorder)
        );
        let single = Layout::Single.arrange(HD, &tiles(&["a", "b"]), Some("b"), 0);
        assert_eq!((single.len(), single[0].tile), (1, 1));
    }

    proptest! {
        #[test]
        fn tiles_are_on_the_canvas_and_apart(
            name in proptest::sample::select(&Layout::NAMES[..]),
            count in 0..60usize, width in 32..4000u32, height in 32..3000u32, gap in 0..8u32, big in 0..60usize,
        ) {
            let names: Vec<String> = (0..count).map(|n| n.to_string()).collect();
            let tiles: Vec<_> = names.iter().map(|name| Tile { participant: name }).collect();
            let canvas = Size { width, height };
            let layout = Layout::named(name).expect("it is a name");
            let places = layout.arrange(canvas, &tiles, Some(&big.to_string()), gap);
            for (n, place) in places.iter().enumerate() {
                let rect = place.rect;
                prop_assert!(canvas.rect().contains(&rect), "{:?}", rect);
                prop_assert_eq!((rect.x % 2, rect.y % 2, rect.width % 2, rect.height % 2), (0, 0, 0, 0));
                for other in &places[n + 1..] {
                    prop_assert_ne!(place.tile, other.tile);
                    let apart = rect.intersection(&other.rect).is_none();
                    prop_assert!(apart || place.zorder != other.zorder, "{:?} {:?}", rect, other);
                }
            }
            if name == "grid" && width >= 640 && height >= 480 {
                prop_assert_eq!(places.len(), count, "a grid shows everybody");
            }
        }

        #[test]
        fn no_other_number_of_columns_would_be_better(count in 1..40usize, width in 320..4000u32, height in 240..3000u32) {
            let area = Rect::new(0, 0, width, height);
            let (_, best) = best_grid(area, count, 0);
            for columns in 1..=count as u32 {
                let rows = (count as u32).div_ceil(columns);
                let cell = Rect::new(0, 0, width / columns, height / rows);
                prop_assert!(cell.inscribed(SHAPE).even().area() <= best.rect().area());
            }
        }
    }
}
