// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two `webrtcbin` in the lab, which the test introduces to each other as a signaller would.
//!
//! Both are programs on their hosts that write and read descriptions with all candidates in them.

use std::io::{BufRead, stdin};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gst_webrtc::{WebRTCICEGatheringState, WebRTCSDPType, WebRTCSessionDescription};

use super::{Lab, Method, Outcome, SERVER, Side, connects};
use crate::build::scratch;
use crate::coturn::{PASSWORD, USER};
use crate::{Failure, Process, Result};

/// How long each step of two that can connect may take.
const SHOULD: Duration = Duration::from_secs(45);

/// How long those that cannot are watched.
const CANNOT: Duration = Duration::from_secs(5);

/// Packets that have to come before the other one is heard.
const ENOUGH: u32 = 10;

/// A tone, both ways.
const TONE: &str = "webrtcbin name=rtc bundle-policy=max-bundle
    audiotestsrc is-live=true ! opusenc ! rtpopuspay pt=97
    ! application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! rtc.";

/// What `webrtcbin` can, by theory: the same as the elements, but for TLS, which libnice does not speak to relays. It would
/// connect by TCP alone, which a server takes for noise.
pub fn webrtcbin_connects(lab: &Lab, method: Method) -> bool {
    method != Method::TurnTls && connects(method, lab.kind(Side::A), lab.kind(Side::B))
}

/// Tries whether two `webrtcbin` hear each other, the server being ours. `program` is the one whose main
/// function calls [`caller`] when its first argument is `caller`.
pub async fn call(lab: &Lab, method: Method, program: &str) -> Result<Outcome> {
    let within = match webrtcbin_connects(lab, method) {
        true => SHOULD,
        false => CANNOT,
    };
    let start = |side: Side, role: &str| start(lab, side, program, role, method, within);
    let (mut a, mut b) = (start(Side::A, "offer")?, start(Side::B, "answer")?);
    let described = |line: &str| line.starts_with('"');
    b.say(&a.next_line("an offer", described).await?)?;
    a.say(&b.next_line("an answer", described).await?)?;
    let heard = |line: &str| line == "heard";
    let (a, b) = tokio::join!(a.has_line(within, heard), b.has_line(within, heard));
    Ok(match a? && b? {
        true => Outcome::Connected,
        false => Outcome::Refused,
    })
}

fn start(
    lab: &Lab,
    side: Side,
    program: &str,
    role: &str,
    method: Method,
    within: Duration,
) -> Result<Process> {
    let words = lab.on_host(side);
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .args([program, "caller", role, &within.as_millis().to_string()])
        .args(properties(method))
        .env("GST_REGISTRY", scratch().join("natlab.registry"));
    Process::start_talking(&mut command)
}

/// The properties of `webrtcbin`: one server, and only what it gives.
fn properties(method: Method) -> Vec<String> {
    let turn = format!("{USER}:{PASSWORD}@{SERVER}");
    let server = match method {
        Method::Direct => return vec![format!("stun-server=stun://{SERVER}:3478")],
        Method::TurnUdp => format!("turn://{turn}:3478?transport=udp"),
        Method::TurnTcp => format!("turn://{turn}:3478?transport=tcp"),
        Method::TurnTls => format!("turns://{turn}:443?transport=tcp"),
    };
    vec![
        format!("turn-server={server}"),
        "ice-transport-policy=relay".to_owned(),
    ]
}

/// What the program does: `arguments` are `offer` or `answer`, how many milliseconds candidates are gathered at most, and
/// properties.
///
/// It writes its description as a line of JSON, reads that of the other, and writes `heard` when media comes.
pub fn caller(arguments: &[String]) -> Result {
    gst::init()?;
    let [role, within, properties @ ..] = arguments else {
        return Err(Failure::new("usage: caller ROLE MILLISECONDS PROPERTY…"));
    };
    let within = Duration::from_millis(within.parse()?);
    let pipeline = gst::parse::launch(TONE)?
        .downcast::<gst::Pipeline>()
        .map_err(|_| Failure::new("not a pipeline"))?;
    let rtc = pipeline
        .by_name("rtc")
        .ok_or_else(|| Failure::new("no webrtcbin"))?;
    only_by_udp(&rtc);
    for property in properties {
        let (name, value) = property.split_once('=').unwrap_or_default();
        rtc.set_property_from_str(name, value);
    }
    listen(&pipeline, &rtc);
    let (needed, offer_needed) = std::sync::mpsc::channel();
    rtc.connect("on-negotiation-needed", false, move |_| {
        // Later ones are of no interest.
        let _ = needed.send(());
        None
    });
    pipeline.set_state(gst::State::Playing)?;
    offer_needed.recv()?;
    if role == "offer" {
        describe(&rtc, "offer", within)?;
        take(&rtc, WebRTCSDPType::Answer)?;
    } else {
        take(&rtc, WebRTCSDPType::Offer)?;
        describe(&rtc, "answer", within)?;
    }
    // The test kills it.
    loop {
        std::thread::park();
    }
}

/// The lab is about UDP and relays: ports are neither opened by UPnP, nor are pairs of TCP tried.
fn only_by_udp(rtc: &gst::Element) {
    let child = |of: &glib::Object, name: &str| of.property::<Option<glib::Object>>(name);
    let Some(ice) = child(rtc.upcast_ref(), "ice-agent") else {
        return;
    };
    if let Some(agent) = child(&ice, "agent") {
        agent.set_property("upnp", false);
        agent.set_property("ice-tcp", false);
    }
}

/// Says `heard` when media of the other one has come.
fn listen(pipeline: &gst::Pipeline, rtc: &gst::Element) {
    let pipeline = pipeline.downgrade();
    rtc.connect_pad_added(move |_, pad| {
        let Some(pipeline) = pipeline.upgrade() else {
            return;
        };
        let sink = gst::ElementFactory::make("fakesink")
            .property("sync", false)
            .property("async", false)
            .build()
            .expect("a part of GStreamer itself");
        let came = Arc::new(AtomicU32::new(0));
        let target = sink.static_pad("sink").expect("a sink has one");
        target.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            if came.fetch_add(1, Ordering::Relaxed) + 1 == ENOUGH {
                println!("heard");
            }
            gst::PadProbeReturn::Ok
        });
        pipeline.add(&sink).expect("it is nowhere else");
        sink.sync_state_with_parent()
            .expect("a sink that waits for nothing starts");
        pad.link(&target).expect("a fakesink takes everything");
    });
}

/// Makes a description, gathers candidates into it, and writes it.
fn describe(rtc: &gst::Element, kind: &str, within: Duration) -> Result {
    let promise = gst::Promise::new();
    let options = None::<gst::Structure>;
    rtc.emit_by_name::<()>(&format!("create-{kind}"), &[&options, &promise]);
    promise.wait();
    let reply = promise.get_reply();
    let made = reply.and_then(|reply| reply.get::<WebRTCSessionDescription>(kind).ok());
    let made = made.ok_or_else(|| Failure::new(format!("no {kind} was made")))?;
    set(rtc, "set-local-description", &made);
    let until = Instant::now() + within;
    let gathering = || rtc.property::<WebRTCICEGatheringState>("ice-gathering-state");
    while gathering() != WebRTCICEGatheringState::Complete && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    let local = rtc.property::<WebRTCSessionDescription>("local-description");
    println!("{}", serde_json::to_string(&local.sdp().as_text()?)?);
    Ok(())
}

/// Reads a description and sets it.
fn take(rtc: &gst::Element, kind: WebRTCSDPType) -> Result {
    let mut line = String::new();
    stdin().lock().read_line(&mut line)?;
    let text: String = serde_json::from_str(&line)?;
    let sdp = gst_sdp::SDPMessage::parse_buffer(text.as_bytes())?;
    let description = WebRTCSessionDescription::new(kind, sdp);
    set(rtc, "set-remote-description", &description);
    Ok(())
}

fn set(rtc: &gst::Element, signal: &str, description: &WebRTCSessionDescription) {
    let promise = gst::Promise::new();
    rtc.emit_by_name::<()>(signal, &[description, &promise]);
    promise.wait();
}
