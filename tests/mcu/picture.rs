// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who is seen where.

use super::screen::{Colour, Screen};
use gst::glib;
use gst::prelude::*;
use gst_rtc::embedded::Embedded;
use gst_rtc::{Result, check};
use gst_rtc_core::mcu::layout::{Layout, Place, Tile};
use gst_rtc_core::mcu::rect::{Rect, Size};

const CANVAS: Size = Size {
    width: 640,
    height: 360,
};
const OUT: &str = "mcu.video ! video/x-raw,format=I420 ! fakesink name=screen signal-handoffs=true";

/// Participants, what they send as 0xAARRGGBB, and what that is in I420.
const PEOPLE: [(&str, u32, Colour); 3] = [
    ("alice", 0xffff_0000, [81, 90, 240]),
    ("bob", 0xff00_ff00, [145, 54, 34]),
    ("carol", 0xff00_00ff, [41, 240, 110]),
];

/// Three of one colour each.
fn three() -> String {
    let source = |(n, (name, colour, _)): (usize, &(&str, u32, Colour))| {
        format!(
            "videotestsrc is-live=true pattern=solid-color foreground-color={colour}
             ! video/x-raw,width=320,height=180,framerate=15/1 ! mcu.sink_{n}
             mcu.sink_{n}::participant={name} "
        )
    };
    let sources: String = PEOPLE.iter().enumerate().map(source).collect();
    // Properties of pads belong to the element that has them.
    let (pads, sources): (Vec<&str>, Vec<&str>) = sources
        .split_whitespace()
        .partition(|word| word.contains("::participant"));
    let pads = pads.join(" ").replace("mcu.sink", "sink");
    format!(
        "rtcmcu name=mcu width=640 height=360 framerate=15/1 animation=100 names=false {pads} {} {OUT}",
        sources.join(" ")
    )
}

/// Where each of the three must be seen: the middle of what nobody covers.
fn spots(layout: &Layout, big: Option<&str>) -> Vec<(usize, usize, Option<Colour>)> {
    let tiles = PEOPLE.map(|(participant, ..)| Tile { participant });
    let mut places = layout.arrange(CANVAS, &tiles, big, 0);
    places.sort_by_key(|place| place.zorder);
    let visible = |(n, place): (usize, &Place)| {
        let parts = places[n + 1..]
            .iter()
            .fold(vec![place.rect], |parts, upper| {
                parts
                    .iter()
                    .flat_map(|part| part.without(&upper.rect))
                    .collect()
            });
        let part = *parts.iter().max_by_key(|part| part.area())?;
        Some((middle(part).0, middle(part).1, Some(PEOPLE[place.tile].2)))
    };
    let seen: Vec<_> = places.iter().enumerate().filter_map(visible).collect();
    let free = places.iter().fold(vec![CANVAS.rect()], |parts, place| {
        parts
            .iter()
            .flat_map(|part| part.without(&place.rect))
            .collect()
    });
    let background = free
        .into_iter()
        .filter(|part| part.width > 8 && part.height > 8);
    let background = background.map(|part| (middle(part).0, middle(part).1, None));
    seen.into_iter().chain(background).collect()
}

fn middle(rect: Rect) -> (usize, usize) {
    let middle = rect.centred(0, 0);
    (middle.x as usize, middle.y as usize)
}

/// Waits until everybody is where this layout has them, and nobody anywhere else.
async fn see(screen: &Screen, layout: &Layout, big: Option<&'static str>) -> Result {
    let spots = spots(layout, big);
    let what = format!("{} with {big:?}: {spots:?}", layout.name());
    let is_colour = |frame: &super::screen::Frame, x, y, colour: Option<Colour>| match colour {
        Some(colour) => frame.is(x, y, colour),
        None => PEOPLE.iter().all(|(_, _, colour)| !frame.is(x, y, *colour)),
    };
    let all = move |frame: &super::screen::Frame| {
        spots
            .iter()
            .all(|(x, y, colour)| is_colour(frame, *x, *y, *colour))
    };
    screen.shows(what, all).await.map(drop)
}

fn set_layout(mcu: &gst::Element, layout: &str) -> Option<String> {
    mcu.emit_by_name("set-layout", &[&layout])
}

/// Sets a property of a pad, `sink_0::xpos`, as applications and descriptions write it.
pub(crate) fn set_child(mcu: &gst::Element, name: &str, value: impl Into<glib::Value>) {
    let proxy = mcu.dynamic_cast_ref::<gst::ChildProxy>();
    let proxy = proxy.expect("pads are its children");
    proxy.set_child_property(name, value);
}

#[tokio::test]
async fn every_layout_has_everybody_where_it_says() -> Result {
    let pipeline = Embedded::parse(&three())?;
    let screen = Screen::of(&pipeline, "screen")?;
    let mcu = pipeline.element("mcu")?;
    pipeline.play().await?;
    for name in Layout::NAMES {
        let layout = Layout::named(name).expect("it is a name");
        for big in ["alice", "bob", "carol"] {
            check!(set_layout(&mcu, name).is_none(), "{name} was refused");
            mcu.set_property("focus", big);
            see(&screen, &layout, Some(big)).await?;
        }
    }
    let custom = r#"[{"x":0,"y":0,"width":640,"height":180,"participant":"bob"},
                     {"x":100,"y":100,"width":128,"height":72,"participant":"alice","zorder":3}]"#;
    check!(
        set_layout(&mcu, custom).is_none(),
        "the rectangles were refused"
    );
    let [red, green] = [PEOPLE[0].2, PEOPLE[1].2];
    let all = move |frame: &super::screen::Frame| {
        frame.is(20, 20, green)
            && frame.is(160, 136, red)
            && frame.is(160, 165, red)
            && !frame.is(320, 300, red)
    };
    screen.shows("the rectangles", all).await?;
    let end = pipeline.error();
    check!(end.is_none(), "{end:?}");
    Ok(())
}

#[tokio::test]
async fn an_impossible_layout_is_refused_with_the_reason_and_the_old_one_stays() -> Result {
    let pipeline = Embedded::parse(&three())?;
    let screen = Screen::of(&pipeline, "screen")?;
    let mcu = pipeline.element("mcu")?;
    pipeline.play().await?;
    see(&screen, &Layout::Grid, None).await?;
    let far = r#"[{"x":600,"y":0,"width":640,"height":180}]"#;
    let stranger = r#"[{"x":0,"y":0,"width":64,"height":64,"participant":"dave"}]"#;
    for (layout, reason) in [
        (
            far,
            "tile 0: 640x180 at (600, 0) is not on the canvas of 640x360",
        ),
        (
            stranger,
            "no participant \"dave\"; there are alice, bob, carol",
        ),
        ("gird", "no layout \"gird\""),
    ] {
        let refused = set_layout(&mcu, layout).unwrap_or_default();
        check!(
            refused.contains(reason),
            "{refused:?} does not say {reason:?}"
        );
    }
    mcu.set_property("layout", "gird");
    let of_property = |message: &gst::StructureRef| message.get::<&str>("layout") == Ok("gird");
    pipeline
        .message("rtcmcu-layout-refused", of_property)
        .await?;
    check!(
        mcu.property::<String>("layout") == "grid",
        "the old one is gone"
    );
    see(&screen, &Layout::Grid, None).await
}

#[tokio::test]
async fn a_pad_goes_where_its_properties_put_it_while_it_plays() -> Result {
    let pipeline = Embedded::parse(&three())?;
    let screen = Screen::of(&pipeline, "screen")?;
    let mcu = pipeline.element("mcu")?;
    pipeline.play().await?;
    see(&screen, &Layout::Grid, None).await?;
    let pad = mcu.static_pad("sink_0").expect("it was linked");
    pad.set_properties(&[
        ("xpos", &500i32),
        ("ypos", &300i32),
        ("width", &100u32),
        ("height", &50u32),
        ("zorder", &9u32),
    ]);
    let [red, green, blue] = PEOPLE.map(|(_, _, colour)| colour);
    let moved = move |frame: &super::screen::Frame| {
        frame.is(550, 325, red) && frame.is(100, 180, green) && frame.is(500, 180, blue)
    };
    screen
        .shows("alice in the corner, the others in a grid of two", moved)
        .await?;
    set_child(&mcu, "sink_0::xpos", 20i32);
    set_child(&mcu, "sink_0::ypos", 10i32);
    let moved = move |frame: &super::screen::Frame| {
        frame.is(70, 35, red) && frame.is(100, 180, green) && !frame.is(550, 325, red)
    };
    screen.shows("alice in the other corner", moved).await?;
    pad.set_property("alpha", 0.0f64);
    screen
        .shows("alice gone", move |frame| !frame.is(70, 35, red))
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_picture_of_another_shape_is_fitted_stretched_or_cut() -> Result {
    // A square, blue at its top and bottom quarters: cut, of these only 20 of 160 pixels are left.
    let pipeline = Embedded::parse(&format!(
        "rtcmcu name=mcu width=640 height=360 framerate=15/1 animation=0 names=false background-color={:#x}
         videotestsrc is-live=true pattern=solid-color foreground-color=0xffff0000
         ! video/x-raw,width=240,height=120,framerate=15/1 ! videobox top=-60 bottom=-60 fill=blue ! mcu.sink_0 {OUT}",
        PEOPLE[1].1 & 0x00ff_ffff
    ))?;
    let screen = Screen::of(&pipeline, "screen")?;
    let mcu = pipeline.element("mcu")?;
    pipeline.play().await?;
    let [red, green, blue] = PEOPLE.map(|(_, _, colour)| colour);
    let cut = move |frame: &super::screen::Frame| {
        frame.is(4, 50, red) && frame.is(320, 310, red) && frame.is(320, 8, blue)
    };
    screen.shows("the middle, to the edges", cut).await?;
    mcu.set_property_from_str("scaling", "fit");
    let bars = move |frame: &super::screen::Frame| {
        frame.is(130, 180, green) && frame.is(150, 180, red) && frame.is(150, 80, blue)
    };
    screen.shows("all of it, between bars", bars).await?;
    mcu.set_property_from_str("scaling", "fill");
    let stretched = move |frame: &super::screen::Frame| {
        frame.is(4, 80, blue) && frame.is(4, 100, red) && frame.is(636, 280, blue)
    };
    screen.shows("all of it, to the edges", stretched).await?;
    mcu.set_property("width", 320u32);
    mcu.set_property("height", 240u32);
    screen
        .shows(
            "a smaller canvas, with a tile of 16:9 in its middle",
            move |frame| frame.width == 320 && frame.is(316, 150, red),
        )
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_camera_that_stops_leaves_the_name_and_comes_back() -> Result {
    let pipeline = Embedded::parse(&format!(
        "rtcmcu name=mcu width=640 height=360 framerate=15/1 sink_0::participant=alice
         videotestsrc is-live=true pattern=solid-color foreground-color=0xffff0000
         ! video/x-raw,width=320,height=180,framerate=15/1 ! valve name=valve ! mcu.sink_0 {OUT}"
    ))?;
    let screen = Screen::of(&pipeline, "screen")?;
    pipeline.play().await?;
    let red = PEOPLE[0].2;
    let valve = pipeline.element("valve")?;
    for _ in 0..2 {
        screen
            .shows("the picture", move |frame| frame.is(320, 90, red))
            .await?;
        valve.set_property("drop", true);
        // White letters on a dark ground.
        let has_letters =
            |frame: &super::screen::Frame| (200..440).any(|x| frame.at(x, 180)[0] > 200);
        let named = move |frame: &super::screen::Frame| {
            frame.at(320, 90)[0] < 100 && !frame.is(320, 90, red) && has_letters(frame)
        };
        screen.shows("the name", named).await?;
        valve.set_property("drop", false);
    }
    Ok(())
}
