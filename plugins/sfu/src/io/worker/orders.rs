// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the hub and other workers order, done.

use super::{Track, Worker, WorkerEvent};
use crate::hub::TapId;
use crate::io::Command;
use gst_rtc_core::id::TrackId;
use std::time::Instant;

/// Commands taken before sockets have their turn.
const COMMAND_TURN: usize = 512;

impl Worker {
    pub(super) fn take_commands(&mut self) {
        self.mailbox().wake().lower();
        let now = Instant::now();
        for taken in 0.. {
            if taken == COMMAND_TURN {
                // There may be more: come back after the sockets.
                self.mailbox().wake().raise();
                break;
            }
            let Ok(command) = self.commands.try_recv() else {
                break;
            };
            self.obey(now, command);
        }
        self.put_out(now);
    }

    fn obey(&mut self, now: Instant, command: Command) {
        let engine = &mut self.engine;
        match command {
            Command::LocalRtp {
                stream,
                packet,
                capture,
            } => {
                self.mailbox().media_taken();
                self.engine.handle_local_rtp(now, stream, &packet, capture);
            }
            Command::Relayed(packet) => {
                self.mailbox().media_taken();
                self.engine.handle_relayed(now, &packet);
            }
            Command::Data(message) => {
                self.mailbox().media_taken();
                self.engine.send_data(now, &message);
            }
            Command::AddRoom(room) => engine.add_room(room),
            Command::RemoveRoom(room) => engine.remove_room(now, room),
            Command::AddParticipant(room, participant) => engine.add_participant(room, participant),
            Command::RemoveParticipant(participant) => engine.remove_participant(now, participant),
            Command::AddTrack(spec) => {
                self.tracks.insert(
                    spec.id,
                    Track {
                        home: spec.home,
                        taps: Vec::new(),
                    },
                );
                engine.add_track(now, spec);
            }
            Command::RemoveTrack(track) => {
                self.tracks.remove(&track);
                engine.remove_track(now, track);
            }
            Command::OpenSession(spec) => {
                let session = spec.id;
                if let Err(error) = engine.open_session(now, *spec) {
                    self.observer.event(WorkerEvent::Closed {
                        session,
                        reason: error.to_string(),
                    });
                }
            }
            Command::UpdateSession {
                session,
                receive,
                slots,
            } => {
                engine.update_session(now, session, receive, slots);
            }
            Command::SetData(session, spec) => engine.set_data(now, session, spec),
            Command::CloseSession(session) => engine.close_session(now, session),
            Command::AddCandidate(session, candidate) => {
                engine.add_remote_candidate(now, session, candidate)
            }
            Command::Speaking(participant, speaking) => {
                engine.set_speaking(now, participant, speaking)
            }
            Command::SetAssign(session, assign) => engine.set_assign(now, session, assign),
            Command::Assign {
                session,
                mid,
                assignment,
            } => {
                engine.assign(now, session, &mid, assignment);
            }
            Command::Prefer {
                session,
                mid,
                preference,
            } => {
                engine.prefer(now, session, &mid, preference);
            }
            Command::SendEncodings {
                session,
                mid,
                active,
            } => {
                engine.send_encodings(now, session, &mid, &active);
            }
            Command::AddSockets(sockets) => {
                sockets.into_iter().for_each(|socket| self.serve(socket));
            }
            Command::RemoveSockets(addresses) => {
                // What sessions say last is sent before.
                self.put_out(now);
                self.forsake(&addresses);
            }
            Command::Tap(track, tap) => self.tap(now, track, tap),
            Command::Untap(track, tap) => self.untap(now, track, tap),
            Command::RequestKeyframe(track) => engine.request_keyframe(now, track),
            Command::RequestKeyframeOf(track, encoding) => {
                engine.request_keyframe_of(now, track, encoding);
            }
            Command::Interest {
                track,
                worker,
                wanted,
            } => engine.set_interest(now, track, worker, wanted),
            Command::Stats(reply) => {
                let _ = reply.send((self.index, self.stats()));
            }
            Command::Stop => self.stopping = true,
        }
    }

    fn tap(&mut self, now: Instant, id: TrackId, tap: TapId) {
        if let Some(track) = self.tracks.get_mut(&id) {
            track.taps.push(tap);
            self.engine.set_tap(now, id, true);
        }
    }

    fn untap(&mut self, now: Instant, id: TrackId, tap: TapId) {
        if let Some(track) = self.tracks.get_mut(&id) {
            track.taps.retain(|other| *other != tap);
            self.engine.set_tap(now, id, !track.taps.is_empty());
        }
    }
}
