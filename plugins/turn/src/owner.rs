// SPDX-License-Identifier: MIT OR Apache-2.0
//! An element that has a relay: the properties, signals and messages that come with it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gst::glib;
use gst::prelude::*;

use crate::inbox::Inbox;
use crate::notice::Kind;
use crate::peer;
use crate::relay::{Relay, RelayEvent, RelaySettings, TurnRelay};
use crate::uri::TurnUri;

const ADDRESS_CHANGED: Kind = Kind {
    name: "relayed-address-changed",
    fields: &["address", "previous"],
};

const RELAY_LOST: Kind = Kind {
    name: "relay-lost",
    fields: &["address"],
};

const PERMISSION_REFUSED: Kind = Kind {
    name: "permission-refused",
    fields: &["address"],
};

/// The relay of an element, and what the application set about it.
#[derive(Default)]
pub(crate) struct Owner {
    options: Mutex<Options>,
    handle: TurnRelay,
}

#[derive(Clone, Debug)]
struct Options {
    turn_server: Option<String>,
    address: String,
    port: u16,
    buffer_size: u32,
    permissions: String,
    channels: bool,
    timeout: Duration,
    keepalive: Duration,
    tls_ca_file: Option<String>,
    tls_verify: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            turn_server: None,
            address: "0.0.0.0".into(),
            port: 0,
            buffer_size: 0,
            permissions: String::new(),
            channels: true,
            timeout: Duration::from_secs(10),
            keepalive: Duration::from_secs(1),
            tls_ca_file: None,
            tls_verify: true,
        }
    }
}

impl Owner {
    /// The relay, for others to send through.
    pub(crate) fn handle(&self) -> &TurnRelay {
        &self.handle
    }

    /// Whether the application named a server.
    pub(crate) fn has_server(&self) -> bool {
        self.options()
            .turn_server
            .as_ref()
            .is_some_and(|uri| !uri.is_empty())
    }

    /// Starts to ask for a relay.
    pub(crate) fn open(
        &self,
        element: &gst::Element,
        inbox: Arc<Inbox>,
    ) -> Result<(), gst::ErrorMessage> {
        let settings = settings(self.options().clone())?;
        let weak = element.downgrade();
        let mut teller = Teller::default();
        let relay = Relay::open(settings, inbox, move |event| {
            if let Some(element) = weak.upgrade() {
                teller.tell(&element, event);
            }
        });
        let relay = relay.map_err(|error| {
            gst::error_msg!(
                gst::ResourceError::OpenRead,
                ("No thread for the relay: {error}")
            )
        })?;
        self.handle.set(Some(Arc::new(relay)));
        Ok(())
    }

    /// Gives the relay back.
    pub(crate) fn close(&self) {
        self.handle.set(None);
    }

    /// Lets packets of more peers pass; false for words that are no addresses, or without a relay.
    pub(crate) fn permit(&self, element: &gst::Element, text: &str) -> bool {
        match (peer::permissions(text), self.handle.relay()) {
            (Ok(permissions), Some(relay)) => {
                relay.permit(&permissions);
                true
            }
            (Err(error), _) => {
                gst::element_warning!(
                    element,
                    gst::ResourceError::Settings,
                    ("permissions: {error}")
                );
                false
            }
            (_, None) => false,
        }
    }

    fn options(&self) -> MutexGuard<'_, Options> {
        self.options.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets one of the properties of [`specs`].
    pub(crate) fn set_property(
        &self,
        element: &gst::Element,
        value: &glib::Value,
        spec: &glib::ParamSpec,
    ) {
        // GObject has checked the types.
        let text = || value.get::<Option<String>>().ok().flatten();
        let number = || value.get::<u32>().unwrap_or_default();
        let time = || Duration::from_millis(number().into());
        let mut options = self.options();
        match spec.name() {
            "turn-server" => options.turn_server = text(),
            "address" => options.address = text().unwrap_or_default(),
            "port" => options.port = number() as u16,
            "buffer-size" => options.buffer_size = number(),
            "channels" => options.channels = value.get().unwrap_or(true),
            "timeout" => options.timeout = time(),
            "keepalive-interval" => options.keepalive = time(),
            "tls-ca-file" => options.tls_ca_file = text(),
            "tls-verify" => options.tls_verify = value.get().unwrap_or(true),
            "permissions" => {
                let permissions = text().unwrap_or_default();
                options.permissions = permissions.clone();
                drop(options);
                self.permit(element, &permissions);
            }
            _ => {}
        }
    }

    /// The value of one of the properties of [`specs`].
    pub(crate) fn property(&self, spec: &glib::ParamSpec) -> glib::Value {
        let options = self.options();
        let millis = |time: Duration| (time.as_millis() as u32).to_value();
        match spec.name() {
            "turn-server" => options.turn_server.to_value(),
            "address" => options.address.to_value(),
            "port" => u32::from(options.port).to_value(),
            "buffer-size" => options.buffer_size.to_value(),
            "permissions" => options.permissions.to_value(),
            "channels" => options.channels.to_value(),
            "timeout" => millis(options.timeout),
            "keepalive-interval" => millis(options.keepalive),
            "tls-ca-file" => options.tls_ca_file.to_value(),
            "tls-verify" => options.tls_verify.to_value(),
            "relayed-address" => self.handle.address().map(|a| a.to_string()).to_value(),
            "used-relay" => self.handle.to_value(),
            other => unreachable!("GObject asks for a property that was not declared: {other}"),
        }
    }
}

fn settings(options: Options) -> Result<RelaySettings, gst::ErrorMessage> {
    let wrong = |what: &str, error: &dyn std::fmt::Display| {
        gst::error_msg!(gst::ResourceError::Settings, ("{what}: {error}"))
    };
    let server = options.turn_server.filter(|uri| !uri.is_empty());
    let server = server.ok_or_else(|| {
        wrong(
            "turn-server",
            &"not set; give it as turn://user:password@host:port",
        )
    })?;
    let server: TurnUri = server
        .parse()
        .map_err(|error| wrong("turn-server", &error))?;
    let address: IpAddr = options.address.parse().map_err(|_| {
        wrong(
            "address",
            &format_args!("\"{}\" is not an IP address", options.address),
        )
    })?;
    let permissions =
        peer::permissions(&options.permissions).map_err(|error| wrong("permissions", &error))?;
    Ok(RelaySettings {
        server,
        address,
        port: options.port,
        buffer_size: options.buffer_size as usize,
        timeout: options.timeout,
        keepalive: options.keepalive,
        channels: options.channels,
        tls_ca_file: options.tls_ca_file.map(PathBuf::from),
        tls_verify: options.tls_verify,
        permissions,
    })
}

/// Tells the application, on the thread of the relay.
#[derive(Default)]
struct Teller {
    previous: Option<String>,
}

impl Teller {
    fn tell(&mut self, element: &gst::Element, event: RelayEvent) {
        match event {
            RelayEvent::Allocated(address) => {
                let address = address.to_string();
                let previous = self.previous.replace(address.clone()).unwrap_or_default();
                element.notify("relayed-address");
                ADDRESS_CHANGED.tell(element, &[&address, &previous]);
            }
            RelayEvent::Lost(address) => {
                element.notify("relayed-address");
                RELAY_LOST.tell(element, &[&address.to_string()]);
            }
            RelayEvent::Refused(ip) => PERMISSION_REFUSED.tell(element, &[&ip.to_string()]),
            RelayEvent::Failed(error) => {
                gst::element_error!(element, gst::ResourceError::OpenRead, ("No relay: {error}"));
            }
        }
    }
}

/// The signals of the notices.
pub(crate) fn signals() -> Vec<glib::subclass::Signal> {
    let kinds = [ADDRESS_CHANGED, RELAY_LOST, PERMISSION_REFUSED];
    kinds.iter().map(Kind::signal).collect()
}

/// The properties that come with a relay.
pub(crate) fn specs() -> Vec<glib::ParamSpec> {
    let mut specs = server();
    specs.extend(socket());
    specs.extend(peers());
    specs
}

fn server() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecString::builder("turn-server")
            .nick("TURN server")
            .blurb("The server that relays, as turn://user:password@host:port, turns:// for TLS, ?transport=tcp for TCP; characters of user and password that end them are written as %XX")
            .build(),
        glib::ParamSpecUInt::builder("timeout")
            .nick("Timeout")
            .blurb("How long, in milliseconds, to try for the first relay before it is an error; a relay that is lost is asked for until it is there")
            .minimum(100)
            .maximum(600_000)
            .default_value(10_000)
            .build(),
        glib::ParamSpecUInt::builder("keepalive-interval")
            .nick("Keep-alive interval")
            .blurb("After how many milliseconds of silence a server that is reached by UDP is asked whether the relay is still there; its loss is noticed after that time")
            .minimum(100)
            .maximum(60_000)
            .default_value(1_000)
            .build(),
        glib::ParamSpecString::builder("tls-ca-file")
            .nick("TLS certificates")
            .blurb("File with certificates (PEM) to trust besides the system's, for turns://")
            .build(),
        glib::ParamSpecBoolean::builder("tls-verify")
            .nick("TLS verification")
            .blurb("Whether to check the server's certificate and its name, for turns://")
            .default_value(true)
            .build(),
    ]
}

fn socket() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecString::builder("address")
            .nick("Address")
            .blurb("Local address to reach the server from; 0.0.0.0 and :: are all of their family")
            .default_value(Some("0.0.0.0"))
            .build(),
        glib::ParamSpecUInt::builder("port")
            .nick("Port")
            .blurb("Local port to reach the server from, for the first relay; 0 lets the system choose")
            .maximum(u32::from(u16::MAX))
            .build(),
        glib::ParamSpecUInt::builder("buffer-size")
            .nick("Buffer size")
            .blurb("Size of the kernel's receive buffer in bytes, for UDP; 0 leaves the system's")
            .maximum(i32::MAX as u32)
            .build(),
    ]
}

fn peers() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecString::builder("permissions")
            .nick("Permissions")
            .blurb("Whose packets the relay lets pass, as addresses or address:port separated by commas; what is sent to is permitted by itself. Setting it adds, a permission is never taken back")
            .default_value(Some(""))
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("channels")
            .nick("Channels")
            .blurb("Whether to bind a channel for each peer, which saves 32 bytes a packet")
            .default_value(true)
            .build(),
        glib::ParamSpecString::builder("relayed-address")
            .nick("Relayed address")
            .blurb("Address and port that peers send to. None while there is no relay")
            .read_only()
            .build(),
        glib::ParamSpecObject::builder::<TurnRelay>("used-relay")
            .nick("Used relay")
            .blurb("The relay, for a turnsink to send through: set it as relay there")
            .read_only()
            .build(),
    ]
}
