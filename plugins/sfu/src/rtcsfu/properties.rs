// SPDX-License-Identifier: MIT OR Apache-2.0
//! The properties of the element.

use super::settings::{Expose, OnLeave, Settings};
use super::{RtcSfuSignaller, imp::RtcSfu};
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use std::sync::LazyLock;
use std::time::Duration;

/// Most of one kind of thing.
const MOST: u32 = 1_000_000;

/// A minute, in milliseconds.
const MINUTE_MS: u32 = 60_000;

pub(super) fn specs() -> &'static [glib::ParamSpec] {
    static SPECS: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
        let mut specs = network();
        specs.extend(limits());
        specs.extend(media());
        specs.extend(readable());
        specs
    });
    &SPECS
}

fn network() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecObject::builder::<RtcSfuSignaller>("signaller")
            .nick("Signaller")
            .blurb("How the signaller is found; set its properties as signaller::uri and signaller::token")
            .read_only()
            .build(),
        text("room", "Room", None, "Name of the room that pads and, with a signaller, participants are in. Unset: every room the \
             signaller assigns to this element, and pads name theirs"),
        text("listen", "Listen", Some(Settings::LISTEN), "Addresses for media, UDP and TCP, as address:port separated by commas: one IPv4 \
             and one IPv6 address. Worker k listens on port + k; port 0 lets the system choose"),
        text("public-address", "Public address", None, "IP address by which participants reach this element behind a 1:1 NAT; it \
             replaces the host addresses of its family in the candidates, ports stay the same. Unset: none"),
        number("workers", "Workers", 64, 0, "Threads that receive and send; each has its own port. 0: one per core"),
    ]
}

fn limits() -> Vec<glib::ParamSpec> {
    let limits = Settings::default().limits;
    let limit = |name, nick, default: usize, blurb| number(name, nick, MOST, default as u32, blurb);
    vec![
        limit(
            "max-rooms",
            "Most rooms",
            limits.rooms,
            "Rooms at one time; further ones are refused",
        ),
        limit(
            "max-participants",
            "Most participants",
            limits.participants,
            "Participants of one room; further ones are refused",
        ),
        limit(
            "max-tracks",
            "Most tracks",
            limits.tracks,
            "Tracks of one participant; further ones are refused",
        ),
        limit(
            "max-sessions",
            "Most sessions",
            limits.sessions,
            "Peer connections of one participant; further ones are refused",
        ),
        limit(
            "max-tcp-connections",
            "Most TCP connections",
            limits.tcp_connections,
            "TCP connections of one worker; further ones are closed",
        ),
    ]
}

fn media() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecUInt::builder("latency")
            .nick("Latency")
            .blurb("How long, in milliseconds, src pads wait for a lost packet to be repaired; also the latency they report")
            .maximum(MINUTE_MS)
            .default_value(100)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("sync-timeout")
            .nick("Synchronisation timeout")
            .blurb(
                "How long, in milliseconds, the src pads of a participant hold back audio and video for the first sender \
                 report, which puts both in sync. Only where pads for both are requested. 0: not at all",
            )
            .maximum(MINUTE_MS)
            .default_value(3_000)
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("on-leave", OnLeave::default())
            .nick("On leave")
            .blurb("What requested src pads do when their track ends")
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("expose", Expose::default())
            .nick("Expose")
            .blurb("Which tracks get a src pad without being asked for")
            .mutable_ready()
            .build(),
    ]
}

fn readable() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecUInt::builder("port")
            .nick("Port")
            .blurb("The port of the first worker for UDP and TCP, as bound. 0 below PAUSED")
            .maximum(u32::from(u16::MAX))
            .read_only()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb(
                "Counters since PAUSED, a structure application/x-rtcsfu-stats: signaller-connected, rooms, participants, \
                 tracks, sessions, datagrams and bytes received and sent, drops, an array of the workers and one of the \
                 src pads. Each worker has an array of sessions: whose it is, round trip, bandwidth estimate in bit/s, \
                 streams it sends and subscriptions, with the layer, packets, loss and jitter of each",
            )
            .read_only()
            .build(),
    ]
}

/// The properties that say which track a pad is about.
pub(super) fn track_of_pad(participant: &str, track: &str) -> Vec<glib::ParamSpec> {
    let room = "Name of the room. Unset: the one of the element";
    vec![
        text_of_pad("room", "Room", room),
        text_of_pad("participant", "Participant", participant),
        text_of_pad("track", "Track", track),
    ]
}

/// A property of a pad, for which a text may be set at any time.
pub(super) fn text_of_pad(name: &str, nick: &str, blurb: &str) -> glib::ParamSpec {
    glib::ParamSpecString::builder(name)
        .nick(nick)
        .blurb(blurb)
        .mutable_playing()
        .build()
}

fn text(name: &str, nick: &str, default: Option<&str>, blurb: &str) -> glib::ParamSpec {
    glib::ParamSpecString::builder(name)
        .nick(nick)
        .blurb(blurb)
        .default_value(default)
        .mutable_ready()
        .build()
}

fn number(name: &str, nick: &str, maximum: u32, default: u32, blurb: &str) -> glib::ParamSpec {
    glib::ParamSpecUInt::builder(name)
        .nick(nick)
        .blurb(blurb)
        .maximum(maximum)
        .default_value(default)
        .mutable_ready()
        .build()
}

impl Settings {
    /// Sets a property whose type GObject has checked.
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) {
        match name {
            "room" => self.room = checked::<Option<String>>(value).filter(|room| !room.is_empty()),
            "listen" => self.listen = checked::<Option<String>>(value).unwrap_or_default(),
            "public-address" => self.public_address = checked(value),
            "workers" => self.workers = checked(value),
            "max-rooms" => self.limits.rooms = count(value),
            "max-participants" => self.limits.participants = count(value),
            "max-tracks" => self.limits.tracks = count(value),
            "max-sessions" => self.limits.sessions = count(value),
            "max-tcp-connections" => self.limits.tcp_connections = count(value),
            "latency" => self.latency = milliseconds(value),
            "sync-timeout" => self.sync_timeout = milliseconds(value),
            "on-leave" => self.on_leave = checked(value),
            "expose" => self.expose = checked(value),
            name => unreachable!("no property {name}"),
        }
    }

    /// The value of a property.
    pub(super) fn get(&self, name: &str) -> glib::Value {
        match name {
            "room" => self.room.to_value(),
            "listen" => self.listen.to_value(),
            "public-address" => self.public_address.to_value(),
            "workers" => self.workers.to_value(),
            "max-rooms" => (self.limits.rooms as u32).to_value(),
            "max-participants" => (self.limits.participants as u32).to_value(),
            "max-tracks" => (self.limits.tracks as u32).to_value(),
            "max-sessions" => (self.limits.sessions as u32).to_value(),
            "max-tcp-connections" => (self.limits.tcp_connections as u32).to_value(),
            "latency" => (self.latency.as_millis() as u32).to_value(),
            "sync-timeout" => (self.sync_timeout.as_millis() as u32).to_value(),
            "on-leave" => self.on_leave.to_value(),
            "expose" => self.expose.to_value(),
            name => unreachable!("no property {name}"),
        }
    }
}

fn checked<'v, T: glib::value::FromValue<'v>>(value: &'v glib::Value) -> T {
    value.get().expect("GObject checked the type")
}

fn count(value: &glib::Value) -> usize {
    checked::<u32>(value) as usize
}

fn milliseconds(value: &glib::Value) -> Duration {
    Duration::from_millis(u64::from(checked::<u32>(value)))
}

impl ObjectImpl for RtcSfu {
    fn properties() -> &'static [glib::ParamSpec] {
        specs()
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
            let mut signals: Vec<_> = super::notice::Notice::signals().collect();
            signals.extend([
                request_keyframe(),
                super::data::received(),
                super::data::send(),
            ]);
            signals
        });
        &SIGNALS
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        self.change_settings(|settings| settings.set(pspec.name(), value));
        match pspec.name() {
            "latency" => {
                self.configure_src_pads();
                let _ = self
                    .obj()
                    .post_message(gst::message::Latency::builder().src(&*self.obj()).build());
            }
            "sync-timeout" | "on-leave" => self.configure_src_pads(),
            _ => {}
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "signaller" => self.signaller().to_value(),
            "port" => self.port().to_value(),
            "stats" => self.stats().to_value(),
            name => self.settings().get(name),
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        self.obj().set_element_flags(gst::ElementFlags::SOURCE);
    }
}

/// Asks the publisher behind a src pad for a keyframe. Argument: the name of the pad. Returns false when there is no such pad.
fn request_keyframe() -> glib::subclass::Signal {
    glib::subclass::Signal::builder("request-keyframe")
        .param_types([String::static_type()])
        .return_type::<bool>()
        .action()
        .class_handler(|args| {
            let element = args[0]
                .get::<super::RtcSfu>()
                .expect("the signal is the element's");
            let name = args[1]
                .get::<Option<String>>()
                .expect("GObject checked the type");
            let pad = name
                .and_then(|name| element.static_pad(&name))
                .and_downcast::<super::RtcSfuSrcPad>();
            if let Some(pad) = &pad {
                pad.request_keyframe();
            }
            Some(pad.is_some().to_value())
        })
        .build()
}
