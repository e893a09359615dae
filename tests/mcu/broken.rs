// SPDX-License-Identifier: MIT OR Apache-2.0
//! Streams that break off into rubbish: names stand in for their pictures, the others notice nothing, and good pictures bring them
//! back.

use super::screen::{Frame, GREEN, RED, Screen, picture_times};
use super::speaker::{FORMAT, Speaker};
use gst::prelude::*;
use gst_rtc::embedded::Embedded;
use gst_rtc::{Result, check};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

const WIDTH: usize = 320;
const HEIGHT: usize = 120;

/// What is made of a packet or a picture: its header of so many bytes stays.
#[derive(Clone, Copy)]
enum Fault {
    /// Noise of the same length.
    Noise(usize),
    /// Cut off in the middle.
    Cut(usize),
    /// Its caps say that it is something else.
    Caps,
}

/// Who sends what in which way, and how it breaks.
const BROKEN: [(&str, &str, Fault); 5] = [
    (
        "noise-vp8",
        "vp8enc deadline=1 keyframe-max-dist=15 ! rtpvp8pay",
        Fault::Noise(12),
    ),
    (
        "noise-h264",
        "x264enc tune=zerolatency key-int-max=15 ! rtph264pay config-interval=-1",
        Fault::Noise(12),
    ),
    (
        "cut-vp8",
        "vp8enc deadline=1 keyframe-max-dist=15 ! rtpvp8pay",
        Fault::Cut(18),
    ),
    (
        "cut-h264",
        "x264enc tune=zerolatency key-int-max=15 ! video/x-h264,stream-format=byte-stream",
        Fault::Cut(6),
    ),
    (
        "mislabelled",
        "x264enc tune=zerolatency key-int-max=15 ! rtph264pay config-interval=-1",
        Fault::Caps,
    ),
];

const RIGHT: &str = "application/x-rtp,encoding-name=H264";
const WRONG: &str = "application/x-rtp,encoding-name=VP8";

/// A picture of one colour, 0xAARRGGBB.
fn picture(colour: u32) -> String {
    format!(
        "videotestsrc is-live=true pattern=solid-color foreground-color={colour}
         ! video/x-raw,format=I420,width=160,height=60,framerate=15/1"
    )
}

/// One who is well, and below and beside those who are not.
fn pipeline() -> Result<Embedded> {
    let place = |n: usize| (n % 2 * WIDTH, n / 2 * HEIGHT);
    let pads = (0..).zip(BROKEN).map(|(n, (name, ..))| {
        let (x, y) = place(n + 1);
        let pad = format!("sink_{}", n + 2);
        format!("{pad}::participant={name} {pad}::xpos={x} {pad}::ypos={y} {pad}::width={WIDTH} {pad}::height={HEIGHT} ")
    });
    let streams = (0..).zip(BROKEN).map(|(n, (name, way, fault))| {
        let labels = match fault {
            Fault::Caps => format!("! capssetter name={name}-caps caps={RIGHT}"),
            _ => String::new(),
        };
        format!(
            "{} ! {way} {labels} ! identity name={name} ! mcu.sink_{} ",
            picture(0xff00_ff00),
            n + 2
        )
    });
    Embedded::parse(&format!(
        "rtcmcu name=mcu width=640 height=360 framerate=15/1 animation=0 sink_0::participant=good sink_1::participant=good
         sink_0::width={WIDTH} sink_0::height={HEIGHT} {} {} ! mcu.sink_0
         audiotestsrc is-live=true freq=500 volume=0.2 ! mcu.sink_1 {}
         mcu.video ! video/x-raw,format=I420 ! fakesink name=screen signal-handoffs=true
         mcu.audio ! {FORMAT} ! fakesink name=all signal-handoffs=true",
        pads.collect::<String>(),
        picture(0xffff_0000),
        streams.collect::<String>()
    ))
}

/// Breaks what passes an element, as long as that is wanted.
fn spoil(element: &gst::Element, fault: Fault, spoils: Arc<AtomicBool>) {
    let dice = AtomicU32::new(7);
    let spoiled = move |_: &gst::Pad, info: &mut gst::PadProbeInfo<'_>| {
        if spoils.load(Ordering::Relaxed) {
            match &mut info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => break_one(buffer, fault, &dice),
                Some(gst::PadProbeData::BufferList(list)) => {
                    let broken = list.iter_owned().map(|mut buffer| {
                        break_one(&mut buffer, fault, &dice);
                        buffer
                    });
                    *list = broken.collect();
                }
                _ => {}
            }
        }
        gst::PadProbeReturn::Ok
    };
    let types = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
    let pad = element.static_pad("sink").expect("identity has one");
    pad.add_probe(types, spoiled);
}

fn break_one(buffer: &mut gst::Buffer, fault: Fault, dice: &AtomicU32) {
    let mut bytes = buffer.map_readable().expect("it is memory").to_vec();
    match fault {
        Fault::Noise(header) => bytes.iter_mut().skip(header).for_each(|byte| {
            let next = |n: u32| Some(n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
            let number = dice.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
            *byte = (number.expect("there is always a next") >> 24) as u8;
        }),
        Fault::Cut(header) => bytes.truncate(header),
        Fault::Caps => {}
    }
    let mut broken = gst::Buffer::from_mut_slice(bytes);
    let fields = broken.get_mut().expect("it was just made");
    let flags = gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS;
    buffer
        .copy_into(fields, flags, ..)
        .expect("flags and times can be copied");
    *buffer = broken;
}

/// Whether the others' tiles are all as they should.
fn tiles(holds: impl Fn(&Frame, usize, usize) -> bool) -> impl Fn(&Frame) -> bool {
    move |frame| (1..=BROKEN.len()).all(|n| holds(frame, n % 2 * WIDTH, n / 2 * HEIGHT))
}

fn is_green(frame: &Frame, x: usize, y: usize) -> bool {
    frame.is(x + WIDTH / 2, y + 20, GREEN)
}

/// White letters in the middle of a dark ground.
fn is_named(frame: &Frame, x: usize, y: usize) -> bool {
    let middle = (x + WIDTH / 2, y + HEIGHT / 2);
    frame.at(middle.0, y + 20)[0] < 100
        && frame.has_white(middle.0 - 80..middle.0 + 80, middle.1 - 8..middle.1 + 8)
}

/// Of whom a signal has told since it was asked last.
struct Told(Arc<Mutex<BTreeSet<String>>>);

impl Told {
    fn by(mcu: &gst::Element, signal: &str) -> Told {
        let names = Arc::new(Mutex::new(BTreeSet::new()));
        let told = names.clone();
        mcu.connect(signal, false, move |args| {
            let name = args[1].get::<String>().expect("it is the participant");
            told.lock().expect("no panic").insert(name);
            None
        });
        Told(names)
    }

    /// Waits until it has told of all who are broken, and the picture is right.
    async fn of_all(
        &self,
        screen: &Screen,
        holds: impl Fn(&Frame) -> bool + Send + 'static,
    ) -> Result {
        let told = self.0.clone();
        let what = format!("{:?}", BROKEN.map(|(name, ..)| name));
        let all = move |frame: &Frame| {
            told.lock().expect("no panic").len() == BROKEN.len() && holds(frame)
        };
        let seen = screen.shows(what, all).await;
        let told = std::mem::take(&mut *self.0.lock().expect("no panic"));
        check!(seen.is_ok(), "told of {told:?}: {:?}", seen.err());
        Ok(())
    }
}

#[tokio::test]
async fn rubbish_shows_the_name_disturbs_nobody_and_ends_with_the_next_good_picture() -> Result {
    let pipeline = pipeline()?;
    let screen = Screen::of(&pipeline, "screen")?;
    let all = Speaker::of(&pipeline, "all")?;
    let jumps = picture_times(&pipeline)?;
    let spoils = Arc::new(AtomicBool::new(false));
    for (name, _, fault) in BROKEN {
        spoil(&pipeline.element(name)?, fault, spoils.clone());
    }
    let labels = pipeline.element("mislabelled-caps")?;
    let mcu = pipeline.element("mcu")?;
    let [failed, recovered] =
        ["input-failed", "input-recovered"].map(|signal| Told::by(&mcu, signal));
    pipeline.play().await?;
    let is_good = |frame: &Frame| frame.is(WIDTH / 2, 20, RED);
    screen
        .shows("all", move |frame| is_good(frame) && tiles(is_green)(frame))
        .await?;
    for _ in 0..2 {
        spoils.store(true, Ordering::Relaxed);
        labels.set_property_from_str("caps", WRONG);
        let named = move |frame: &Frame| is_good(frame) && tiles(is_named)(frame);
        failed.of_all(&screen, named).await?;
        spoils.store(false, Ordering::Relaxed);
        labels.set_property_from_str("caps", RIGHT);
        let green = move |frame: &Frame| is_good(frame) && tiles(is_green)(frame);
        recovered.of_all(&screen, green).await?;
    }
    let jumps = jumps.lock().expect("no panic").clone();
    check!(jumps.is_empty(), "gaps in the picture: {jumps:?}");
    check!(all.gaps().is_empty(), "gaps in the sound: {:?}", all.gaps());
    let error = pipeline.error();
    check!(error.is_none(), "{error:?}");
    Ok(())
}
