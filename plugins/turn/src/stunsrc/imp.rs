// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element itself.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gio::prelude::*;
use gst::glib;
use gst::subclass::prelude::*;
use gst_base::subclass::base_src::CreateSuccess;
use gst_base::subclass::prelude::*;

use super::CAT;
use super::properties::{Settings, specs};
use crate::inbox::Inbox;
use crate::mapping::{MappedPort, NatKind, PortEvent, PortSettings};
use crate::notice::Kind;
use crate::uri::StunUri;
use crate::{peer, source};

const ADDRESS_CHANGED: Kind = Kind {
    name: "reflexive-address-changed",
    fields: &["address", "previous"],
};

const NAT_CLASSIFIED: Kind = Kind {
    name: "nat-classified",
    fields: &["mapping", "filtering"],
};

const SERVER_SILENT: Kind = Kind {
    name: "server-silent",
    fields: &["server"],
};

#[derive(Default)]
pub struct StunSrc {
    settings: Mutex<Settings>,
    state: Mutex<State>,
    inbox: Arc<Inbox>,
}

#[derive(Default)]
struct State {
    port: Option<Arc<MappedPort>>,
    socket: Option<UsedSocket>,
    reflexive: Option<SocketAddr>,
    nat: NatKind,
}

/// The socket as others are given it.
struct UsedSocket(gio::Socket);

// SAFETY: references to a GSocket are counted atomically, and GIO lets several threads use one
// socket; all that is done here is to hand it out and to close it.
unsafe impl Send for UsedSocket {}

#[glib::object_subclass]
impl ObjectSubclass for StunSrc {
    const NAME: &'static str = "GstStunSrc";
    type Type = super::StunSrc;
    type ParentType = gst_base::PushSrc;
}

impl StunSrc {
    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<(), gst::ErrorMessage> {
        let settings = self.settings().clone();
        let peers = addresses(&settings.peers)?;
        let place = format!("{} port {}", settings.address, settings.port);
        let port_settings = port_settings(settings)?;
        let element = self.obj().downgrade();
        let tell = move |event| {
            if let Some(element) = element.upgrade() {
                element.imp().hear(event);
            }
        };
        let cannot = |error: std::io::Error| {
            gst::error_msg!(
                gst::ResourceError::OpenRead,
                ("Cannot receive on {place}: {error}")
            )
        };
        let port = MappedPort::open(port_settings, self.inbox.clone(), tell).map_err(cannot)?;
        port.set_peers(peers);
        let descriptor = port.descriptor().map_err(cannot)?;
        let socket = gio::Socket::from_fd(descriptor)
            .map_err(|error| gst::error_msg!(gst::ResourceError::OpenRead, ("{error}")))?;
        let mut state = self.state();
        state.socket = Some(UsedSocket(socket));
        state.port = Some(Arc::new(port));
        Ok(())
    }

    fn close(&self) {
        // The thread may be about to tell something, for which it takes the lock.
        let state = std::mem::take(&mut *self.state());
        if let Some(socket) = &state.socket {
            // Whoever was given it must not keep the port bound.
            if let Err(error) = socket.0.close() {
                gst::warning!(CAT, imp = self, "cannot close the socket: {error}");
            }
        }
        drop(state);
        *self.state() = State::default();
    }

    /// Called on the thread of the port.
    fn hear(&self, event: PortEvent) {
        let element = self.obj();
        let element: &gst::Element = element.upcast_ref();
        match event {
            PortEvent::Mapped(address) => self.mapped(address),
            PortEvent::Classified(kind) => self.classified(kind),
            PortEvent::Silent(server) => {
                gst::warning!(CAT, imp = self, "{server} does not answer");
                SERVER_SILENT.tell(element, &[&server.to_string()]);
            }
            PortEvent::Unresolved(error) => {
                let server = self.settings().stun_server.clone().unwrap_or_default();
                gst::element_imp_warning!(
                    self,
                    gst::ResourceError::NotFound,
                    ("Cannot find {server}: {error}")
                );
            }
            PortEvent::Failed(error) => gst::element_imp_error!(
                self,
                gst::ResourceError::Read,
                ("The socket failed: {error}")
            ),
        }
    }

    fn mapped(&self, address: SocketAddr) {
        let previous = self.state().reflexive.replace(address);
        gst::info!(CAT, imp = self, "seen as {address}, before {previous:?}");
        let element = self.obj();
        element.notify("reflexive-address");
        let previous = previous.map(|previous| previous.to_string());
        let values = [
            &*address.to_string(),
            previous.as_deref().unwrap_or_default(),
        ];
        ADDRESS_CHANGED.tell(element.upcast_ref(), &values);
    }

    fn classified(&self, kind: NatKind) {
        self.state().nat = kind;
        let element = self.obj();
        element.notify("nat-mapping");
        element.notify("nat-filtering");
        let values = [nick(kind.mapping), nick(kind.filtering)];
        gst::info!(
            CAT,
            imp = self,
            "mapping {}, filtering {}",
            values[0],
            values[1]
        );
        NAT_CLASSIFIED.tell(element.upcast_ref(), &[&values[0], &values[1]]);
    }

    fn set_peers(&self, text: &str) {
        match peer::addresses(text) {
            Ok(peers) => {
                if let Some(port) = self.state().port.clone() {
                    port.set_peers(peers);
                }
            }
            Err(error) => {
                gst::element_imp_warning!(self, gst::ResourceError::Settings, ("peers: {error}"));
            }
        }
    }

    fn punch(&self, text: &str) -> bool {
        match (peer::addresses(text), self.state().port.clone()) {
            (Ok(peers), Some(port)) => {
                peers.into_iter().for_each(|peer| port.punch(peer));
                true
            }
            (Err(error), _) => {
                gst::warning!(CAT, imp = self, "punch: {error}");
                false
            }
            (_, None) => false,
        }
    }

    fn set_keepalive(&self, interval: Duration) {
        self.settings().keepalive = interval;
        if let Some(port) = self.state().port.clone() {
            port.set_interval(interval);
        }
    }
}

fn addresses(peers: &str) -> Result<Vec<SocketAddr>, gst::ErrorMessage> {
    peer::addresses(peers)
        .map_err(|error| gst::error_msg!(gst::ResourceError::Settings, ("peers: {error}")))
}

fn port_settings(settings: Settings) -> Result<PortSettings, gst::ErrorMessage> {
    let address: IpAddr = settings.address.parse().map_err(|_| {
        let address = &settings.address;
        gst::error_msg!(
            gst::ResourceError::Settings,
            ("address: \"{address}\" is not an IP address")
        )
    })?;
    let server = settings.stun_server.filter(|uri| !uri.is_empty());
    let server = server.map(|uri| uri.parse::<StunUri>()).transpose();
    let server = server
        .map_err(|error| gst::error_msg!(gst::ResourceError::Settings, ("stun-server: {error}")))?;
    Ok(PortSettings {
        address,
        port: settings.port,
        buffer_size: settings.buffer_size as usize,
        server: server.map(|uri| uri.server),
        interval: settings.keepalive,
        classify: settings.classify,
    })
}

/// The nick of an enum value.
fn nick(value: impl ToValue) -> String {
    let value = value.to_value();
    let found = glib::EnumValue::from_value(&value);
    found.map_or_else(String::new, |(_, value)| value.nick().to_owned())
}

impl ObjectImpl for StunSrc {
    fn properties() -> &'static [glib::ParamSpec] {
        specs()
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
            let punch = glib::subclass::Signal::builder("punch")
                .param_types([String::static_type()])
                .return_type::<bool>()
                .action()
                .class_handler(|values| {
                    let element = values[0].get::<super::StunSrc>().ok()?;
                    let peers = values[1].get::<&str>().unwrap_or_default();
                    Some(element.imp().punch(peers).to_value())
                })
                .build();
            vec![
                ADDRESS_CHANGED.signal(),
                NAT_CLASSIFIED.signal(),
                SERVER_SILENT.signal(),
                punch,
            ]
        });
        &SIGNALS
    }

    fn constructed(&self) {
        self.parent_constructed();
        source::set_up(self.obj().upcast_ref());
    }

    fn set_property(&self, _id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
        // GObject has checked the types.
        let text = || value.get::<Option<String>>().ok().flatten();
        let number = || value.get::<u32>().unwrap_or_default();
        match spec.name() {
            "address" => self.settings().address = text().unwrap_or_default(),
            "port" => self.settings().port = number() as u16,
            "caps" => self.settings().caps = value.get().ok().flatten(),
            "buffer-size" => self.settings().buffer_size = number(),
            "stun-server" => self.settings().stun_server = text(),
            "peers" => {
                let peers = text().unwrap_or_default();
                self.settings().peers = peers.clone();
                self.set_peers(&peers);
            }
            "keepalive-interval" => self.set_keepalive(Duration::from_millis(number().into())),
            "classify-nat" => self.settings().classify = value.get().unwrap_or(true),
            _ => {}
        }
    }

    fn property(&self, _id: usize, spec: &glib::ParamSpec) -> glib::Value {
        match spec.name() {
            "address" => self.settings().address.to_value(),
            "port" => u32::from(self.settings().port).to_value(),
            "caps" => self.settings().caps.to_value(),
            "buffer-size" => self.settings().buffer_size.to_value(),
            "stun-server" => self.settings().stun_server.to_value(),
            "peers" => self.settings().peers.to_value(),
            "keepalive-interval" => (self.settings().keepalive.as_millis() as u32).to_value(),
            "classify-nat" => self.settings().classify.to_value(),
            "reflexive-address" => self.state().reflexive.map(|a| a.to_string()).to_value(),
            "local-address" => {
                let port = self.state().port.clone();
                let address = port.and_then(|port| port.local_address().ok());
                address.map(|address| address.to_string()).to_value()
            }
            "nat-mapping" => self.state().nat.mapping.to_value(),
            "nat-filtering" => self.state().nat.filtering.to_value(),
            "used-socket" => {
                let state = self.state();
                let socket = state.socket.as_ref().map(|socket| &socket.0);
                socket.to_value()
            }
            "stats" => source::stats("application/x-stunsrc-stats", &self.inbox).to_value(),
            other => unreachable!("GObject asks for a property that was not declared: {other}"),
        }
    }
}

impl GstObjectImpl for StunSrc {}

impl ElementImpl for StunSrc {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "UDP source with STUN",
                "Source/Network",
                "Receives datagrams on a UDP socket, and learns and keeps its outside address",
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
            && let Err(message) = self.open()
        {
            self.post_error_message(message);
            return Err(gst::StateChangeError);
        }
        source::follow_state(&self.inbox, transition);
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::ReadyToNull {
            self.close();
        }
        result
    }
}

impl BaseSrcImpl for StunSrc {
    fn is_seekable(&self) -> bool {
        false
    }

    fn caps(&self, filter: Option<&gst::Caps>) -> Option<gst::Caps> {
        let configured = self.settings().caps.clone();
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

impl PushSrcImpl for StunSrc {
    fn create(
        &self,
        _buffer: Option<&mut gst::BufferRef>,
    ) -> Result<CreateSuccess, gst::FlowError> {
        source::create(self.obj().upcast_ref(), &self.inbox)
    }
}
