// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rectangles on a canvas, in pixels. The origin is at the top left.

/// How large something is, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// Horizontally.
    pub width: u32,
    /// Vertically.
    pub height: u32,
}

/// A rectangle on a canvas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rect {
    /// Of the left edge; may be off the canvas.
    pub x: i32,
    /// Of the upper edge.
    pub y: i32,
    /// Zero is nothing.
    pub width: u32,
    /// Zero is nothing.
    pub height: u32,
}

impl Size {
    /// All of it, as a rectangle.
    pub fn rect(self) -> Rect {
        Rect {
            x: 0,
            y: 0,
            width: self.width,
            height: self.height,
        }
    }

    /// Whether there are no pixels.
    pub fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }
}

impl Rect {
    /// From its corner and size.
    pub fn new(x: i32, y: i32, width: u32, height: u32) -> Rect {
        Rect {
            x,
            y,
            width,
            height,
        }
    }

    /// Just right of the right edge.
    pub fn right(&self) -> i64 {
        i64::from(self.x) + i64::from(self.width)
    }

    /// Just below the lower edge.
    pub fn bottom(&self) -> i64 {
        i64::from(self.y) + i64::from(self.height)
    }

    /// How large it is.
    pub fn size(&self) -> Size {
        Size {
            width: self.width,
            height: self.height,
        }
    }

    /// In pixels.
    pub fn area(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Whether `other` lies in it, edges included.
    pub fn contains(&self, other: &Rect) -> bool {
        other.x >= self.x
            && other.y >= self.y
            && other.right() <= self.right()
            && other.bottom() <= self.bottom()
    }

    /// What both have in common.
    pub fn intersection(&self, other: &Rect) -> Option<Rect> {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let width = self.right().min(other.right()) - i64::from(x);
        let height = self.bottom().min(other.bottom()) - i64::from(y);
        let size = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
        (size.0 > 0 && size.1 > 0).then(|| Rect::new(x, y, size.0, size.1))
    }

    /// The parts of it that `cover` leaves to be seen: at most four, which do not overlap.
    pub fn without(&self, cover: &Rect) -> Vec<Rect> {
        let Some(hole) = self.intersection(cover) else {
            return vec![*self];
        };
        let between = |low: i64, high: i64| u32::try_from(high - low).unwrap_or_default();
        let parts = [
            Rect::new(
                self.x,
                self.y,
                self.width,
                between(self.y.into(), hole.y.into()),
            ),
            Rect::new(
                self.x,
                hole.y,
                between(self.x.into(), hole.x.into()),
                hole.height,
            ),
            Rect::new(
                hole.x + hole.width as i32,
                hole.y,
                between(hole.right(), self.right()),
                hole.height,
            ),
            Rect::new(
                self.x,
                hole.y + hole.height as i32,
                self.width,
                between(hole.bottom(), self.bottom()),
            ),
        ];
        parts.into_iter().filter(|part| part.area() > 0).collect()
    }

    /// The largest rectangle of that shape in the middle of it.
    pub fn inscribed(&self, shape: Size) -> Rect {
        let (width, height) = inscribed(self.size(), shape);
        self.centred(width, height)
    }

    /// A rectangle of that size in the middle of it.
    pub fn centred(&self, width: u32, height: u32) -> Rect {
        let offset = |outer: u32, inner: u32| (i64::from(outer) - i64::from(inner)) / 2;
        Rect::new(
            self.x.saturating_add(offset(self.width, width) as i32),
            self.y.saturating_add(offset(self.height, height) as i32),
            width,
            height,
        )
    }

    /// The same with all edges on even pixels, because colour has half the resolution; never larger.
    pub fn even(&self) -> Rect {
        let x = self.x.saturating_add(self.x & 1);
        let y = self.y.saturating_add(self.y & 1);
        let between =
            |low: i32, high: i64| u32::try_from((high & !1) - i64::from(low)).unwrap_or_default();
        Rect::new(x, y, between(x, self.right()), between(y, self.bottom()))
    }

    /// Smaller by that many pixels on each side; nothing where there is no room.
    pub fn shrunk(&self, by: u32) -> Rect {
        Rect::new(
            self.x.saturating_add_unsigned(by),
            self.y.saturating_add_unsigned(by),
            self.width.saturating_sub(by.saturating_mul(2)),
            self.height.saturating_sub(by.saturating_mul(2)),
        )
    }
}

/// Width and height of the largest rectangle of that shape within `outer`.
fn inscribed(outer: Size, shape: Size) -> (u32, u32) {
    if shape.is_empty() || outer.is_empty() {
        return (0, 0);
    }
    let (width, height) = (u64::from(shape.width), u64::from(shape.height));
    let wide = u64::from(outer.width) * height;
    let high = u64::from(outer.height) * width;
    if wide <= high {
        (outer.width, ((wide / width) as u32).max(1))
    } else {
        (((high / height) as u32).max(1), outer.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_rect() -> impl Strategy<Value = Rect> {
        (-50..150i32, -50..150i32, 0..200u32, 0..200u32)
            .prop_map(|(x, y, width, height)| Rect::new(x, y, width, height))
    }

    proptest! {
        #[test]
        fn what_is_left_and_what_is_covered_make_the_whole(rect in any_rect(), cover in any_rect()) {
            let covered = rect.intersection(&cover).map_or(0, |hole| hole.area());
            let parts = rect.without(&cover);
            if covered > 0 {
                prop_assert_eq!(parts.iter().map(Rect::area).sum::<u64>() + covered, rect.area());
            }
            for (n, part) in parts.iter().enumerate() {
                prop_assert!(rect.contains(part));
                prop_assert!(covered == 0 || part.intersection(&cover).is_none());
                for other in &parts[n + 1..] {
                    prop_assert!(part.intersection(other).is_none());
                }
            }
        }

        #[test]
        fn an_inscribed_rectangle_is_inside_and_touches(rect in any_rect(), w in 1..500u32, h in 1..500u32) {
            prop_assume!(rect.area() > 0);
            let inner = rect.inscribed(Size { width: w, height: h });
            prop_assert!(rect.contains(&inner));
            prop_assert!(inner.width == rect.width || inner.height == rect.height);
        }

        #[test]
        fn even_edges_are_even_and_inside(rect in any_rect()) {
            let even = rect.even();
            prop_assert!(even.area() == 0 || rect.contains(&even));
            prop_assert_eq!((even.x % 2, even.y % 2, even.width % 2, even.height % 2), (0, 0, 0, 0));
        }
    }

    #[test]
    fn extreme_numbers_do_not_panic() {
        let far = Rect::new(i32::MAX, i32::MAX, u32::MAX, u32::MAX);
        let near = Rect::new(i32::MIN, i32::MIN, u32::MAX, u32::MAX);
        assert_eq!(near.intersection(&far), None);
        assert!(far.shrunk(u32::MAX).area() == 0);
        let _ = (far.even(), near.even(), near.without(&far));
    }
}
