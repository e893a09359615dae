// SPDX-License-Identifier: MIT OR Apache-2.0
//! Children by name: the pads, so that `sink_0::participant=` works in a pipeline description.

use super::imp::RtcMcu;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

impl ChildProxyImpl for RtcMcu {
    fn child_by_name(&self, name: &str) -> Option<glib::Object> {
        self.obj().static_pad(name).map(|pad| pad.upcast())
    }

    fn child_by_index(&self, index: u32) -> Option<glib::Object> {
        let pad = self.obj().pads().into_iter().nth(index as usize);
        pad.map(|pad| pad.upcast())
    }

    fn children_count(&self) -> u32 {
        u32::from(self.obj().num_pads())
    }
}
