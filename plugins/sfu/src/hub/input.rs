// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the hub's thread is told, and the thread itself.

use super::state::State;
use super::taps::Tap;
use super::{HubObserver, LocalTrack, LocalTrackId, NodeEvent, NodeStats, OwnMessage, TapId};
use crate::io::{Command, WorkerEvent, WorkerObserver};
use crate::node::{self, Connection, SignallerAddress};
use gst_rtc_core::packet::MediaPacket;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout};

/// How long stopping waits for the signaller to take leave.
const GOODBYE: Duration = Duration::from_millis(300);

/// Everything that can change a node.
pub(super) enum Input {
    Publish {
        id: LocalTrackId,
        room: String,
        track: LocalTrack,
    },
    NameEncodings(LocalTrackId, Vec<String>),
    Unpublish(LocalTrackId),
    Tap(TapId, Box<Tap>),
    Untap(TapId),
    RequestKeyframe(TapId),
    Data(String, OwnMessage),
    Stats(Sender<NodeStats>),
    Worker(WorkerEvent),
    Signaller(Connection),
    Stop,
}

/// Brings what workers tell to the hub's thread, and media straight to the owner.
pub(super) struct Reporter {
    pub(super) input: UnboundedSender<Input>,
    pub(super) observer: Arc<dyn HubObserver>,
}

impl WorkerObserver for Reporter {
    fn event(&self, event: WorkerEvent) {
        let _ = self.input.send(Input::Worker(event));
    }

    fn media(&self, tap: TapId, packet: &Arc<MediaPacket>) {
        self.observer
            .event(NodeEvent::TapMedia(tap, packet.clone()));
    }

    fn keyframe_needed(&self, track: LocalTrackId) {
        self.observer.event(NodeEvent::KeyframeNeeded(track));
    }
}

/// Runs a node until [`Input::Stop`], together with its connection to the signaller.
pub(super) async fn run(
    mut state: State,
    mut inputs: UnboundedReceiver<Input>,
    to_self: UnboundedSender<Input>,
    signaller: Option<SignallerAddress>,
) {
    let tell = move |connection| to_self.send(Input::Signaller(connection)).is_ok();
    let client = signaller.map(|address| tokio::spawn(node::run(address, tell)));
    loop {
        let due = state.poll_timeout();
        let wake = sleep_until(due.unwrap_or_else(Instant::now).into());
        tokio::select! {
            input = inputs.recv() => match input {
                Some(Input::Stop) | None => break,
                Some(input) => state.handle(input),
            },
            () = wake, if due.is_some() => state.handle_timeout(Instant::now()),
        }
    }
    state.close_sessions();
    // Whatever the client tells from now on is refused, and without its queue it says goodbye.
    drop(inputs);
    drop(state);
    if let Some(client) = client {
        end(client).await;
    }
}

/// Gives the goodbye a moment: with it the signaller knows at once that this node is gone.
async fn end(mut client: JoinHandle<()>) {
    if timeout(GOODBYE, &mut client).await.is_err() {
        client.abort();
        let _ = client.await;
    }
}

impl State {
    fn handle(&mut self, input: Input) {
        match input {
            Input::Publish { id, room, track } => self.publish(id, &room, track),
            Input::NameEncodings(id, rids) => self.name_encodings(id, rids),
            Input::Unpublish(id) => self.unpublish(id),
            Input::Tap(id, tap) => self.add_tap(id, *tap),
            Input::Untap(id) => self.remove_tap(id),
            Input::RequestKeyframe(id) => self.tap_keyframe(id),
            Input::Data(room, message) => self.send_data(&room, message),
            Input::Stats(reply) => {
                let _ = reply.send(self.stats());
            }
            Input::Worker(event) => self.handle_worker(event),
            Input::Signaller(connection) => self.handle_connection(connection),
            Input::Stop => {}
        }
    }

    /// Peers hear at once that it is over.
    fn close_sessions(&self) {
        for (id, session) in &self.sessions {
            self.out.order(session.worker, Command::CloseSession(*id));
        }
    }

    fn stats(&self) -> NodeStats {
        NodeStats {
            signaller_connected: self.link.ready,
            rooms: self.rooms.len(),
            participants: self
                .participants
                .values()
                .filter(|p| p.is_visible())
                .count(),
            tracks: self.tracks.len(),
            sessions: self.sessions.len(),
            owners: self
                .sessions
                .iter()
                .map(|(id, session)| (*id, self.owner(session)))
                .collect(),
            track_owners: self
                .tracks
                .iter()
                .map(|(id, track)| (*id, self.track_owner(track)))
                .collect(),
            workers: Vec::new(),
        }
    }
}
