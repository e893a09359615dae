// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pad on which somebody's picture or sound comes in.

use super::RtcMcuSinkPad;
use super::imp::RtcMcu;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_rtc_core::mcu::rect::Rect;
use std::sync::{LazyLock, Mutex, PoisonError};

/// What the application says of the stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wishes {
    pub(super) participant: Option<String>,
    pub(super) label: Option<String>,
    pub(super) xpos: i32,
    pub(super) ypos: i32,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) zorder: u32,
    pub(super) alpha: f64,
    pub(super) volume: f64,
    pub(super) mute: bool,
}

impl Default for Wishes {
    fn default() -> Wishes {
        Wishes {
            participant: None,
            label: None,
            xpos: 0,
            ypos: 0,
            width: 0,
            height: 0,
            zorder: 0,
            alpha: 1.0,
            volume: 1.0,
            mute: false,
        }
    }
}

impl Wishes {
    /// The rectangle that was given, when one was.
    pub(super) fn rect(&self) -> Option<Rect> {
        let given = self.width > 0 && self.height > 0;
        given.then(|| Rect::new(self.xpos, self.ypos, self.width, self.height))
    }
}

/// See [`RtcMcuSinkPad`].
#[derive(Default)]
pub struct SinkPad {
    wishes: Mutex<Wishes>,
}

impl SinkPad {
    fn change(&self, change: impl FnOnce(&mut Wishes)) {
        change(&mut self.wishes.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[glib::object_subclass]
impl ObjectSubclass for SinkPad {
    const NAME: &'static str = "GstRtcMcuSinkPad";
    type Type = RtcMcuSinkPad;
    type ParentType = gst::GhostPad;
}

impl ObjectImpl for SinkPad {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(specs);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        self.change(|wishes| wishes.set(pspec.name(), value));
        if let Some(element) = self.obj().parent().and_downcast::<super::RtcMcu>() {
            element.imp().wishes_changed(&self.obj());
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        self.obj().wishes().get(pspec.name())
    }
}

impl GstObjectImpl for SinkPad {}
impl PadImpl for SinkPad {}
impl ProxyPadImpl for SinkPad {}
impl GhostPadImpl for SinkPad {}

impl RtcMcuSinkPad {
    pub(super) fn new(template: &gst::PadTemplate, name: &str) -> RtcMcuSinkPad {
        gst::PadBuilder::<RtcMcuSinkPad>::from_template(template)
            .name(name)
            .event_function(|pad, parent, event| {
                RtcMcu::catch_panic_pad_function(
                    parent,
                    || false,
                    |element| {
                        element.sink_event(pad, &event);
                        gst::Pad::event_default(pad, Some(&*element.obj()), event)
                    },
                )
            })
            .build()
    }

    pub(super) fn wishes(&self) -> Wishes {
        let wishes = self.imp().wishes.lock();
        wishes.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Wishes {
    fn set(&mut self, name: &str, value: &glib::Value) {
        match name {
            "participant" => {
                self.participant = checked::<Option<String>>(value).filter(|name| !name.is_empty());
            }
            "label" => self.label = checked(value),
            "xpos" => self.xpos = checked(value),
            "ypos" => self.ypos = checked(value),
            "width" => self.width = checked(value),
            "height" => self.height = checked(value),
            "zorder" => self.zorder = checked(value),
            "alpha" => self.alpha = checked(value),
            "volume" => self.volume = checked(value),
            "mute" => self.mute = checked(value),
            name => unreachable!("no property {name}"),
        }
    }

    fn get(&self, name: &str) -> glib::Value {
        match name {
            "participant" => self.participant.to_value(),
            "label" => self.label.to_value(),
            "xpos" => self.xpos.to_value(),
            "ypos" => self.ypos.to_value(),
            "width" => self.width.to_value(),
            "height" => self.height.to_value(),
            "zorder" => self.zorder.to_value(),
            "alpha" => self.alpha.to_value(),
            "volume" => self.volume.to_value(),
            "mute" => self.mute.to_value(),
            name => unreachable!("no property {name}"),
        }
    }
}

fn checked<'v, T: glib::value::FromValue<'v>>(value: &'v glib::Value) -> T {
    value.get().expect("GObject checked the type")
}

fn specs() -> Vec<glib::ParamSpec> {
    let text = |name: &str, nick: &str, blurb: &str| {
        let spec = glib::ParamSpecString::builder(name).nick(nick).blurb(blurb);
        spec.mutable_playing().build()
    };
    let place = |name: &str, nick: &str, blurb: &str| {
        let spec = glib::ParamSpecInt::builder(name).nick(nick).blurb(blurb);
        spec.minimum(-MOST).maximum(MOST).mutable_playing().build()
    };
    let extent = |name: &str, nick: &str, blurb: &str| {
        let spec = glib::ParamSpecUInt::builder(name).nick(nick).blurb(blurb);
        spec.maximum(MOST as u32).mutable_playing().build()
    };
    let real = |name: &str, nick: &str, maximum: f64, blurb: &str| {
        let spec = glib::ParamSpecDouble::builder(name).nick(nick).blurb(blurb);
        let spec = spec.minimum(0.0).maximum(maximum).default_value(1.0);
        spec.mutable_playing().build()
    };
    vec![
        text(
            "participant",
            "Participant",
            "Name of the participant whose picture or sound it is. Unset: told from the stream (its stream id from rtcsfu, its \
             media stream id, or the group of streams it belongs to), else the name of the pad",
        ),
        text(
            "label",
            "Label",
            "Text drawn on the tile. Unset: the name of the participant; empty: none",
        ),
        place(
            "xpos",
            "X",
            "Left edge of the tile in pixels of the canvas, where width and height are set",
        ),
        place(
            "ypos",
            "Y",
            "Upper edge of the tile in pixels of the canvas, where width and height are set",
        ),
        extent(
            "width",
            "Width",
            "Width of the tile in pixels. 0: the layout places the tile",
        ),
        extent(
            "height",
            "Height",
            "Height of the tile in pixels. 0: the layout places the tile",
        ),
        extent(
            "zorder",
            "Z order",
            "Added to the order of the layout; higher tiles lie on top",
        ),
        real(
            "alpha",
            "Alpha",
            1.0,
            "Opacity of the tile: 0 is not seen, 1 is opaque",
        ),
        real(
            "volume",
            "Volume",
            10.0,
            "Linear factor of the sound; 1 is as it comes",
        ),
        glib::ParamSpecBoolean::builder("mute")
            .nick("Mute")
            .blurb("Whether the sound is left out of all mixes; the tile gets a mark")
            .mutable_playing()
            .build(),
    ]
}

/// Largest coordinate, in pixels.
const MOST: i32 = 32_767;
