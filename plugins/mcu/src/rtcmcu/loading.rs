// SPDX-License-Identifier: MIT OR Apache-2.0
//! Brings pictures from files to the canvas, in threads of their own: it may take long.

use super::canvas::Canvas;
use super::imp::RtcMcu;
use super::settings::Settings;
use super::{CAT, image};
use gst::glib;
use gst::subclass::prelude::*;
use std::sync::{Arc, PoisonError};

impl RtcMcu {
    /// Reads the background.
    pub(super) fn load_background(&self, canvas: Arc<Canvas>, settings: Settings) {
        let Some(path) = settings.background.image else {
            return;
        };
        let element = self.obj().downgrade();
        self.in_thread(move || match image::background(&path, settings.canvas) {
            Ok(picture) => canvas.set_background(picture),
            Err(error) => warn(&element, "background-image", &path, &error),
        });
    }

    pub(super) fn load_logo(&self) {
        let Some(path) = self.settings().logo else {
            self.lock_scene().logo = None;
            return;
        };
        let (element, scene) = (self.obj().downgrade(), self.scene.clone());
        self.in_thread(move || match image::logo(&path) {
            Ok(logo) => {
                scene.lock().unwrap_or_else(PoisonError::into_inner).logo = Some(logo);
            }
            Err(error) => warn(&element, "logo", &path, &error),
        });
    }

    fn in_thread(&self, work: impl FnOnce() + Send + 'static) {
        let thread = std::thread::Builder::new().name("rtcmcu-image".into());
        if let Err(error) = thread.spawn(work) {
            gst::warning!(CAT, imp = self, "no thread to read a picture: {error}");
        }
    }
}

/// A file that could not be read.
fn warn(element: &glib::WeakRef<super::RtcMcu>, property: &str, path: &str, error: &str) {
    if let Some(element) = element.upgrade() {
        gst::element_warning!(
            element,
            gst::ResourceError::OpenRead,
            ("{property}: {path} cannot be read: {error}")
        );
    }
}
