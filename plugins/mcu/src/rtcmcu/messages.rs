// SPDX-License-Identifier: MIT OR Apache-2.0
//! What elements within say, and who shall hear it.

use super::CAT;
use super::imp::RtcMcu;
use gst::prelude::*;
use gst::subclass::prelude::*;

impl BinImpl for RtcMcu {
    fn handle_message(&self, message: gst::Message) {
        let reason = match message.view() {
            gst::MessageView::Error(error) => error.error().to_string(),
            gst::MessageView::Warning(warning) => warning.error().to_string(),
            _ => return self.parent_handle_message(message),
        };
        let Some(source) = message.src() else {
            return self.parent_handle_message(message);
        };
        let owner = self.inputs().into_iter().find(|input| input.owns(source));
        match owner {
            Some(input) if matches!(message.view(), gst::MessageView::Error(_)) => {
                self.input_failed(&input, &reason);
            }
            // A decoder that complains goes on.
            Some(input) => gst::debug!(CAT, imp = self, "{}: {reason}", input.pad.name()),
            None if self.is_moot(source, &message) => {
                gst::debug!(CAT, imp = self, "{}: {reason}", source.name());
            }
            None => self.parent_handle_message(message),
        }
    }
}

impl RtcMcu {
    /// Whether it comes from something that is being taken out, or whose output nobody takes any more: its last buffers have
    /// nowhere to go, and that is no error.
    fn is_moot(&self, source: &gst::Object, message: &gst::MessageRef) -> bool {
        let owned = || self.outputs().iter().any(|output| output.owns(source));
        self.is_leaving(source) || (is_not_linked(message) && owned())
    }

    /// What is taken out is locked first.
    fn is_leaving(&self, source: &gst::Object) -> bool {
        let own = self.obj();
        let within = |object: &gst::Object| object != own.upcast_ref::<gst::Object>();
        let chain = std::iter::successors(Some(source.clone()), |object| object.parent());
        let mut elements = chain
            .take_while(within)
            .filter_map(|object| object.downcast::<gst::Element>().ok());
        elements.any(|element| element.is_locked_state())
    }
}

/// Whether an error is that there is nowhere to go.
fn is_not_linked(message: &gst::MessageRef) -> bool {
    let gst::MessageView::Error(error) = message.view() else {
        return false;
    };
    let flow = error
        .details()
        .and_then(|details| details.get::<i32>("flow-return").ok());
    flow == Some(gst::ffi::GST_FLOW_NOT_LINKED)
}
