// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is drawn on and behind the tiles, and tiles on their way.

use super::picture::set_child;
use super::screen::{Colour, Frame, GREEN, RED, Screen};
use gst::prelude::*;
use gst_rtc::described::folder;
use gst_rtc::embedded::{self, Embedded};
use gst_rtc::{DEADLINE, Result, check};
use std::path::{Path, PathBuf};

const OUT: &str = "mcu.video ! video/x-raw,format=I420 ! fakesink name=screen signal-handoffs=true";
const YELLOW: Colour = [210, 16, 146];
/// Half of yellow and half of red.
const ORANGE: Colour = [145, 53, 193];

/// Somebody red.
const PERSON: &str = "videotestsrc is-live=true pattern=solid-color foreground-color=0xffff0000
    ! video/x-raw,width=320,height=180,framerate=15/1";

/// A file with a picture of one colour, 0xAARRGGBB.
async fn image(
    dir: &Path,
    name: &str,
    colour: u32,
    (width, height): (u32, u32),
) -> Result<PathBuf> {
    embedded::init()?;
    let path = dir.join(name);
    let maker = Embedded::parse(&format!(
        "videotestsrc num-buffers=1 pattern=solid-color foreground-color={colour}
         ! video/x-raw,format=ARGB,width={width},height={height}
         ! videoconvert ! video/x-raw,format=RGBA ! pngenc ! filesink location={}",
        path.display()
    ))?;
    maker.play().await?;
    maker.ended(DEADLINE).await?;
    Ok(path)
}

#[tokio::test]
async fn a_logo_is_drawn_in_the_corner_and_what_is_transparent_lets_through() -> Result {
    let dir = folder("mcu-logo")?;
    let solid = image(&dir, "solid.png", 0xffff_ff00, (64, 32)).await?;
    let half = image(&dir, "half.png", 0x80ff_ff00, (64, 32)).await?;
    let pipeline = Embedded::parse(&format!(
        "rtcmcu name=mcu width=640 height=360 framerate=15/1 names=false {PERSON} ! mcu.sink_0 {OUT}"
    ))?;
    let screen = Screen::of(&pipeline, "screen")?;
    let mcu = pipeline.element("mcu")?;
    pipeline.play().await?;
    // Its right edge and its top are 10 pixels from those of the canvas.
    let corner = |colour: Colour| {
        move |frame: &Frame| {
            let inside = [(572, 14), (598, 26), (624, 38)];
            let outside = [(560, 26), (598, 4), (636, 26), (598, 48)];
            inside.iter().all(|(x, y)| frame.is(*x, *y, colour))
                && outside.iter().all(|(x, y)| frame.is(*x, *y, RED))
        }
    };
    screen.shows("no logo", corner(RED)).await?;
    mcu.set_property("logo", solid.display().to_string());
    screen.shows("the logo", corner(YELLOW)).await?;
    mcu.set_property("logo", half.display().to_string());
    screen.shows("half the logo", corner(ORANGE)).await?;
    mcu.set_property("logo", "");
    screen.shows("no logo again", corner(RED)).await?;
    Ok(())
}

#[tokio::test]
async fn behind_the_tiles_is_a_picture_or_a_colour() -> Result {
    let dir = folder("mcu-background")?;
    let green = image(&dir, "green.png", 0xff00_ff00, (40, 20)).await?;
    let pipeline = Embedded::parse(&format!(
        "rtcmcu name=mcu width=640 height=360 framerate=15/1 names=false gap=40 background-color=0xffff00
         {PERSON} ! mcu.sink_0 {OUT}"
    ))?;
    let screen = Screen::of(&pipeline, "screen")?;
    let mcu = pipeline.element("mcu")?;
    pipeline.play().await?;
    let around = |colour: Colour| {
        move |frame: &Frame| {
            let edges = [(10, 10), (320, 10), (630, 180), (320, 350)];
            edges.iter().all(|(x, y)| frame.is(*x, *y, colour)) && frame.is(320, 180, RED)
        }
    };
    screen.shows("a colour", around(YELLOW)).await?;
    mcu.set_property("background-image", green.display().to_string());
    screen.shows("a picture", around(GREEN)).await?;
    mcu.set_property("background-image", "");
    screen.shows("a colour again", around(YELLOW)).await?;
    mcu.set_property("background-image", "/nowhere/at-all.png");
    mcu.set_property("background-color", 0x00ff00u32);
    screen
        .shows("another colour, as there is no such picture", around(GREEN))
        .await?;
    let error = pipeline.error();
    check!(error.is_none(), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn names_and_mute_marks_are_drawn_in_the_corner_of_the_tile() -> Result {
    let pipeline = Embedded::parse(&format!(
        "rtcmcu name=mcu width=640 height=360 framerate=15/1 sink_0::participant=alice sink_1::participant=alice
         {PERSON} ! mcu.sink_0 audiotestsrc is-live=true ! mcu.sink_1 {OUT} mcu.audio ! fakesink"
    ))?;
    let screen = Screen::of(&pipeline, "screen")?;
    let mcu = pipeline.element("mcu")?;
    pipeline.play().await?;
    // Thirty pixels high, at the lower left.
    let white = |frame: &Frame, x: std::ops::Range<usize>| frame.has_white(x, 330..360);
    let clean = |frame: &Frame| frame.is(4, 356, RED) && frame.is(60, 345, RED);
    let named =
        move |frame: &Frame| white(frame, 0..200) && !clean(frame) && frame.is(500, 345, RED);
    screen.shows("the name", named).await?;
    mcu.set_property("names", false);
    screen
        .shows("no name", move |frame| {
            clean(frame) && !white(frame, 0..200)
        })
        .await?;
    mcu.set_property("names", true);
    set_child(&mcu, "sink_0::label", "");
    screen
        .shows("an empty name", move |frame| {
            clean(frame) && !white(frame, 0..200)
        })
        .await?;
    set_child(&mcu, "sink_1::mute", true);
    // A microphone, white and crossed out, on a plate of its own.
    let marked = move |frame: &Frame| {
        white(frame, 0..40) && !white(frame, 44..200) && frame.is(60, 345, RED)
    };
    screen.shows("the mark alone", marked).await?;
    set_child(&mcu, "sink_0::label", "Alice of Wonderland");
    let both =
        move |frame: &Frame| white(frame, 0..40) && white(frame, 60..100) && white(frame, 150..250);
    screen.shows("the mark and a long name", both).await?;
    set_child(&mcu, "sink_1::mute", false);
    set_child(&mcu, "sink_0::label", "");
    screen
        .shows("nothing", move |frame| {
            clean(frame) && !white(frame, 0..200)
        })
        .await?;
    Ok(())
}

#[tokio::test]
async fn tiles_glide_to_where_another_layout_has_them() -> Result {
    let pipeline = Embedded::parse(&format!(
        "rtcmcu name=mcu width=640 height=360 framerate=15/1 names=false animation=3000 sink_0::participant=alice
         {PERSON} ! mcu.sink_0 {OUT}"
    ))?;
    let screen = Screen::of(&pipeline, "screen")?;
    let mcu = pipeline.element("mcu")?;
    pipeline.play().await?;
    let at = |x: u32| {
        let layout =
            format!(r#"[{{"x":{x},"y":0,"width":160,"height":90,"participant":"alice"}}]"#);
        let refused: Option<String> = mcu.emit_by_name("set-layout", &[&layout]);
        refused
    };
    // Where the tile begins and ends.
    let is_at = |x: usize| {
        move |frame: &Frame| {
            let (left, right) = (x.checked_sub(4), x + 164);
            let is_free = |x: usize| !frame.is(x, 45, RED);
            frame.is(x + 4, 45, RED)
                && frame.is(x + 155, 45, RED)
                && left.is_none_or(is_free)
                && (right > 639 || is_free(right))
        }
    };
    check!(at(0).is_none(), "the first was refused");
    screen.shows("at the left", is_at(0)).await?;
    check!(at(480).is_none(), "the second was refused");
    // It is seen at places between, from left to right, and as large as at both ends.
    for between in [40..140, 160..300, 320..440] {
        let glides = move |frame: &Frame| {
            let left = (0..640).find(|x| frame.is(*x, 45, RED));
            let right = (0..640).rfind(|x| frame.is(*x, 45, RED));
            left.zip(right).is_some_and(|(left, right)| {
                between.contains(&left) && (156..=164).contains(&(right - left + 1))
            })
        };
        screen.shows("on the way", glides).await?;
    }
    screen.shows("at the right", is_at(480)).await?;
    Ok(())
}
