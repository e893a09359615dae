// SPDX-License-Identifier: MIT OR Apache-2.0
//! Buffers that become messages on data channels.

use super::{Labels, RtcSfu, SinkPad};
use crate::hub::{OwnMessage, RequestError};
use crate::rtcsfu::RtcSfuSinkPad;
use gst::prelude::*;
use gst::subclass::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// What is known of a pad that feeds data channels.
#[derive(Debug)]
pub(super) struct Messages {
    /// From the pad's name.
    label: String,
    /// What comes is text.
    text: AtomicBool,
}

impl Messages {
    /// Takes what upstream says of its buffers.
    pub(super) fn set_caps(&self, caps: &gst::CapsRef) {
        let name = caps.structure(0).map(|structure| structure.name());
        let text = name.is_some_and(|name| name == "text/x-raw" || name == "text/plain");
        self.text.store(text, Relaxed);
    }
}

impl RtcSfuSinkPad {
    /// A pad, still to be added to its element, whose buffers go to the data channels of that label.
    pub(in crate::rtcsfu) fn for_messages(
        template: &gst::PadTemplate,
        name: &str,
        label: &str,
    ) -> RtcSfuSinkPad {
        let pad = RtcSfuSinkPad::new(template, name);
        let messages = Messages {
            label: label.to_owned(),
            text: AtomicBool::new(false),
        };
        assert!(pad.imp().messages.set(messages).is_ok(), "the pad is new");
        pad
    }
}

impl SinkPad {
    /// Sends a buffer as one message. One that can never be sent is left out with a warning.
    pub(super) fn send(
        &self,
        element: &RtcSfu,
        messages: &Messages,
        buffer: &gst::BufferRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let hub = element.hub().ok_or(gst::FlowError::Flushing)?;
        let payload = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
        let Labels {
            room,
            participant,
            track,
            audience,
            ..
        } = self.obj().labels();
        let message = OwnMessage {
            room,
            from: participant,
            to: audience,
            label: track.unwrap_or_else(|| messages.label.clone()),
            text: messages.text.load(Relaxed),
            payload: payload.as_slice().into(),
        };
        let name = self.obj().name();
        match hub.send_data(message) {
            Ok(()) => Ok(gst::FlowSuccess::Ok),
            Err(error @ (RequestError::TooLong { .. } | RequestError::NoText)) => {
                gst::element_imp_warning!(
                    element,
                    gst::StreamError::Format,
                    ("{name}: a message was left out: {error}")
                );
                Ok(gst::FlowSuccess::Ok)
            }
            Err(error) => {
                gst::element_imp_error!(element, gst::ResourceError::Settings, ("{name}: {error}"));
                Err(gst::FlowError::Error)
            }
        }
    }
}
