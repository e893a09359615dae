// SPDX-License-Identifier: MIT OR Apache-2.0
//! A program on a host of the lab that sends and receives with the elements, and is told by the
//! test, as a signaller would, where the other one is.

use std::io::{BufRead, stdin};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use gst::prelude::*;

use super::{Lab, Side};
use crate::build::{plugin_path, scratch};
use crate::{Failure, Process, Result};

/// Between two packets.
const PACE: Duration = Duration::from_millis(20);

/// Packets that have to come before the other one is heard.
const ENOUGH: u32 = 10;

/// The test's end of a [`agent`].
pub struct Peer(Process);

impl Peer {
    /// Starts one. `program` is the one whose main function calls [`agent`] when its first
    /// argument is `agent`; `description` is that of a source and, with TURN, a sink.
    pub fn start(lab: &Lab, side: Side, program: &str, arguments: &[String]) -> Result<Peer> {
        let words = lab.on_host(side);
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .arg(program)
            .arg("agent")
            .args(arguments)
            .env("GST_PLUGIN_PATH", plugin_path())
            .env("GST_REGISTRY", scratch().join("natlab.registry"));
        Process::start_talking(&mut command).map(Peer)
    }

    /// The next address under which it can be reached; none if it says that it has none.
    pub async fn address(&mut self) -> Result<Option<SocketAddr>> {
        let line = self
            .0
            .next_line("address", |line| {
                line.starts_with("address ") || line.starts_with("error ")
            })
            .await?;
        Ok(line.strip_prefix("address ").and_then(|a| a.parse().ok()))
    }

    /// What a `stunsrc` says of its NAT: mapping and filtering.
    pub async fn nat(&self) -> Result<String> {
        let classified = |line: &str| line.strip_prefix("nat ").map(str::to_owned);
        self.0.line("kind of NAT", classified).await
    }

    /// Everything it said.
    pub fn output(&self) -> String {
        self.0.output()
    }

    /// Tells it where the other one is.
    pub fn tell(&mut self, other: SocketAddr) -> Result {
        self.0.say(&other.to_string())
    }

    /// Waits until it hears the other one; false if it does not within that time.
    pub async fn hears(&mut self, within: Duration) -> Result<bool> {
        self.0
            .has_line(within, |line| line.starts_with("heard "))
            .await
    }

    /// Waits until it hears the other one from that address; how long nothing was heard before.
    pub async fn hears_from(&self, address: SocketAddr) -> Result<Duration> {
        let start = format!("heard {address} ");
        let heard = |line: &str| line.strip_prefix(&start)?.parse().ok();
        let what = format!("packets from {address}");
        Ok(Duration::from_millis(self.0.line(&what, heard).await?))
    }
}

/// Sends to and answers to whoever is heard.
struct State {
    to: Option<SocketAddr>,
    from: Option<SocketAddr>,
    /// Packets from there.
    heard: u32,
    last: Instant,
    /// How long nothing was heard before the first of them.
    silence: Duration,
}

/// What the program does: `arguments` are the properties of a `stunsrc`, or of a `turnsrc` if there
/// is a `turn-server=` among them.
///
/// It writes `address A:P` for each address under which it can be reached, `nat MAPPING FILTERING` when that is known, and `heard A:P MILLISECONDS`
/// when it hears another, or one from elsewhere, with how long nothing was heard before. It reads
/// addresses to send to.
pub fn agent(arguments: &[String]) -> Result {
    gst::init()?;
    let turn = arguments.iter().any(|a| a.starts_with("turn-server="));
    let (source, sink) = if turn {
        (
            "turnsrc",
            "turnsink name=sink relay-of=source host=127.0.0.1 port=9",
        )
    } else {
        (
            "stunsrc",
            "udpsink name=sink host=127.0.0.1 port=9 close-socket=false",
        )
    };
    let description = format!(
        "{source} name=source {} ! fakesink name=received sync=false signal-handoffs=true
         appsrc name=sent ! {sink} sync=false async=false",
        arguments.join(" ")
    );
    let pipeline = gst::parse::launch(&description)?
        .downcast::<gst::Pipeline>()
        .map_err(|_| Failure::new("not a pipeline"))?;
    let element = |name: &str| {
        pipeline
            .by_name(name)
            .ok_or_else(|| Failure::new(format!("no element {name}")))
    };
    let (source, sink, sent) = (element("source")?, element("sink")?, element("sent")?);
    let state = Arc::new(Mutex::new(State {
        to: None,
        from: None,
        heard: 0,
        last: Instant::now(),
        silence: Duration::ZERO,
    }));
    if !turn {
        source.set_state(gst::State::Ready)?;
        sink.set_property_from_value("socket", &source.property_value("used-socket"));
    }
    listen(&element("received")?, &state);
    tell_addresses(&pipeline);
    pipeline.set_state(gst::State::Playing)?;
    obey(&source, turn, &state);
    send(&sent, &sink, turn, &state)
}

/// Says `heard`, and turns to whoever is heard.
fn listen(received: &gst::Element, state: &Arc<Mutex<State>>) {
    let state = state.clone();
    received.connect("handoff", false, move |values| {
        let buffer = values[1].get::<gst::Buffer>().ok()?;
        let from = sender_of(&buffer)?;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.from != Some(from) {
            state.from = Some(from);
            state.heard = 0;
            state.silence = state.last.elapsed();
        }
        state.last = Instant::now();
        state.heard += 1;
        state.to = Some(from);
        if state.heard == ENOUGH {
            println!("heard {from} {}", state.silence.as_millis());
        }
        None
    });
}

fn sender_of(buffer: &gst::BufferRef) -> Option<SocketAddr> {
    use gio::prelude::*;
    let meta = buffer.meta::<gst_net::NetAddressMeta>()?;
    let address = meta.addr().downcast::<gio::InetSocketAddress>().ok()?;
    let ip = address.address().to_str().parse().ok()?;
    Some(SocketAddr::new(ip, address.port()))
}

/// Says `address`, `nat` and `error` as the elements tell them.
fn tell_addresses(pipeline: &gst::Pipeline) {
    let bus = pipeline.bus().expect("a pipeline has a bus");
    thread::spawn(move || {
        for message in bus.iter_timed(gst::ClockTime::NONE) {
            if let gst::MessageView::Error(error) = message.view() {
                println!("error {}", error.error());
            }
            let structure = message.structure();
            let changed = structure.filter(|s| s.name().ends_with("-address-changed"));
            if let Some(address) = changed.and_then(|s| s.get::<String>("address").ok()) {
                println!("address {address}");
            }
            let classified = structure.filter(|s| s.name().ends_with("-nat-classified"));
            let word = |field: &str| classified?.get::<String>(field).ok();
            if let (Some(mapping), Some(filtering)) = (word("mapping"), word("filtering")) {
                println!("nat {mapping} {filtering}");
            }
        }
    });
}

/// Takes addresses from standard input.
fn obey(source: &gst::Element, turn: bool, state: &Arc<Mutex<State>>) {
    let (source, state) = (source.clone(), state.clone());
    thread::spawn(move || {
        for line in stdin().lock().lines().map_while(std::io::Result::ok) {
            let Ok(address) = line.trim().parse::<SocketAddr>() else {
                continue;
            };
            if !turn {
                source.set_property("peers", address.to_string());
            }
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.to = Some(address);
        }
        // The test is over.
        std::process::exit(0);
    });
}

/// Sends a packet every now and then, for ever.
fn send(sent: &gst::Element, sink: &gst::Element, turn: bool, state: &Mutex<State>) -> Result {
    let mut before = None;
    for number in 0u64.. {
        thread::sleep(PACE);
        let to = state.lock().unwrap_or_else(PoisonError::into_inner).to;
        let Some(to) = to else {
            continue;
        };
        if before != Some(to) {
            before = Some(to);
            sink.set_property("host", to.ip().to_string());
            match turn {
                true => sink.set_property("port", u32::from(to.port())),
                false => sink.set_property("port", i32::from(to.port())),
            }
        }
        // As RTP would begin.
        let mut data = vec![0x80, 96];
        data.extend_from_slice(&number.to_be_bytes());
        let buffer = gst::Buffer::from_slice(data);
        let flow = sent.emit_by_name::<gst::FlowReturn>("push-buffer", &[&buffer]);
        crate::check!(flow == gst::FlowReturn::Ok, "cannot send: {flow:?}");
    }
    Ok(())
}
