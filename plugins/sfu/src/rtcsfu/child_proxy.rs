// SPDX-License-Identifier: MIT OR Apache-2.0
//! Children by name: `signaller` and the pads, so that `signaller::uri=` and `sink_0::participant=` work in a pipeline
//! description.

use super::imp::RtcSfu;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

impl ChildProxyImpl for RtcSfu {
    fn child_by_name(&self, name: &str) -> Option<glib::Object> {
        if name == "signaller" {
            return Some(self.signaller().clone().upcast());
        }
        self.obj().static_pad(name).map(|pad| pad.upcast())
    }

    fn child_by_index(&self, index: u32) -> Option<glib::Object> {
        match index.checked_sub(1) {
            None => Some(self.signaller().clone().upcast()),
            Some(pad) => self
                .obj()
                .pads()
                .into_iter()
                .nth(pad as usize)
                .map(|pad| pad.upcast()),
        }
    }

    fn children_count(&self) -> u32 {
        1 + u32::from(self.obj().num_pads())
    }
}
