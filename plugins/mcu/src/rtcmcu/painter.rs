// SPDX-License-Identifier: MIT OR Apache-2.0
//! Draws on the composed picture: tiles without a picture, names, marks, the logo.
//!
//! Drawn once per frame, and only where there is something, instead of once per input and at its size: names stay sharp
//! whatever the input's resolution, and cost nothing where they do not change.

use super::backdrop::yuv;
use super::scene::{Card, Scene};
use super::text::{Text, Texts};
use gst::prelude::*;
use gst_rtc_core::mcu::rect::{Rect, Size};
use gst_video::prelude::*;
use gst_video::{
    VideoFormat, VideoFrameRef, VideoInfo, VideoOverlayComposition, VideoOverlayFormatFlags,
    VideoOverlayRectangle,
};
use std::sync::{Arc, Mutex, PoisonError};

/// See the module.
pub(super) struct Painter {
    scene: Arc<Mutex<Scene>>,
    texts: Texts,
    info: Mutex<Option<(gst::Caps, VideoInfo)>>,
    last: Mutex<Option<Overlay>>,
}

/// What was blended last, which most often is what is blended next.
struct Overlay {
    stickers: Vec<Sticker>,
    composition: VideoOverlayComposition,
}

/// A small picture and where it goes.
#[derive(Clone)]
struct Sticker {
    picture: gst::Buffer,
    rect: Rect,
    alpha: f64,
}

impl PartialEq for Sticker {
    /// The same picture, not one with the same pixels: those are many.
    fn eq(&self, other: &Sticker) -> bool {
        let is_same = self.picture.as_ptr() == other.picture.as_ptr();
        is_same && self.rect == other.rect && self.alpha == other.alpha
    }
}

/// Colours of tiles without a picture: dark enough for white letters.
const COLOURS: [u32; 8] = [
    0x37_4b_5c, 0x5c_37_4b, 0x4b_5c_37, 0x37_5c_58, 0x58_37_5c, 0x5c_50_37, 0x3d_37_5c, 0x37_5c_3d,
];

impl Painter {
    pub(super) fn new(scene: Arc<Mutex<Scene>>) -> Painter {
        Painter {
            scene,
            texts: Texts::default(),
            info: Mutex::default(),
            last: Mutex::default(),
        }
    }

    /// Draws on a composed picture that leaves by this pad.
    pub(super) fn paint(&self, pad: &gst::Pad, buffer: &mut gst::Buffer) {
        let (cards, names, logo, canvas) = {
            let scene = self.scene.lock().unwrap_or_else(PoisonError::into_inner);
            let settings = &scene.settings;
            (
                scene.cards().to_vec(),
                settings.names,
                scene.logo.clone(),
                settings.canvas,
            )
        };
        let mut stickers = Vec::new();
        for card in &cards {
            if card.is_placeholder {
                stickers.extend(self.caption(card));
            } else if names {
                stickers.extend(self.label(card));
            }
        }
        stickers.extend(logo.and_then(|logo| sticker_of_logo(logo, canvas)));
        let fills: Vec<&Card> = cards.iter().filter(|card| card.is_placeholder).collect();
        if fills.is_empty() && stickers.is_empty() {
            return;
        }
        let Some(info) = self.info(pad) else {
            return;
        };
        let buffer = buffer.make_mut();
        let Ok(mut frame) = VideoFrameRef::from_buffer_ref_writable(buffer, &info) else {
            return;
        };
        for card in fills {
            let colour = yuv(colour_of(&card.label));
            card.visible
                .iter()
                .for_each(|part| fill(&mut frame, *part, colour, card.alpha));
        }
        self.stick(&mut frame, stickers);
    }

    /// Format of the pictures on a pad.
    fn info(&self, pad: &gst::Pad) -> Option<VideoInfo> {
        let caps = pad.current_caps()?;
        let mut known = self.info.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|(known, _)| *known != caps) {
            let info = VideoInfo::from_caps(&caps).ok()?;
            *known = (info.format() == VideoFormat::I420).then_some((caps, info));
        }
        known.as_ref().map(|(_, info)| info.clone())
    }

    /// The name in the middle of a tile without a picture.
    fn caption(&self, card: &Card) -> Option<Sticker> {
        let height = (card.rect.height / 6).clamp(12, 96);
        let room = *card.visible.iter().max_by_key(|part| part.area())?;
        let text = self.text(card, height, false)?;
        let (width, height) = within(text.size, room.shrunk(4).size())?;
        let rect = room.centred(width, height);
        Some(sticker(text.picture, rect, card.alpha))
    }

    /// The name in the lower left corner of a tile, where it hides nobody else.
    fn label(&self, card: &Card) -> Option<Sticker> {
        let height = (card.rect.height / 12).clamp(12, 32);
        let text = self.text(card, height, true)?;
        let (width, height) = within(text.size, card.rect.size())?;
        let y = card.rect.bottom() as i32 - height as i32;
        let rect = Rect::new(card.rect.x, y, width, height);
        let is_free = card.visible.iter().any(|part| part.contains(&rect));
        is_free.then(|| sticker(text.picture, rect, card.alpha))
    }

    fn text(&self, card: &Card, height: u32, plate: bool) -> Option<Text> {
        let is_empty = card.label.trim().is_empty() && !card.muted;
        (!is_empty).then(|| self.texts.get(&card.label, height, card.muted, plate))?
    }

    fn stick(&self, frame: &mut VideoFrameRef<&mut gst::BufferRef>, stickers: Vec<Sticker>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if stickers.is_empty() {
            return;
        }
        if last.as_ref().is_none_or(|last| last.stickers != stickers) {
            let rectangles: Vec<_> = stickers.iter().map(Sticker::rectangle).collect();
            let Ok(composition) = VideoOverlayComposition::new(&rectangles) else {
                return;
            };
            *last = Some(Overlay {
                stickers,
                composition,
            });
        }
        if let Some(overlay) = last.as_ref() {
            // It refuses only formats that a canvas never has.
            let _ = overlay.composition.blend(frame);
        }
    }
}

impl Sticker {
    fn rectangle(&self) -> VideoOverlayRectangle {
        let Rect {
            x,
            y,
            width,
            height,
        } = self.rect;
        let flags = VideoOverlayFormatFlags::GLOBAL_ALPHA;
        let mut rectangle =
            VideoOverlayRectangle::new_raw(&self.picture, x, y, width, height, flags);
        if let Some(rectangle) = rectangle.get_mut() {
            rectangle.set_global_alpha(self.alpha as f32);
        }
        rectangle
    }
}

fn sticker(picture: gst::Buffer, rect: Rect, alpha: f64) -> Sticker {
    Sticker {
        picture,
        rect: rect.even(),
        alpha,
    }
}

/// At most an eighth of the canvas high and a quarter wide, at the upper right.
fn sticker_of_logo(logo: gst::Buffer, canvas: Size) -> Option<Sticker> {
    let meta = logo.meta::<gst_video::VideoMeta>()?;
    let size = Size {
        width: meta.width(),
        height: meta.height(),
    };
    let most = Size {
        width: canvas.width / 4,
        height: canvas.height / 8,
    };
    let (width, height) = within(size, most)?;
    let margin = canvas.height / 36;
    let x = canvas.width.checked_sub(width + margin)?;
    Some(sticker(
        logo,
        Rect::new(x as i32, margin as i32, width, height),
        1.0,
    ))
}

/// The size, or what of it fits; None: there is no room.
fn within(size: Size, room: Size) -> Option<(u32, u32)> {
    if size.width <= room.width && size.height <= room.height {
        return (!size.is_empty()).then_some((size.width, size.height));
    }
    let fitted = room.rect().inscribed(size);
    (fitted.width >= 8 && fitted.height >= 8).then_some((fitted.width, fitted.height))
}

/// The same for the same name, wherever and whenever.
fn colour_of(name: &str) -> u32 {
    let sum = name.bytes().fold(0usize, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    COLOURS[sum % COLOURS.len()]
}

/// Fills a rectangle of an I420 picture.
fn fill(frame: &mut VideoFrameRef<&mut gst::BufferRef>, rect: Rect, colour: [u8; 3], alpha: f64) {
    let whole = Rect::new(0, 0, frame.width(), frame.height());
    let Some(rect) = rect.intersection(&whole).map(|rect| rect.even()) else {
        return;
    };
    for (plane, value) in colour.into_iter().enumerate() {
        let by = if plane == 0 { 1 } else { 2 };
        let stride = frame.plane_stride()[plane] as usize;
        let (x, y) = (rect.x as usize / by, rect.y as usize / by);
        let (width, height) = (rect.width as usize / by, rect.height as usize / by);
        let Ok(pixels) = frame.plane_data_mut(plane as u32) else {
            return;
        };
        for row in pixels.chunks_mut(stride).skip(y).take(height) {
            if let Some(row) = row.get_mut(x..x + width) {
                blend(row, value, alpha);
            }
        }
    }
}

fn blend(row: &mut [u8], value: u8, alpha: f64) {
    if alpha >= 1.0 {
        row.fill(value);
        return;
    }
    let weight = (alpha.max(0.0) * 256.0) as i32;
    for pixel in row {
        let old = i32::from(*pixel);
        *pixel = (old + (((i32::from(value) - old) * weight) >> 8)) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_rectangle_is_filled_and_nothing_else() {
        gst::init().expect("GStreamer starts");
        let info = VideoInfo::builder(VideoFormat::I420, 64, 48)
            .build()
            .expect("possible");
        let mut buffer = gst::Buffer::from_mut_slice(vec![0u8; info.size()]);
        let writable = buffer.get_mut().expect("it was just made");
        let mut frame = VideoFrameRef::from_buffer_ref_writable(writable, &info).expect("it fits");
        fill(&mut frame, Rect::new(16, 8, 200, 16), [200, 100, 50], 1.0);
        let at = |plane: u32, x: usize, y: usize| {
            let stride = frame.plane_stride()[plane as usize] as usize;
            frame.plane_data(plane).expect("it is there")[y * stride + x]
        };
        assert_eq!(
            (at(0, 16, 8), at(0, 63, 23), at(0, 15, 8), at(0, 16, 24)),
            (200, 200, 0, 0)
        );
        assert_eq!((at(1, 8, 4), at(2, 8, 4), at(1, 7, 4)), (100, 50, 0));
    }

    #[test]
    fn half_a_colour_is_half_way() {
        let mut row = [0u8, 100];
        blend(&mut row, 200, 0.5);
        assert_eq!(row, [100, 150]);
    }
}
