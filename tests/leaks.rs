// SPDX-License-Identifier: MIT OR Apache-2.0
//! Starting and stopping leaves nothing behind.
//!
//! One test only: it counts the threads and files of its own process.

use std::collections::BTreeSet;

use gst::glib;
use gst::prelude::*;
use gst_rtc::embedded::{Embedded, init};
use gst_rtc::port::free_port;
use gst_rtc::{Browser, Failure, Result, Server, Visitor, check, my_turn};

const CYCLES: u32 = 20;

#[tokio::test]
async fn twenty_starts_and_stops_with_people_around_leave_nothing_behind() -> Result {
    let _turn = my_turn().await;
    init()?;
    let server = Server::serve(&[]).await?;
    let browser = Browser::chromium().await?;
    let alice = Visitor::join(&browser, &server, "lobby", "alice").await?;
    // That each start gets it again shows that the last one gave it back.
    let port = free_port()?;

    // The first time, libraries make what they keep for ever.
    cycle(&server, &alice, port).await?;
    let mut ledger = Ledger::start()?;
    let before = Held::now()?;
    for _ in 1..CYCLES {
        cycle(&server, &alice, port).await?;
        ledger.read();
    }
    let after = Held::now()?;
    check!(
        after.threads.len() <= before.threads.len(),
        "threads {before:?}, then {after:?}"
    );
    check!(
        after.files.len() <= before.files.len(),
        "files {before:?}, then {after:?}"
    );
    check!(ledger.read() == 0, "still alive: {:?}", ledger.alive);
    Ok(())
}

/// The element plays as the room's node; alice is connected, is received on pads, and hears a tone of ours.
async fn cycle(server: &Server, alice: &Visitor, port: u16) -> Result {
    let pipeline = Embedded::parse(&format!(
        "rtcsfu name=sfu room=lobby listen=127.0.0.1:{port} workers=1
         signaller::uri=ws://{} sink_0::participant=bars
         audiotestsrc is-live=true ! opusenc ! rtpopuspay ! sfu.sink_0
         sfu.video_alice ! queue ! fakesink name=video sync=false signal-handoffs=true
         sfu.audio_alice ! queue ! fakesink sync=false",
        server.address()
    ))?;
    let (sender, mut first) = tokio::sync::mpsc::channel(1);
    pipeline
        .element("video")?
        .connect("handoff", false, move |_| {
            // Only the first matters; later ones find the channel full.
            let _ = sender.try_send(());
            None
        });
    pipeline.play().await?;
    let named_alice =
        |message: &gst::StructureRef| message.get::<String>("name").is_ok_and(|n| n == "alice");
    pipeline
        .message("rtcsfu-participant-joined", named_alice)
        .await?;
    tokio::time::timeout(gst_rtc::DEADLINE, first.recv())
        .await
        .map_err(|_| Failure::new("no video of alice on the pad"))?;
    alice
        .page
        .wait_for::<bool>(
            "the tone",
            "gstRtc.room.stats().then(rows => rows.some(row => row.participant === 'bars'))",
        )
        .await?;
    pipeline.stop().await
}

/// Threads and files of this process.
#[derive(Debug)]
struct Held {
    threads: Vec<String>,
    files: Vec<String>,
}

impl Held {
    fn now() -> Result<Held> {
        let mut held = Held {
            threads: Vec::new(),
            files: Vec::new(),
        };
        for task in std::fs::read_dir("/proc/self/task")? {
            // A thread may end while we look.
            let name = std::fs::read_to_string(task?.path().join("comm")).unwrap_or_default();
            // Those of the test's own runtime come and go as it needs them.
            if !name.starts_with("tokio-rt-worker") {
                held.threads.push(name.trim().to_owned());
            }
        }
        for file in std::fs::read_dir("/proc/self/fd")? {
            let target = std::fs::read_link(file?.path()).unwrap_or_default();
            held.files.push(target.display().to_string());
        }
        Ok(held)
    }
}

/// What GStreamer's leaks tracer has seen come and not go.
///
/// Its signal `get-live-objects` is of no use here: in GStreamer 1.22 it frees what it does not own.
struct Ledger {
    tracer: glib::Object,
    /// Types and addresses.
    alive: BTreeSet<(String, String)>,
}

impl Ledger {
    /// Begins to track every object made from now on.
    fn start() -> Result<Ledger> {
        let mut factories = gst::TracerFactory::factories().into_iter();
        let factory = factories.find(|factory| factory.name() == "leaks");
        let factory = factory.ok_or_else(|| Failure::new("GStreamer has no leaks tracer"))?;
        let factory = factory.load()?.downcast::<gst::TracerFactory>();
        let factory = factory.expect("a loaded factory is still a factory");
        let tracer = glib::Object::with_type(factory.tracer_type());
        tracer.emit_by_name::<()>("activity-start-tracking", &[]);
        let mut ledger = Ledger {
            tracer,
            alive: BTreeSet::new(),
        };
        let bin = gst::Bin::new();
        check!(ledger.read() > 0, "the tracer does not see a bin");
        drop(bin);
        check!(ledger.read() == 0, "the tracer sees a bin that is gone");
        Ok(ledger)
    }

    /// Takes over what happened since the last time; how many objects are left.
    fn read(&mut self) -> usize {
        let changes: gst::Structure = self.tracer.emit_by_name("activity-get-checkpoint", &[]);
        self.alive.extend(objects(&changes, "objects-created-list"));
        for object in objects(&changes, "objects-removed-list") {
            self.alive.remove(&object);
        }
        self.alive.len()
    }
}

fn objects(changes: &gst::StructureRef, list: &str) -> Vec<(String, String)> {
    let list = changes.get::<gst::List>(list).unwrap_or_default();
    let named = list.iter().filter_map(|value| {
        let object = value.get::<gst::Structure>().ok()?;
        Some((object.get("type-name").ok()?, object.get("address").ok()?))
    });
    named.collect()
}
