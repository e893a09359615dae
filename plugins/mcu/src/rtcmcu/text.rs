// SPDX-License-Identifier: MIT OR Apache-2.0
//! Letters as small pictures, drawn by Pango in a thread of their own.

use super::CAT;
use gst::prelude::*;
use gst_rtc_core::mcu::rect::Size;
use std::collections::HashMap;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};

/// Words as a picture in AYUV, with the size as a meta.
#[derive(Clone)]
pub(super) struct Text {
    pub(super) picture: gst::Buffer,
    pub(super) size: Size,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    words: String,
    height: u32,
    muted: bool,
    plate: bool,
}

/// All texts that were wanted lately. Drawing takes long, so a text is not there when it is first wanted, but soon after.
#[derive(Default)]
pub(super) struct Texts {
    known: Arc<Mutex<HashMap<Key, Option<Text>>>>,
    worker: Mutex<Option<Sender<Key>>>,
}

/// Texts kept before all are forgotten.
const MOST: usize = 512;
/// Letters of a name that are drawn.
const LONGEST: usize = 40;
/// Of the plate behind a name.
const PLATE_ALPHA: f64 = 0.55;

impl Texts {
    /// The picture of some words, with a mark before them when muted, on a dark plate if wanted. `height` is in pixels.
    pub(super) fn get(&self, words: &str, height: u32, muted: bool, plate: bool) -> Option<Text> {
        let key = Key {
            words: words
                .chars()
                .filter(|c| !c.is_control())
                .take(LONGEST)
                .collect(),
            height,
            muted,
            plate,
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = known.get(&key) {
            return text.clone();
        }
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key.clone(), None);
        drop(known);
        self.order(key);
        None
    }

    fn order(&self, key: Key) {
        let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = worker.get_or_insert_with(|| {
            let (sender, orders) = mpsc::channel::<Key>();
            let known = self.known.clone();
            let work = move || {
                // It ends with the last sender.
                for key in orders {
                    let text = draw(&key);
                    known
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(key, text);
                }
            };
            // Without a thread there are no names, and the pictures go on.
            let _ = std::thread::Builder::new()
                .name("rtcmcu-text".into())
                .spawn(work);
            sender
        });
        let _ = sender.send(key);
    }
}

fn draw(key: &Key) -> Option<Text> {
    let (letters, width) = match render(&key.words, key.height) {
        Ok(rendered) => rendered,
        Err(error) => {
            gst::warning!(CAT, "names are not drawn: {error}");
            return None;
        }
    };
    Some(compose(key, &letters, width))
}

/// Letters in AYUV, `height` pixels high, and how wide they are.
fn render(words: &str, height: u32) -> Result<(Vec<u8>, usize), Box<dyn std::error::Error>> {
    if words.trim().is_empty() {
        return Ok((Vec::new(), 0));
    }
    let width = (height as usize * words.chars().count().max(1) * 2).next_multiple_of(16);
    let description = format!(
        "appsrc name=in format=time caps=text/x-raw,format=utf8 \
         ! textrender name=text halignment=left valignment=top xpad=0 ypad=0 \
         ! appsink name=out sync=false caps=video/x-raw,format=AYUV,width={width},height={height}"
    );
    let pipeline = gst::parse::launch(&description)?;
    let bin = pipeline.downcast_ref::<gst::Bin>().ok_or("no bin")?;
    let text = bin.by_name("text").ok_or("no textrender")?;
    text.set_property("font-desc", format!("Sans Bold {}px", height * 7 / 10));
    let source = bin
        .by_name("in")
        .and_downcast::<gst_app::AppSrc>()
        .ok_or("no appsrc")?;
    let sink = bin
        .by_name("out")
        .and_downcast::<gst_app::AppSink>()
        .ok_or("no appsink")?;
    let mut buffer = gst::Buffer::from_slice(words.to_owned().into_bytes());
    let fields = buffer.get_mut().ok_or("a shared buffer")?;
    fields.set_pts(gst::ClockTime::ZERO);
    fields.set_duration(gst::ClockTime::SECOND);
    pipeline.set_state(gst::State::Playing)?;
    let pushed = source
        .push_buffer(buffer)
        .and_then(|_| source.end_of_stream());
    let sample = sink.try_pull_sample(gst::ClockTime::from_seconds(10));
    pipeline.set_state(gst::State::Null)?;
    pushed?;
    let sample = sample.ok_or("textrender gave nothing")?;
    let map = sample.buffer().ok_or("no picture")?.map_readable()?;
    Ok((map.to_vec(), width))
}

/// Cuts to what is drawn, puts the mark before it and the plate behind.
fn compose(key: &Key, letters: &[u8], stride: usize) -> Text {
    let height = key.height as usize;
    let used = used_width(letters, stride);
    let pad = height / 4;
    let mark = if key.muted { height } else { 0 };
    let width = (pad + mark + used + pad).next_multiple_of(2);
    let mut pixels = vec![0u8; width * height * 4];
    for (n, pixel) in pixels.chunks_exact_mut(4).enumerate() {
        let (x, y) = (n % width, n / width);
        let drawn = if key.muted && x < pad + mark {
            mark_pixel(x.checked_sub(pad), y, mark)
        } else {
            letter_pixel(letters, stride, x.checked_sub(pad + mark), y, used)
        };
        pixel.copy_from_slice(&over_plate(drawn, key.plate));
    }
    let size = Size {
        width: width as u32,
        height: key.height,
    };
    Text {
        picture: picture(pixels, size),
        size,
    }
}

/// A buffer as overlays want it.
pub(super) fn picture(ayuv: Vec<u8>, size: Size) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_mut_slice(ayuv);
    let fields = buffer.get_mut().expect("it was just made");
    let (format, flags) = (
        gst_video::VideoFormat::Ayuv,
        gst_video::VideoFrameFlags::empty(),
    );
    gst_video::VideoMeta::add(fields, flags, format, size.width, size.height)
        .expect("the buffer has that size");
    buffer
}

/// Columns up to the last that has something.
fn used_width(letters: &[u8], stride: usize) -> usize {
    let drawn = letters
        .chunks_exact(4)
        .enumerate()
        .filter(|(_, pixel)| pixel[0] > 16);
    drawn.map(|(n, _)| n % stride + 1).max().unwrap_or(0)
}

fn letter_pixel(letters: &[u8], stride: usize, x: Option<usize>, y: usize, used: usize) -> [u8; 4] {
    let pixel = x.filter(|x| *x < used).and_then(|x| {
        let at = (y * stride + x) * 4;
        letters.get(at..at + 4)?.try_into().ok()
    });
    pixel.unwrap_or_default()
}

/// A microphone, struck through, eight by eight.
const MARK: [&[u8; 8]; 8] = [
    b"R..ww...",
    b".R.ww...",
    b"..Rww.w.",
    b".w.Rw.w.",
    b".w..Rw..",
    b"..ww.R..",
    b"...ww.R.",
    b"..wwww.R",
];

fn mark_pixel(x: Option<usize>, y: usize, size: usize) -> [u8; 4] {
    let margin = size / 6;
    let inner = (size - 2 * margin).max(1);
    let cell = |at: usize| {
        at.checked_sub(margin)
            .map(|at| at * 8 / inner)
            .filter(|at| *at < 8)
    };
    match x.and_then(cell).zip(cell(y)).map(|(x, y)| MARK[y][x]) {
        Some(b'w') => [255, 235, 128, 128],
        Some(b'R') => [255, 106, 103, 221],
        _ => [0; 4],
    }
}

/// What is drawn, over the dark plate.
fn over_plate([alpha, y, u, v]: [u8; 4], plate: bool) -> [u8; 4] {
    if !plate || alpha == 255 {
        return [alpha, y, u, v];
    }
    let front = f64::from(alpha) / 255.0;
    let back = (1.0 - front) * PLATE_ALPHA;
    let all = front + back;
    let mix = |value: u8, behind: f64| ((f64::from(value) * front + behind * back) / all) as u8;
    [
        (all * 255.0) as u8,
        mix(y, 16.0),
        mix(u, 128.0),
        mix(v, 128.0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_a_picture_as_wide_as_they_are() {
        gst::init().expect("GStreamer starts");
        let text = |words: &str, muted| {
            let words = words.to_owned();
            let key = Key {
                words,
                height: 24,
                muted,
                plate: true,
            };
            draw(&key).expect("textrender is installed")
        };
        let (short, long) = (text("Al", false), text("Alexander the Great", false));
        assert!(short.size.width > 24 && long.size.width > 3 * short.size.width);
        assert_eq!(text("Al", true).size.width, short.size.width + 24);
        assert_eq!(text("", true).size.width, 36, "a mark alone");
        let map = short.picture.map_readable().expect("it is memory");
        let bright = map
            .chunks_exact(4)
            .filter(|pixel| pixel[0] > 200 && pixel[1] > 200)
            .count();
        assert!(bright > 30, "{bright} white pixels");
    }

    #[test]
    fn what_is_wanted_comes_soon() {
        gst::init().expect("GStreamer starts");
        let texts = Texts::default();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while texts.get("name\n\u{7}", 20, false, false).is_none() {
            assert!(std::time::Instant::now() < deadline);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}
