// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is on the canvas: who has a tile, where it is at this moment, and what is drawn on it.

use super::input::InputId;
use super::picture::Picture;
use super::settings::Settings;
use super::sink_pad::Wishes;
use gst_rtc_core::mcu::animation::{Animation, Pose};
use gst_rtc_core::mcu::layout::{self, Place};
use gst_rtc_core::mcu::rect::Rect;
use std::sync::Arc;
use std::time::Duration;

/// What keeps its tile when others come and go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// A stream of pictures.
    Input(InputId),
    /// Somebody without pictures.
    Participant(String),
}

/// Somebody's place in the picture, before it is known where.
pub(super) struct Seat {
    pub(super) key: Key,
    pub(super) participant: String,
    pub(super) label: String,
    pub(super) muted: bool,
    pub(super) wishes: Wishes,
    pub(super) picture: Option<Arc<Picture>>,
}

/// What is drawn for one tile, on top of the composed picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Card {
    pub(super) rect: Rect,
    pub(super) alpha: f64,
    /// The parts of it that nothing on top of it covers.
    pub(super) visible: Vec<Rect>,
    pub(super) label: String,
    pub(super) muted: bool,
    /// There is no picture: the tile is filled.
    pub(super) is_placeholder: bool,
}

struct Tile {
    seat: Seat,
    motion: Option<Animation>,
}

/// See the module.
pub(super) struct Scene {
    pub(super) settings: Settings,
    pub(super) speaker: Option<String>,
    pub(super) logo: Option<gst::Buffer>,
    tiles: Vec<Tile>,
    cards: Vec<Card>,
}

impl Scene {
    pub(super) fn new(settings: Settings) -> Scene {
        Scene {
            settings,
            speaker: None,
            logo: None,
            tiles: Vec::new(),
            cards: Vec::new(),
        }
    }

    /// Who has a tile now, in order.
    pub(super) fn seat(&mut self, seats: Vec<Seat>) {
        let mut before = std::mem::take(&mut self.tiles);
        let mut tile = |seat: Seat| {
            let known = before.iter().position(|tile| tile.seat.key == seat.key);
            let motion = known.and_then(|index| before.swap_remove(index).motion);
            Tile { seat, motion }
        };
        self.tiles = seats.into_iter().map(&mut tile).collect();
    }

    /// What is drawn on the picture that was arranged last, lowest first.
    pub(super) fn cards(&self) -> &[Card] {
        &self.cards
    }

    /// Brings every tile to where it is at this time.
    pub(super) fn arrange(&mut self, now: Duration) {
        self.move_tiles(now);
        let timeout = self.settings.freeze_timeout;
        let order = self.order();
        let mut cards: Vec<Card> = Vec::with_capacity(order.len());
        for (zorder, (_, index)) in order.iter().enumerate() {
            let tile = &self.tiles[*index];
            let Some(motion) = &tile.motion else {
                continue;
            };
            let (pose, rest) = (motion.at(now), motion.target().rect);
            let picture = tile.seat.picture.as_ref();
            let shown = picture.filter(|picture| !picture.is_frozen(now, timeout));
            match (shown, picture) {
                // 0 is what lies behind all tiles.
                (Some(picture), _) => picture.apply(rest, &self.settings, pose, zorder as u32 + 1),
                (None, Some(picture)) => picture.hide(),
                _ => {}
            }
            cards.push(tile.card(pose, shown.is_none()));
        }
        cover(&mut cards);
        self.cards = cards;
    }

    /// Tells each tile where to go.
    fn move_tiles(&mut self, now: Duration) {
        let places = self.places();
        let length = self.settings.animation;
        for (index, tile) in self.tiles.iter_mut().enumerate() {
            let place = places.iter().find(|place| place.tile == index);
            let target = match (place, &tile.motion) {
                (Some(place), _) => Pose {
                    rect: place.rect,
                    alpha: place.alpha,
                },
                (None, Some(motion)) => Pose {
                    alpha: 0.0,
                    ..motion.target()
                },
                (None, None) => continue,
            };
            // Who is new appears where their place is.
            let hidden = Pose {
                alpha: 0.0,
                ..target
            };
            let motion = tile.motion.get_or_insert(Animation::still(hidden));
            if motion.at(now).alpha == 0.0 && motion.target().alpha == 0.0 {
                *motion = Animation::still(hidden);
            }
            motion.retarget(now, target, length);
        }
    }

    /// Where tiles belong: by the layout, or where the pad's properties put them.
    fn places(&self) -> Vec<Place> {
        let free: Vec<usize> = (0..self.tiles.len())
            .filter(|index| self.tiles[*index].seat.wishes.rect().is_none())
            .collect();
        let tiles: Vec<layout::Tile<'_>> = (free.iter())
            .map(|index| layout::Tile {
                participant: &self.tiles[*index].seat.participant,
            })
            .collect();
        let Settings { canvas, gap, .. } = self.settings;
        let big = self.settings.focus.as_deref().or(self.speaker.as_deref());
        let mut places = self.settings.layout.arrange(canvas, &tiles, big, gap);
        for place in &mut places {
            place.tile = free[place.tile];
        }
        let wished = self
            .tiles
            .iter()
            .enumerate()
            .filter_map(|(tile, Tile { seat, .. })| {
                Some(Place {
                    tile,
                    rect: seat.wishes.rect()?,
                    zorder: 0,
                    alpha: 1.0,
                })
            });
        places.extend(wished);
        for place in &mut places {
            place.alpha *= self.tiles[place.tile].seat.wishes.alpha;
        }
        places
    }

    /// Indices of the tiles, lowest first.
    fn order(&self) -> Vec<(u32, usize)> {
        let places = self.places();
        let zorder = |index: usize| {
            let place = places.iter().find(|place| place.tile == index);
            let wished = self.tiles[index].seat.wishes.zorder;
            place.map_or(0, |place| place.zorder).saturating_add(wished)
        };
        let mut order: Vec<_> = (0..self.tiles.len())
            .map(|index| (zorder(index), index))
            .collect();
        order.sort_unstable();
        order
    }
}

impl Tile {
    fn card(&self, pose: Pose, is_placeholder: bool) -> Card {
        Card {
            rect: pose.rect,
            alpha: pose.alpha,
            visible: vec![pose.rect],
            label: self.seat.label.clone(),
            muted: self.seat.muted,
            is_placeholder,
        }
    }
}

/// Takes from each card what those on top of it cover.
fn cover(cards: &mut Vec<Card>) {
    cards.retain(|card| card.alpha > 0.0 && card.rect.area() > 0);
    for index in 0..cards.len() {
        let (card, above) = cards[index..].split_first_mut().expect("it is in range");
        for upper in above {
            let parts = card
                .visible
                .iter()
                .flat_map(|part| part.without(&upper.rect));
            card.visible = parts.collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst_rtc_core::mcu::layout::Layout;
    use gst_rtc_core::mcu::rect::Size;

    fn seat(name: &str, wishes: Wishes) -> Seat {
        Seat {
            key: Key::Participant(name.to_owned()),
            participant: name.to_owned(),
            label: name.to_owned(),
            muted: false,
            wishes,
            picture: None,
        }
    }

    fn scene(layout: Layout) -> Scene {
        Scene::new(Settings {
            layout,
            canvas: Size {
                width: 640,
                height: 360,
            },
            animation: Duration::from_millis(100),
            ..Settings::default()
        })
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn who_comes_fades_in_and_who_has_no_place_fades_out() {
        let mut scene = scene(Layout::Single);
        scene.seat(vec![
            seat("a", Wishes::default()),
            seat("b", Wishes::default()),
        ]);
        scene.arrange(MS);
        assert!(scene.cards().is_empty());
        scene.arrange(101 * MS);
        assert_eq!(
            (scene.cards().len(), scene.cards()[0].label.as_str()),
            (1, "a")
        );
        scene.settings.focus = Some("b".to_owned());
        scene.arrange(102 * MS);
        scene.arrange(152 * MS);
        assert_eq!(scene.cards().len(), 2, "one goes, the other comes");
        scene.arrange(202 * MS);
        assert_eq!(scene.cards()[0].label, "b");
    }

    #[test]
    fn a_pad_with_a_rectangle_is_where_it_says_and_the_others_share_the_layout() {
        let mut scene = scene(Layout::Grid);
        let wishes = Wishes {
            xpos: 10,
            ypos: 20,
            width: 64,
            height: 36,
            zorder: 5,
            alpha: 0.5,
            ..Wishes::default()
        };
        scene.seat(vec![seat("a", wishes), seat("b", Wishes::default())]);
        scene.arrange(MS);
        scene.arrange(1000 * MS);
        let cards = scene.cards();
        assert_eq!((cards[0].label.as_str(), cards[0].rect.width), ("b", 640));
        assert_eq!(
            (cards[1].rect, cards[1].alpha),
            (Rect::new(10, 20, 64, 36), 0.5)
        );
        let covered: u64 = cards[0].visible.iter().map(Rect::area).sum();
        assert_eq!(covered, 640 * 360 - 64 * 36);
    }
}
