// SPDX-License-Identifier: MIT OR Apache-2.0
//! What follows when a property of the element changes, be it while it plays.

use super::canvas::clock_time;
use super::imp::RtcMcu;
use super::layout_text;
use super::notice::Notice;
use gst::prelude::*;
use gst::subclass::prelude::*;

impl RtcMcu {
    /// A property has another value; not the layout.
    pub(super) fn property_changed(&self, name: &str) {
        self.apply_settings();
        match name {
            "width" | "height" | "framerate" | "background-color" | "background-image" => {
                self.resize()
            }
            "logo" => self.load_logo(),
            "auto-level" => self.mixer().set_auto_level(self.settings().auto_level),
            "latency" => self.change_latency(),
            "video-bitrate" | "audio-bitrate" => self.change_bitrates(),
            _ => {}
        }
    }

    /// Puts another layout in force. The reason when it is refused; then the old one stays.
    pub(super) fn set_layout(&self, text: &str) -> Result<(), String> {
        let there = self.lock().participants.clone();
        let canvas = self.lock_settings().canvas;
        let layout = layout_text::parse(text, canvas, &there).map_err(|error| error.to_string());
        match layout {
            Ok(layout) => {
                let name = layout.name();
                {
                    let mut settings = self.lock_settings();
                    settings.layout = layout;
                    settings.layout_text = text.to_owned();
                }
                self.apply_settings();
                Notice::LayoutChanged(name).tell(&self.obj());
                Ok(())
            }
            Err(reason) => {
                Notice::LayoutRefused(text, &reason).tell(&self.obj());
                Err(reason)
            }
        }
    }

    fn apply_settings(&self) {
        let settings = self.settings();
        self.lock_scene().settings = settings;
    }

    /// Brings a changed size, rate or background to the canvas.
    pub(super) fn resize(&self) {
        let settings = self.settings();
        if let Some(canvas) = self.canvas() {
            canvas.resize(&settings);
            self.load_background(canvas, settings);
        }
    }

    /// First all that will have to hold more, then those who wait, then the pipeline is told.
    fn change_latency(&self) {
        let latency = self.settings().latency;
        self.inputs().iter().for_each(|input| input.hold(latency));
        self.outputs()
            .iter()
            .for_each(|output| output.hold(latency));
        self.mixer().wait_for(clock_time(latency));
        if let Some(canvas) = self.canvas() {
            canvas.wait_for(latency);
        }
        let element = self.obj();
        let message = gst::message::Latency::builder().src(&*element).build();
        // Refused only where nobody listens.
        let _ = element.post_message(message);
    }

    fn change_bitrates(&self) {
        let settings = self.settings();
        for output in self.outputs() {
            output.set_bitrate(&settings);
        }
    }
}
