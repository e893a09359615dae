// SPDX-License-Identifier: MIT OR Apache-2.0
//! Starting and stopping the hub with the element.

use super::events::Events;
use super::imp::RtcSfu;
use super::settings::SettingsError;
use crate::hub::{Hub, StartError};
use gst::subclass::prelude::*;
use std::sync::Arc;

/// Why the element does not start.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("no thread for events: {0}; check the limits of the process (ulimit -u)")]
    Thread(#[from] std::io::Error),
}

impl Error {
    fn post(self, element: &super::RtcSfu) {
        match &self {
            Error::Start(StartError::Bind { .. } | StartError::Ports { .. }) => {
                gst::element_error!(element, gst::ResourceError::OpenReadWrite, ("{self}"));
            }
            Error::Start(StartError::System { .. }) | Error::Thread(_) => {
                gst::element_error!(element, gst::ResourceError::NoSpaceLeft, ("{self}"));
            }
            _ => gst::element_error!(element, gst::ResourceError::Settings, ("{self}")),
        }
    }
}

/// What runs between READY and PAUSED.
pub(super) struct Running {
    pub(super) hub: Arc<Hub>,
    events: Events,
}

impl RtcSfu {
    /// Opens the sockets and starts the threads. What fails is posted as an element error.
    pub(super) fn start(&self) -> Result<(), gst::StateChangeError> {
        let running = self.try_start().map_err(|error| {
            error.post(&self.obj());
            gst::StateChangeError
        })?;
        self.set_running(Some(running));
        Ok(())
    }

    fn try_start(&self) -> Result<Running, Error> {
        let (uri, token) = self.signaller().imp().uri_and_token();
        let config = self.settings().hub_config(uri, token)?;
        let (events, observer) = Events::start(&self.obj(), self.taps().clone())?;
        match Hub::start(config, observer) {
            Ok(hub) => Ok(Running {
                hub: Arc::new(hub),
                events,
            }),
            Err(error) => {
                events.stop();
                Err(error.into())
            }
        }
    }

    /// Closes everything again. The pads must have let go of the hub before.
    pub(super) fn stop(&self) {
        if let Some(Running { hub, events }) = self.set_running(None) {
            hub.stop();
            events.stop();
        }
    }
}
