// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element itself.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::subclass::prelude::*;

use super::CAT;
use crate::inbox::Inbox;
use crate::owner::{self, Owner};
use crate::peer;
use crate::relay::{Sent, TurnRelay};

#[derive(Default)]
pub struct TurnSink {
    settings: Mutex<Settings>,
    state: Mutex<State>,
    owner: Owner,
    interrupted: AtomicBool,
    sent: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Clone, Debug, Default)]
struct Settings {
    host: Option<String>,
    port: u16,
    relay: Option<TurnRelay>,
    relay_of: Option<String>,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// Which relay is sent through, from READY on.
    relay: Option<TurnRelay>,
    /// Where to, unless buffers say.
    to: Option<SocketAddr>,
    /// Whether there was an allocation already.
    ready: bool,
}

#[glib::object_subclass]
impl ObjectSubclass for TurnSink {
    const NAME: &'static str = "GstTurnSink";
    type Type = super::TurnSink;
    type ParentType = gst_base::BaseSink;
}

impl TurnSink {
    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find_relay(&self) -> Result<TurnRelay, gst::ErrorMessage> {
        let Settings {
            relay, relay_of, ..
        } = self.settings().clone();
        let ways = [relay.is_some(), relay_of.is_some(), self.owner.has_server()];
        if ways.iter().filter(|set| **set).count() > 1 {
            return Err(wrong("set only one of relay, relay-of and turn-server"));
        }
        if let Some(relay) = relay {
            return Ok(relay);
        }
        if let Some(name) = relay_of {
            return self.relay_of(&name);
        }
        if self.owner.has_server() {
            let element = self.obj();
            self.owner
                .open(element.upcast_ref(), Arc::new(Inbox::default()))?;
            return Ok(self.owner.handle().clone());
        }
        Err(wrong(
            "which relay? Set relay-of to the name of a turnsrc, or turn-server for one of its own",
        ))
    }

    /// The relay of the element of that name, wherever in the pipeline.
    fn relay_of(&self, name: &str) -> Result<TurnRelay, gst::ErrorMessage> {
        let mut top = self.obj().parent();
        while let Some(parent) = top.as_ref().and_then(|object| object.parent()) {
            top = Some(parent);
        }
        let bin = top.and_then(|top| top.downcast::<gst::Bin>().ok());
        let element = bin.and_then(|bin| bin.by_name(name)).ok_or_else(|| {
            wrong(&format!(
                "relay-of: there is no element \"{name}\" in the pipeline"
            ))
        })?;
        if element.find_property("used-relay").is_none() {
            return Err(wrong(&format!("relay-of: \"{name}\" is not a turnsrc")));
        }
        Ok(element.property("used-relay"))
    }

    fn start_sending(&self) -> Result<(), gst::ErrorMessage> {
        let to = self.destination()?;
        let relay = self.find_relay()?;
        *self.state() = State {
            relay: Some(relay),
            to,
            ready: false,
        };
        Ok(())
    }

    fn destination(&self) -> Result<Option<SocketAddr>, gst::ErrorMessage> {
        let Settings { host, port, .. } = self.settings().clone();
        let Some(host) = host.filter(|host| !host.is_empty()) else {
            return Ok(None);
        };
        let ip: IpAddr = host.parse().map_err(|_| {
            wrong(&format!(
                "host: \"{host}\" is not an IP address, which the relay must be told"
            ))
        })?;
        if port == 0 {
            return Err(wrong("port: not set"));
        }
        Ok(Some(SocketAddr::new(ip, port)))
    }

    /// Takes a new destination while it runs.
    fn redirect(&self) {
        match self.destination() {
            Ok(to) => self.state().to = to,
            // Host and port are set one after the other.
            Err(error) => gst::debug!(CAT, imp = self, "{error}"),
        }
    }

    fn send(&self, buffer: &gst::Buffer) -> Result<(), gst::FlowError> {
        let State { relay, to, ready } = self.state().clone();
        let to = to.or_else(|| address_of(buffer));
        let (Some(relay), Some(to)) = (relay, to) else {
            gst::element_imp_error!(
                self,
                gst::ResourceError::NotFound,
                ("Where to? Set host and port; the buffer has no address of its own")
            );
            return Err(gst::FlowError::Error);
        };
        let map = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
        let mut now_ready = ready;
        let sent = relay.send(to, &map, &mut now_ready, &self.interrupted);
        if self.interrupted.load(Ordering::Acquire) {
            return Err(gst::FlowError::Flushing);
        }
        if now_ready != ready {
            self.state().ready = now_ready;
        }
        match sent {
            Sent::Now | Sent::Soon => self.sent.fetch_add(1, Ordering::Relaxed),
            Sent::No => {
                gst::trace!(
                    CAT,
                    imp = self,
                    "no relay or no permission for {to}: dropped"
                );
                self.dropped.fetch_add(1, Ordering::Relaxed)
            }
        };
        Ok(())
    }

    fn stats(&self) -> gst::Structure {
        gst::Structure::builder("application/x-turnsink-stats")
            .field("packets-sent", self.sent.load(Ordering::Relaxed))
            .field("packets-dropped", self.dropped.load(Ordering::Relaxed))
            .build()
    }
}

fn wrong(words: &str) -> gst::ErrorMessage {
    gst::error_msg!(gst::ResourceError::Settings, ("{words}"))
}

/// The address that a buffer says it goes to, as for `udpsink` in a reply.
fn address_of(buffer: &gst::Buffer) -> Option<SocketAddr> {
    let meta = buffer.meta::<gst_net::NetAddressMeta>()?;
    peer::from_gio(&meta.addr())
}

impl ObjectImpl for TurnSink {
    fn properties() -> &'static [glib::ParamSpec] {
        static SPECS: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            // Its own "port" is that of the destination, as in udpsink.
            let shared =
                |spec: &glib::ParamSpec| !["port", "address", "buffer-size"].contains(&spec.name());
            let mut specs: Vec<_> = owner::specs().into_iter().filter(shared).collect();
            specs.extend(own_specs());
            specs
        });
        &SPECS
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(owner::signals);
        &SIGNALS
    }

    fn set_property(&self, _id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
        // GObject has checked the types.
        let text = || value.get::<Option<String>>().ok().flatten();
        match spec.name() {
            "host" => {
                self.settings().host = text();
                self.redirect();
            }
            "port" => {
                self.settings().port = value.get::<u32>().unwrap_or_default() as u16;
                self.redirect();
            }
            "relay" => self.settings().relay = value.get().ok().flatten(),
            "relay-of" => self.settings().relay_of = text(),
            _ => self
                .owner
                .set_property(self.obj().upcast_ref(), value, spec),
        }
    }

    fn property(&self, _id: usize, spec: &glib::ParamSpec) -> glib::Value {
        match spec.name() {
            "host" => self.settings().host.to_value(),
            "port" => u32::from(self.settings().port).to_value(),
            "relay" => self.settings().relay.to_value(),
            "relay-of" => self.settings().relay_of.to_value(),
            "stats" => self.stats().to_value(),
            _ => self.owner.property(spec),
        }
    }
}

fn own_specs() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecString::builder("host")
            .nick("Host")
            .blurb("IP address to send to. None: each buffer goes where its GstNetAddressMeta says")
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("port")
            .nick("Port")
            .blurb("Port to send to")
            .maximum(u32::from(u16::MAX))
            .mutable_playing()
            .build(),
        glib::ParamSpecObject::builder::<TurnRelay>("relay")
            .nick("Relay")
            .blurb("The used-relay of another element, to send through")
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("relay-of")
            .nick("Relay of")
            .blurb("Name of the turnsrc in the same pipeline whose relay to send through")
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("application/x-turnsink-stats with packets-sent and packets-dropped, the last for want of a relay or a permission")
            .read_only()
            .build(),
    ]
}

impl GstObjectImpl for TurnSink {}

impl ElementImpl for TurnSink {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "TURN sink",
                "Sink/Network",
                "Sends datagrams through a relay on a TURN server",
                env!("CARGO_PKG_AUTHORS"),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let template = gst::PadTemplate::new(
                "sink",
                gst::PadDirection::Sink,
                gst::PadPresence::Always,
                &gst::Caps::new_any(),
            );
            vec![template.expect("the template is well formed")]
        });
        &TEMPLATES
    }
}

impl BaseSinkImpl for TurnSink {
    /// From NULL to READY.
    fn start(&self) -> Result<(), gst::ErrorMessage> {
        self.start_sending()
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *self.state() = State::default();
        self.owner.close();
        Ok(())
    }

    fn render(&self, buffer: &gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.send(buffer).map(|()| gst::FlowSuccess::Ok)
    }

    fn unlock(&self) -> Result<(), gst::ErrorMessage> {
        self.interrupted.store(true, Ordering::Release);
        if let Some(relay) = self.state().relay.clone() {
            relay.notify();
        }
        Ok(())
    }

    fn unlock_stop(&self) -> Result<(), gst::ErrorMessage> {
        self.interrupted.store(false, Ordering::Release);
        Ok(())
    }
}
