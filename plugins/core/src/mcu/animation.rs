// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tiles that move to where a new layout wants them.

use super::rect::Rect;
use std::time::Duration;

/// Where a tile is seen, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// Where it is.
    pub rect: Rect,
    /// 0 (not seen) to 1 (opaque).
    pub alpha: f64,
}

/// One tile's way from one pose to the next.
#[derive(Clone, Copy, Debug)]
pub struct Animation {
    from: Pose,
    to: Pose,
    start: Duration,
    length: Duration,
}

impl Animation {
    /// It stands still.
    pub fn still(pose: Pose) -> Animation {
        Animation {
            from: pose,
            to: pose,
            start: Duration::ZERO,
            length: Duration::ZERO,
        }
    }

    /// Where it will come to rest.
    pub fn target(&self) -> Pose {
        self.to
    }

    /// Goes on to another pose from wherever it is `now`. Times are those of the canvas.
    pub fn retarget(&mut self, now: Duration, to: Pose, length: Duration) {
        if to != self.to {
            *self = Animation {
                from: self.at(now),
                to,
                start: now,
                length,
            };
        }
    }

    /// The pose at a time.
    pub fn at(&self, now: Duration) -> Pose {
        let passed = now.saturating_sub(self.start);
        if passed >= self.length {
            return self.to;
        }
        let t = eased(passed.as_secs_f64() / self.length.as_secs_f64());
        let (from, to) = (self.from.rect, self.to.rect);
        let mix = |a: f64, b: f64| a + (b - a) * t;
        let place = |a: i32, b: i32| mix(a.into(), b.into()).round() as i32;
        let extent = |a: u32, b: u32| mix(a.into(), b.into()).round() as u32;
        let rect = Rect::new(
            place(from.x, to.x),
            place(from.y, to.y),
            extent(from.width, to.width),
            extent(from.height, to.height),
        );
        Pose {
            rect: rect.even(),
            alpha: mix(self.from.alpha, self.to.alpha),
        }
    }
}

/// Slow at both ends.
fn eased(t: f64) -> f64 {
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn pose(x: i32, alpha: f64) -> Pose {
        Pose {
            rect: Rect::new(x, 0, 100, 100),
            alpha,
        }
    }

    #[test]
    fn it_begins_and_ends_where_it_should() {
        let mut animation = Animation::still(pose(0, 0.0));
        animation.retarget(1000 * MS, pose(200, 1.0), 300 * MS);
        assert_eq!(animation.at(1000 * MS), pose(0, 0.0));
        assert_eq!(animation.at(1150 * MS), pose(100, 0.5));
        assert_eq!(animation.at(1300 * MS), pose(200, 1.0));
        assert_eq!(animation.at(9999 * MS), pose(200, 1.0));
    }

    #[test]
    fn a_change_of_mind_does_not_jump() {
        let mut animation = Animation::still(pose(0, 1.0));
        animation.retarget(Duration::ZERO, pose(200, 1.0), 300 * MS);
        let before = animation.at(150 * MS);
        animation.retarget(150 * MS, pose(0, 1.0), 300 * MS);
        assert_eq!(animation.at(150 * MS), before);
        assert_eq!(animation.at(450 * MS), pose(0, 1.0));
    }

    #[test]
    fn the_same_target_does_not_start_again() {
        let mut animation = Animation::still(pose(0, 1.0));
        animation.retarget(Duration::ZERO, pose(200, 1.0), 300 * MS);
        animation.retarget(299 * MS, pose(200, 1.0), 300 * MS);
        assert_eq!(animation.at(300 * MS), pose(200, 1.0));
    }

    #[test]
    fn without_a_length_it_is_there_at_once() {
        let mut animation = Animation::still(pose(0, 1.0));
        animation.retarget(5 * MS, pose(200, 1.0), Duration::ZERO);
        assert_eq!(animation.at(5 * MS), pose(200, 1.0));
    }
}
