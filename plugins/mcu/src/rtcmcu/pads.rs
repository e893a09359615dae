// SPDX-License-Identifier: MIT OR Apache-2.0
//! How the element's pads come and go.

use super::imp::RtcMcu;
use super::input::Input;
use super::output::{Content, Output};
use super::{CAT, RtcMcuSinkPad};
use gst::prelude::*;
use gst::subclass::prelude::*;
use std::sync::Arc;

impl RtcMcu {
    pub(super) fn request_sink_pad(
        &self,
        template: &gst::PadTemplate,
        name: Option<&str>,
    ) -> Option<gst::Pad> {
        let element = self.obj();
        let name = match name {
            Some(name) => name.to_owned(),
            None => (0u32..)
                .map(|n| format!("sink_{n}"))
                .find(|name| element.static_pad(name).is_none())?,
        };
        let pad = RtcMcuSinkPad::new(template, &name);
        let id = {
            let mut state = self.lock();
            state.next_input += 1;
            state.next_input
        };
        let input = Input::new(self, id, &pad).ok()?;
        self.lock().inputs.push(input.clone());
        if !self.add(pad.upcast_ref()) {
            self.forget_input(&input);
            return None;
        }
        self.inputs_changed();
        Some(pad.upcast())
    }

    pub(super) fn request_src_pad(
        &self,
        template: &gst::PadTemplate,
        name: &str,
        content: Content,
    ) -> Option<gst::Pad> {
        if content == Content::Video
            && let Err(error) = self.ensure_canvas()
        {
            gst::element_imp_error!(
                self,
                gst::CoreError::MissingPlugin,
                ("no picture can be composed: {error}")
            );
            return None;
        }
        let pad = gst::GhostPad::builder_from_template(template)
            .name(name)
            .build();
        let output = Arc::new(Output::new(&pad, content));
        if !self.add(pad.upcast_ref()) {
            return None;
        }
        self.lock().outputs.push(output.clone());
        let (element, output) = (self.obj().downgrade(), Arc::downgrade(&output));
        pad.connect_linked(move |_, _| {
            if let (Some(element), Some(output)) = (element.upgrade(), output.upgrade()) {
                element.imp().output_linked(&output);
            }
        });
        Some(pad.upcast())
    }

    fn add(&self, pad: &gst::Pad) -> bool {
        if self.obj().current_state() > gst::State::Ready && pad.set_active(true).is_err() {
            return false;
        }
        let added = self.obj().add_pad(pad).is_ok();
        if added {
            self.obj().child_added(pad, &pad.name());
        }
        added
    }

    pub(super) fn remove(&self, pad: &gst::Pad) {
        let name = pad.name();
        if pad.set_active(false).is_err() || self.obj().remove_pad(pad).is_err() {
            gst::warning!(CAT, imp = self, "{name} was not removed cleanly");
        }
        self.obj().child_removed(pad, &name);
    }

    pub(super) fn forget_input(&self, input: &Arc<Input>) {
        self.lock().inputs.retain(|known| known.id != input.id);
        input.remove(self);
    }
}
