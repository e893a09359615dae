// SPDX-License-Identifier: MIT OR Apache-2.0
//! The properties of `stunsrc`, and what they are set to.

use std::sync::LazyLock;
use std::time::Duration;

use gst::glib;
use gst::prelude::*;

use crate::mapping::{NatFiltering, NatMapping};

/// What the application set.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) address: String,
    pub(super) port: u16,
    pub(super) stun_server: Option<String>,
    pub(super) caps: Option<gst::Caps>,
    pub(super) peers: String,
    pub(super) keepalive: Duration,
    pub(super) classify: bool,
    pub(super) buffer_size: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            address: "0.0.0.0".into(),
            port: 0,
            stun_server: None,
            caps: None,
            peers: String::new(),
            keepalive: Duration::from_secs(1),
            classify: true,
            buffer_size: 0,
        }
    }
}

pub(super) fn specs() -> &'static [glib::ParamSpec] {
    static SPECS: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
        let mut specs = socket();
        specs.extend(stun());
        specs.extend(readable());
        specs
    });
    &SPECS
}

fn socket() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecString::builder("address")
            .nick("Address")
            .blurb("Local address to receive on; 0.0.0.0 and :: are all of their family")
            .default_value(Some("0.0.0.0"))
            .build(),
        glib::ParamSpecUInt::builder("port")
            .nick("Port")
            .blurb("Local port to receive on; 0 lets the system choose")
            .maximum(u32::from(u16::MAX))
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Caps>("caps")
            .nick("Caps")
            .blurb("The caps of what is received. None: anything")
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("buffer-size")
            .nick("Buffer size")
            .blurb("Size of the kernel's receive buffer in bytes; 0 leaves the system's")
            .maximum(i32::MAX as u32)
            .build(),
    ]
}

fn stun() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecString::builder("stun-server")
            .nick("STUN server")
            .blurb("The server that tells the outside address, as stun://host:port. None: nobody is asked")
            .build(),
        glib::ParamSpecString::builder("peers")
            .nick("Peers")
            .blurb("Outside addresses of the peers to which the way is kept open, as address:port separated by commas")
            .default_value(Some(""))
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("keepalive-interval")
            .nick("Keep-alive interval")
            .blurb("How often, in milliseconds, the mapping is asked for and the ways to the peers are kept open; a change is noticed after that time")
            .minimum(100)
            .maximum(60_000)
            .default_value(1_000)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("classify-nat")
            .nick("Classify NAT")
            .blurb("Whether to find out the kind of NAT, where the server has a second address (RFC 5780)")
            .default_value(true)
            .build(),
    ]
}

fn readable() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecString::builder("reflexive-address")
            .nick("Reflexive address")
            .blurb("Address and port under which this source is seen from outside. None until the server has told it")
            .read_only()
            .build(),
        glib::ParamSpecString::builder("local-address")
            .nick("Local address")
            .blurb("Address and port that the socket is bound to. None in NULL")
            .read_only()
            .build(),
        glib::ParamSpecEnum::builder::<NatMapping>("nat-mapping")
            .nick("NAT mapping")
            .blurb("On what the outside address depends")
            .read_only()
            .build(),
        glib::ParamSpecEnum::builder::<NatFiltering>("nat-filtering")
            .nick("NAT filtering")
            .blurb("Whose packets the NAT lets in")
            .read_only()
            .build(),
        glib::ParamSpecObject::builder::<gio::Socket>("used-socket")
            .nick("Used socket")
            .blurb("The socket, for a udpsink with close-socket=false to send from the same address. None in NULL")
            .read_only()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("application/x-stunsrc-stats with packets-received, bytes-received and packets-dropped, the last because the pipeline was too slow")
            .read_only()
            .build(),
    ]
}
