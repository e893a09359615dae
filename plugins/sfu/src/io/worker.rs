// SPDX-License-Identifier: MIT OR Apache-2.0
//! One worker: a thread that waits for its sockets, commands and timers, and drives one engine.
//!
//! Each round takes a bounded share of what is there from every source, so that nothing starves, and sends what follows from it before
//! it takes more. The thread waits at least a millisecond for a timer: no fault of a timer can make it spin.

mod orders;

use super::command::{Command, Mailbox};
use super::listen::Listening;
use super::sys::{Epoll, Event, Interest, ReceiveBatch, SendBatch};
use super::tcp::{self, Tcp, TcpLimits};
use super::udp::{UdpCounters, UdpSocket};
use crate::hub::{LocalTrackId, TapId, WorkerStats};
use gst_rtc_core::data::DataMessage;
use gst_rtc_core::engine::{Engine, EngineConfig, EngineEvent, Flush, SlotQuality, SlotState};
use gst_rtc_core::id::{ParticipantId, SessionId, TrackId};
use gst_rtc_core::media::Proto;
use gst_rtc_core::packet::MediaPacket;
use slab::Slab;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// Token of the mailbox; those of the UDP sockets follow.
const MAILBOX: u64 = 0;
const SOCKETS: u64 = 1;
/// Receive calls on one socket before others have their turn.
const RECEIVE_TURN: usize = 4;
/// The shortest wait for a timer.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// What happened at a worker, for the hub.
#[derive(Clone, Debug)]
pub(crate) enum WorkerEvent {
    Connected {
        session: SessionId,
    },
    Closed {
        session: SessionId,
        reason: String,
    },
    Slots {
        session: SessionId,
        slots: Vec<SlotState>,
        missing_audio: u16,
        missing_video: u16,
    },
    Quality {
        session: SessionId,
        estimate: Option<u64>,
        slots: Vec<SlotQuality>,
    },
    Speaking {
        participant: ParticipantId,
        speaking: bool,
    },
    /// A message came by a data channel here. Others on this node have it already.
    Data(Arc<DataMessage>),
    /// A message came from another node.
    NodeMessage(Arc<DataMessage>),
    /// The channel to another node is open on a session.
    NodeChannel(SessionId),
}

/// Who hears of a worker. Called from its thread: must not block.
pub(crate) trait WorkerObserver: Send + Sync {
    fn event(&self, event: WorkerEvent);
    /// A packet of a tapped track.
    fn media(&self, tap: TapId, packet: &Arc<MediaPacket>);
    /// A track fed by a pad needs a keyframe.
    fn keyframe_needed(&self, track: LocalTrackId);
}

/// What a worker is started with.
pub(crate) struct WorkerConfig {
    pub(crate) engine: EngineConfig,
    pub(crate) listening: Listening,
    pub(crate) tcp: TcpLimits,
    pub(crate) commands: Receiver<Command>,
    /// The mailboxes of all workers, this one's at its index.
    pub(crate) workers: Arc<[Arc<Mailbox>]>,
    pub(crate) observer: Arc<dyn WorkerObserver>,
}

/// A running worker. Lives on its own thread.
pub(crate) struct Worker {
    index: u8,
    engine: Engine,
    epoll: Epoll,
    udp: Slab<Socket>,
    /// What peers find us by. Other sockets are for sessions that dial.
    listening: Vec<SocketAddr>,
    /// Of sockets that are closed.
    former: UdpCounters,
    tcp: Tcp,
    receive: ReceiveBatch,
    send: SendBatch,
    commands: Receiver<Command>,
    workers: Arc<[Arc<Mailbox>]>,
    observer: Arc<dyn WorkerObserver>,
    tracks: HashMap<TrackId, Track>,
    stopping: bool,
}

struct Socket {
    udp: UdpSocket,
    /// The set tells when it can be written.
    armed: bool,
}

impl Socket {
    fn new(udp: UdpSocket) -> Socket {
        Socket { udp, armed: false }
    }

    /// Waits for it to be writable while something is late, and only then.
    fn watch(&mut self, epoll: &Epoll, token: u64) {
        let late = self.udp.is_late();
        if late != self.armed {
            self.armed = late;
            let interest = Interest {
                read: true,
                write: late,
            };
            let _ = epoll.modify(self.udp.as_fd(), token, interest);
        }
    }
}

struct Track {
    home: u8,
    taps: Vec<TapId>,
}

impl Worker {
    /// Makes ready to run.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub(crate) fn new(config: WorkerConfig) -> io::Result<Worker> {
        let epoll = Epoll::new()?;
        let index = config.engine.worker;
        epoll.add(
            config.workers[usize::from(index)].wake().as_fd(),
            MAILBOX,
            Interest::READ,
        )?;
        let mut udp = Slab::new();
        for socket in config.listening.udp {
            let entry = udp.vacant_entry();
            epoll.add(socket.as_fd(), SOCKETS + entry.key() as u64, Interest::READ)?;
            entry.insert(Socket::new(socket));
        }
        let tcp = Tcp::new(config.listening.tcp, config.tcp, &epoll)?;
        Ok(Worker {
            index,
            engine: Engine::new(Instant::now(), config.engine),
            epoll,
            listening: udp.iter().map(|(_, socket)| socket.udp.local()).collect(),
            udp,
            former: UdpCounters::default(),
            tcp,
            receive: ReceiveBatch::new(),
            send: SendBatch::new(),
            commands: config.commands,
            workers: config.workers,
            observer: config.observer,
            tracks: HashMap::new(),
            stopping: false,
        })
    }

    /// Works until [`Command::Stop`].
    pub(crate) fn run(mut self) {
        let mut events = Vec::new();
        while !self.stopping {
            let wait = self.wait();
            if self.epoll.wait(&mut events, wait).is_err() {
                // Cannot happen with descriptors that are all our own; if it does, it must not become a spin.
                std::thread::sleep(SHORTEST_WAIT);
            }
            for event in &events {
                self.handle_event(event);
            }
            self.handle_timeout(Instant::now());
        }
    }

    fn wait(&mut self) -> Option<Duration> {
        let at = [self.engine.poll_timeout(), self.tcp.poll_timeout()]
            .into_iter()
            .flatten()
            .min()?;
        Some(
            at.saturating_duration_since(Instant::now())
                .max(SHORTEST_WAIT),
        )
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.tcp.handle_timeout(now, &self.epoll);
        if self.engine.poll_timeout().is_some_and(|at| at <= now) {
            self.engine.handle_timeout(now);
            self.put_out(now);
        }
    }

    fn handle_event(&mut self, event: &Event) {
        match event.token {
            MAILBOX => self.take_commands(),
            token if token >= tcp::CONNECTIONS => self.serve_connection(event),
            token if token >= tcp::LISTENERS => self.tcp.accept(Instant::now(), &self.epoll, token),
            token => self.serve_socket((token - SOCKETS) as usize, event),
        }
    }

    /// One more socket. Where the system refuses to watch it, ICE finds no way by it, and says so.
    fn serve(&mut self, socket: UdpSocket) {
        let entry = self.udp.vacant_entry();
        let token = SOCKETS + entry.key() as u64;
        if self
            .epoll
            .add(socket.as_fd(), token, Interest::READ)
            .is_ok()
        {
            entry.insert(Socket::new(socket));
        }
    }

    /// Closes sockets.
    fn forsake(&mut self, addresses: &[SocketAddr]) {
        let former = &mut self.former;
        self.udp.retain(|_, socket| {
            let stays = !addresses.contains(&socket.udp.local());
            if !stays {
                *former += socket.udp.counters();
            }
            stays
        });
    }

    fn serve_socket(&mut self, index: usize, event: &Event) {
        // It may have been closed a moment ago.
        if !self.udp.contains(index) {
            return;
        }
        if event.write {
            let socket = &mut self.udp[index];
            socket.udp.send_late(&mut self.send);
            socket.watch(&self.epoll, event.token);
        }
        if !event.read {
            return;
        }
        for _ in 0..RECEIVE_TURN {
            let now = Instant::now();
            let engine = &mut self.engine;
            let received = self.udp[index]
                .udp
                .receive(&mut self.receive, |path, data| {
                    engine.handle_datagram(now, path, data)
                });
            // An error belongs to a datagram sent earlier (ICMP) and is cleared by being reported.
            let Ok(count @ 1..) = received else { return };
            self.put_out(now);
            if count < ReceiveBatch::SIZE {
                return;
            }
        }
    }

    fn serve_connection(&mut self, event: &Event) {
        let now = Instant::now();
        if event.write {
            self.tcp.write(&self.epoll, event.token);
        }
        if event.read {
            let engine = &mut self.engine;
            self.tcp.read(now, event.token, |path, data| {
                engine.handle_datagram(now, path, data)
            });
            self.put_out(now);
        }
    }

    fn mailbox(&self) -> &Mailbox {
        &self.workers[usize::from(self.index)]
    }

    /// Forwards what came in, tells what happened, and sends.
    fn put_out(&mut self, mut now: Instant) {
        loop {
            let flush = self.engine.flush(now);
            while let Some(event) = self.engine.poll_event() {
                self.tell(event);
            }
            self.send();
            if flush == Flush::Done {
                return;
            }
            // Sending takes a while, and what comes next is not sent before now.
            now = Instant::now();
        }
    }

    fn tell(&mut self, event: EngineEvent) {
        let event = match event {
            EngineEvent::Media {
                packet,
                workers,
                tap,
            } => return self.hand_on(&packet, workers, tap),
            EngineEvent::Interest { track, wanted } => {
                if let Some(home) = self.home_of(track) {
                    home.send(Command::Interest {
                        track,
                        worker: self.index,
                        wanted,
                    });
                }
                return;
            }
            EngineEvent::KeyframeNeeded { track, encoding } => {
                return self.ask_keyframe(track, encoding);
            }
            EngineEvent::SessionConnected { session, .. } => WorkerEvent::Connected { session },
            EngineEvent::SessionClosed { session, reason } => WorkerEvent::Closed {
                session,
                reason: reason.to_string(),
            },
            EngineEvent::Slots {
                session,
                slots,
                missing_audio,
                missing_video,
            } => WorkerEvent::Slots {
                session,
                slots,
                missing_audio,
                missing_video,
            },
            EngineEvent::Speaking {
                participant,
                speaking,
            } => {
                for mailbox in self.others() {
                    mailbox.send(Command::Speaking(participant, speaking));
                }
                WorkerEvent::Speaking {
                    participant,
                    speaking,
                }
            }
            EngineEvent::Quality {
                session,
                estimate,
                slots,
            } => WorkerEvent::Quality {
                session,
                estimate,
                slots,
            },
            EngineEvent::Data(message) => {
                for mailbox in self.others() {
                    mailbox.send_media(|| Command::Data(message.clone()));
                }
                WorkerEvent::Data(message)
            }
            EngineEvent::NodeMessage(message) => WorkerEvent::NodeMessage(message),
            EngineEvent::NodeChannel(session) => WorkerEvent::NodeChannel(session),
        };
        self.observer.event(event);
    }

    /// The mailboxes of the other workers.
    fn others(&self) -> impl Iterator<Item = &Arc<Mailbox>> {
        let own = usize::from(self.index);
        let others = self.workers.iter().enumerate();
        others.filter_map(move |(index, mailbox)| (index != own).then_some(mailbox))
    }

    fn hand_on(&self, packet: &Arc<MediaPacket>, workers: u64, tap: bool) {
        for (index, mailbox) in self.workers.iter().enumerate() {
            if workers >> index & 1 == 1 && index != usize::from(self.index) {
                mailbox.send_media(|| Command::Relayed(packet.clone()));
            }
        }
        if !tap {
            return;
        }
        if let Some(track) = self.tracks.get(&packet.track) {
            track
                .taps
                .iter()
                .for_each(|tap| self.observer.media(*tap, packet));
        }
    }

    fn ask_keyframe(&self, track: TrackId, encoding: u8) {
        match self.home_of(track) {
            Some(home) => home.send(Command::RequestKeyframeOf(track, encoding)),
            None => self.observer.keyframe_needed(LocalTrackId {
                track,
                worker: self.index,
                encoding,
            }),
        }
    }

    /// The worker where a track comes in, if it is another.
    fn home_of(&self, track: TrackId) -> Option<&Mailbox> {
        let home = self.tracks.get(&track)?.home;
        (home != self.index)
            .then(|| self.workers.get(usize::from(home)))?
            .map(|mailbox| &**mailbox)
    }

    fn send(&mut self) {
        let arena = self.engine.arena();
        if arena.is_empty() {
            return;
        }
        for (_, socket) in &mut self.udp {
            let udp = &mut socket.udp;
            let local = udp.local();
            udp.send(
                &mut self.send,
                arena
                    .runs()
                    .filter(|run| run.path.proto == Proto::Udp && serves(local, run.path.local)),
            );
        }
        for run in arena.runs().filter(|run| run.path.proto == Proto::Tcp) {
            self.tcp.send(&self.epoll, &run);
        }
        arena.clear();
        for (index, socket) in &mut self.udp {
            socket.watch(&self.epoll, SOCKETS + index as u64);
        }
    }

    fn stats(&self) -> WorkerStats {
        let mut udp = self.former;
        for (_, socket) in &self.udp {
            udp += socket.udp.counters();
        }
        WorkerStats {
            local: self.listening.clone(),
            segmentation: self.udp.iter().all(|(_, s)| s.udp.segmentation()),
            tcp_connections: self.tcp.connections(),
            tcp_dropped: self.tcp.dropped(),
            media_dropped: self.mailbox().dropped(),
            engine: *self.engine.stats(),
            sessions: self.engine.session_stats().collect(),
            datagrams_received: udp.datagrams_received,
            bytes_received: udp.bytes_received,
            receive_calls: udp.receive_calls,
            datagrams_sent: udp.datagrams_sent,
            bytes_sent: udp.bytes_sent,
            send_calls: udp.send_calls,
            send_dropped: udp.dropped,
            send_errors: udp.errors,
        }
    }
}

/// Whether a socket bound to `bound` is the one for a path whose own end is `local`.
fn serves(bound: SocketAddr, local: SocketAddr) -> bool {
    let any = bound.ip().is_unspecified() && bound.is_ipv4() == local.is_ipv4();
    bound.port() == local.port() && (any || bound.ip() == local.ip())
}
