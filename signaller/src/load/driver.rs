// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one thread that moves the media of all connections.

use super::peer::{Peer, Role};
use super::subscriber::Counts;
use mio::{Events, Interest, Poll, Token, Waker};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Token of the waker; connections have those below.
const WAKER: Token = Token(usize::MAX);
/// How often timers are looked at: the grace of NACKs, the pace of connectivity checks, reports.
const TICK: Duration = Duration::from_millis(5);

enum Command {
    Add(Box<Peer>),
    Begin,
    End,
    Progress(usize, Sender<Progress>),
    Finish,
}

/// How far the connections are.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// Publishers whose media flows.
    pub(super) publishing: usize,
    /// Subscribers, as the time from offer to connection, first packet and first picture.
    pub(super) subscribers: Vec<Joining>,
    /// Why connections ended.
    pub(super) failures: Vec<String>,
}

/// How long one subscriber took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Joining {
    pub(super) began: Option<Instant>,
    pub(super) connected: Option<Duration>,
    pub(super) first_packet: Option<Duration>,
    pub(super) first_picture: Option<Duration>,
    /// Until nothing of the past came any more.
    pub(super) caught_up: Option<Duration>,
    /// Streams that play.
    pub(super) playing: usize,
}

/// The thread.
pub(super) struct Driver {
    commands: Sender<Command>,
    waker: Arc<Waker>,
    thread: JoinHandle<Vec<Counts>>,
}

impl Driver {
    /// Starts it.
    pub(super) fn start() -> io::Result<Driver> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (commands, receiver) = channel();
        let work = Work {
            poll,
            commands: receiver,
            peers: Vec::new(),
            finished: false,
        };
        let thread = std::thread::Builder::new()
            .name("load-media".to_owned())
            .spawn(move || work.run())?;
        Ok(Driver {
            commands,
            waker,
            thread,
        })
    }

    /// Takes over a connection.
    pub(super) fn add(&self, peer: Peer) {
        self.tell(Command::Add(Box::new(peer)));
    }

    /// Packets count from now on.
    pub(super) fn begin(&self) {
        self.tell(Command::Begin);
    }

    /// Packets sent from now on do not count.
    pub(super) fn end(&self) {
        self.tell(Command::End);
    }

    /// How far the connections are. Waits for the thread.
    pub(super) fn progress(&self, streams: usize) -> Progress {
        let (reply, progress) = channel();
        self.tell(Command::Progress(streams, reply));
        progress.recv().unwrap_or_default()
    }

    /// Closes all connections; what each subscriber counted.
    pub(super) fn finish(self) -> Vec<Counts> {
        self.tell(Command::Finish);
        self.thread.join().expect("the media thread does not panic")
    }

    fn tell(&self, command: Command) {
        // A thread that has ended has nothing to be told.
        let _ = self.commands.send(command);
        let _ = self.waker.wake();
    }
}

struct Work {
    poll: Poll,
    commands: Receiver<Command>,
    peers: Vec<Peer>,
    finished: bool,
}

impl Work {
    fn run(mut self) -> Vec<Counts> {
        let mut events = Events::with_capacity(256);
        let mut tick = Instant::now();
        while !self.finished {
            let now = Instant::now();
            let media = self
                .peers
                .iter()
                .filter_map(Peer::media_due)
                .fold(tick, Instant::min);
            if self
                .poll
                .poll(&mut events, Some(media.saturating_duration_since(now)))
                .is_err()
            {
                continue;
            }
            for event in &events {
                match event.token() {
                    WAKER => self.obey(),
                    Token(peer) => self.peers[peer].receive(),
                }
            }
            self.send_media(Instant::now());
            let now = Instant::now();
            if tick <= now {
                tick = now + TICK;
                self.peers
                    .iter_mut()
                    .for_each(|peer| peer.handle_timeout(now));
            }
        }
        let now = Instant::now();
        self.peers.iter_mut().for_each(|peer| peer.close(now));
        self.subscribers()
            .map(|subscriber| subscriber.counts())
            .collect()
    }

    fn send_media(&mut self, now: Instant) {
        for peer in &mut self.peers {
            if peer.media_due().is_some_and(|at| at <= now) {
                peer.send_media(now);
            }
        }
    }

    fn obey(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Add(peer) => self.add(*peer),
                Command::Begin => self.subscribers().for_each(|subscriber| subscriber.begin()),
                Command::End => self.subscribers().for_each(|subscriber| subscriber.end()),
                // Who asked may have given up.
                Command::Progress(streams, reply) => drop(reply.send(self.progress(streams))),
                Command::Finish => self.finished = true,
            }
        }
    }

    fn add(&mut self, mut peer: Peer) {
        let token = Token(self.peers.len());
        if let Err(error) =
            self.poll
                .registry()
                .register(&mut peer.socket, token, Interest::READABLE)
        {
            peer.failure = Some(format!("the socket cannot be waited for: {error}"));
        }
        peer.handle_timeout(Instant::now());
        self.peers.push(peer);
    }

    fn subscribers(&mut self) -> impl Iterator<Item = &mut super::subscriber::Subscriber> {
        self.peers
            .iter_mut()
            .filter_map(|peer| match &mut peer.role {
                Role::Subscriber(subscriber) => Some(&mut **subscriber),
                Role::Publisher(_) => None,
            })
    }

    fn progress(&self, streams: usize) -> Progress {
        let mut progress = Progress::default();
        for peer in &self.peers {
            progress.failures.extend(peer.failure.clone());
            match &peer.role {
                Role::Publisher(_) => progress.publishing += usize::from(peer.connected.is_some()),
                Role::Subscriber(subscriber) => {
                    let since = |at: Option<Instant>| at.map(|at| at - peer.began);
                    progress.subscribers.push(Joining {
                        began: Some(peer.began),
                        connected: since(peer.connected),
                        first_packet: since(subscriber.first_packet),
                        first_picture: since(subscriber.first_picture),
                        caught_up: since(subscriber.caught_up(streams)),
                        playing: subscriber.playing(),
                    });
                }
            }
        }
        progress
    }
}
