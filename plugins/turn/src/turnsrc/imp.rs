// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element itself.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::subclass::base_src::CreateSuccess;
use gst_base::subclass::prelude::*;

use crate::inbox::Inbox;
use crate::owner::{self, Owner};
use crate::source;

#[derive(Default)]
pub struct TurnSrc {
    caps: Mutex<Option<gst::Caps>>,
    owner: Owner,
    inbox: Arc<Inbox>,
}

#[glib::object_subclass]
impl ObjectSubclass for TurnSrc {
    const NAME: &'static str = "GstTurnSrc";
    type Type = super::TurnSrc;
    type ParentType = gst_base::PushSrc;
}

impl TurnSrc {
    fn caps(&self) -> MutexGuard<'_, Option<gst::Caps>> {
        self.caps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn permit(&self, text: &str) -> bool {
        self.owner.permit(self.obj().upcast_ref(), text)
    }
}

impl ObjectImpl for TurnSrc {
    fn properties() -> &'static [glib::ParamSpec] {
        static SPECS: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let mut specs = owner::specs();
            specs.push(
                glib::ParamSpecBoxed::builder::<gst::Caps>("caps")
                    .nick("Caps")
                    .blurb("The caps of what is received. None: anything")
                    .mutable_ready()
                    .build(),
            );
            specs.push(
                glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
                    .nick("Statistics")
                    .blurb("application/x-turnsrc-stats with packets-received, bytes-received and packets-dropped, the last because the pipeline was too slow")
                    .read_only()
                    .build(),
            );
            specs
        });
        &SPECS
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
            let permit = glib::subclass::Signal::builder("permit")
                .param_types([String::static_type()])
                .return_type::<bool>()
                .action()
                .class_handler(|values| {
                    let element = values[0].get::<super::TurnSrc>().ok()?;
                    let peers = values[1].get::<&str>().unwrap_or_default();
                    Some(element.imp().permit(peers).to_value())
                })
                .build();
            let mut signals = owner::signals();
            signals.push(permit);
            signals
        });
        &SIGNALS
    }

    fn constructed(&self) {
        self.parent_constructed();
        source::set_up(self.obj().upcast_ref());
    }

    fn set_property(&self, _id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
        match spec.name() {
            "caps" => *self.caps() = value.get().ok().flatten(),
            _ => self
                .owner
                .set_property(self.obj().upcast_ref(), value, spec),
        }
    }

    fn property(&self, _id: usize, spec: &glib::ParamSpec) -> glib::Value {
        match spec.name() {
            "caps" => self.caps().to_value(),
            "stats" => source::stats("application/x-turnsrc-stats", &self.inbox).to_value(),
            _ => self.owner.property(spec),
        }
    }
}

impl GstObjectImpl for TurnSrc {}

impl ElementImpl for TurnSrc {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "TURN source",
                "Source/Network",
                "Receives datagrams through a relay on a TURN server",
                env!("CARGO_PKG_AUTHORS"),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        source::pad_templates()
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::NullToReady
            && let Err(message) = self.owner.open(self.obj().upcast_ref(), self.inbox.clone())
        {
            self.post_error_message(message);
            return Err(gst::StateChangeError);
        }
        source::follow_state(&self.inbox, transition);
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::ReadyToNull {
            self.owner.close();
        }
        result
    }
}

impl BaseSrcImpl for TurnSrc {
    fn is_seekable(&self) -> bool {
        false
    }

    fn caps(&self, filter: Option<&gst::Caps>) -> Option<gst::Caps> {
        let configured = self.caps().clone();
        Some(source::caps(configured, filter))
    }

    fn unlock(&self) -> Result<(), gst::ErrorMessage> {
        self.inbox.interrupt(true);
        Ok(())
    }

    fn unlock_stop(&self) -> Result<(), gst::ErrorMessage> {
        self.inbox.interrupt(false);
        Ok(())
    }
}

impl PushSrcImpl for TurnSrc {
    fn create(
        &self,
        _buffer: Option<&mut gst::BufferRef>,
    ) -> Result<CreateSuccess, gst::FlowError> {
        source::create(self.obj().upcast_ref(), &self.inbox)
    }
}
