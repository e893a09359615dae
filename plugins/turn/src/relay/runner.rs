// SPDX-License-Identifier: MIT OR Apache-2.0
//! The thread that holds a relay: it gets an allocation, serves it until it is lost, and gets
//! the next.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant as Clock};

use mio::{Events, Poll, Token};
use stun_proto::Instant;

use super::allocation::{Allocation, Path, PeerData, Refusal, Told};
use super::link::Link;
use super::shared::{Shared, State};
use super::{RelayError, RelayEvent, RelaySettings, Tls};
use crate::inbox::{Datagram, Inbox};
use crate::mapping::{Resolution, resolve};
use crate::uri::Transport;

const LINK: Token = Token(0);
pub(super) const WAKE: Token = Token(1);

/// Largest UDP payload, also the piece of a stream that is read at once.
const LARGEST: usize = 65_535;

/// Packets read before timers are looked at again.
const BATCH: usize = 256;

/// Between two attempts; the second follows the first at once.
const PAUSE: Duration = Duration::from_millis(500);

/// How long one attempt to connect and allocate may take.
const ATTEMPT: Duration = Duration::from_secs(6);

pub(super) struct Runner {
    settings: RelaySettings,
    poll: Poll,
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
    tell: Box<dyn FnMut(RelayEvent) + Send>,
    events: Events,
    buffer: Vec<u8>,
    /// How often there was an allocation.
    allocations: u32,
}

/// How an attempt, or the allocation it brought, ended.
enum End {
    /// Nobody wants it any more.
    Unwanted,
    Failed(RelayError),
}

impl Runner {
    pub(super) fn new(
        settings: RelaySettings,
        poll: Poll,
        shared: Arc<Shared>,
        inbox: Arc<Inbox>,
        tell: Box<dyn FnMut(RelayEvent) + Send>,
    ) -> Runner {
        Runner {
            settings,
            poll,
            shared,
            inbox,
            tell,
            events: Events::with_capacity(8),
            buffer: vec![0; LARGEST],
            allocations: 0,
        }
    }

    pub(super) fn run(&mut self) {
        let patience = Clock::now() + self.settings.timeout;
        loop {
            let before = self.allocations;
            let error = match self.attempt() {
                End::Unwanted => return,
                End::Failed(error) => error,
            };
            let never = self.allocations == 0;
            if error.is_final() || (never && Clock::now() >= patience) {
                self.shared.state().failed = true;
                self.shared.notify();
                return (self.tell)(RelayEvent::Failed(error));
            }
            let had_one = self.allocations > before;
            if !had_one && !self.sleep(PAUSE) {
                return;
            }
        }
    }

    /// From finding the server to losing the allocation.
    fn attempt(&mut self) -> End {
        let server = match self.find() {
            Ok(server) => server,
            Err(end) => return end,
        };
        let mut link = match self.open(server) {
            Ok(link) => link,
            Err(error) => return self.unreachable(&error),
        };
        let end = self.serve(&mut link, server);
        self.give_back(&mut link, &end);
        link.deregister(self.poll.registry());
        self.forget();
        end
    }

    /// The address of the server.
    fn find(&mut self) -> Result<SocketAddr, End> {
        let (sender, found) = mpsc::channel::<Resolution>();
        let ipv6 =
            (!self.settings.address.is_unspecified()).then(|| self.settings.address.is_ipv6());
        let shared = self.shared.clone();
        resolve(&self.settings.server.server, ipv6, move |resolution| {
            // The relay may be gone by now.
            let _ = sender.send(resolution);
            shared.wake();
        });
        loop {
            match found.try_recv() {
                Ok(Ok(server)) => return Ok(server),
                Ok(Err(error)) => return Err(self.no_such_name(&error)),
                Err(mpsc::TryRecvError::Empty) => {}
                Err(gone) => return Err(self.no_such_name(&io::Error::other(gone))),
            }
            if !self.sleep(Duration::from_secs(1)) {
                return Err(End::Unwanted);
            }
        }
    }

    fn open(&mut self, server: SocketAddr) -> io::Result<Link> {
        let from = self.local(server);
        let settings = &self.settings;
        let mut link = match settings.server.transport {
            Transport::Udp => Link::udp(from, server, settings.buffer_size)?,
            Transport::Tcp => Link::stream(from, server, None)?,
            Transport::Tls => {
                let tls = Tls {
                    host: settings.server.server.host.clone(),
                    ca_file: settings.tls_ca_file.clone(),
                    verify: settings.tls_verify,
                };
                Link::stream(from, server, Some(tls))?
            }
        };
        link.register(self.poll.registry(), LINK)?;
        Ok(link)
    }

    /// Where to bind. An allocation belongs to address and port: the next one needs another.
    fn local(&self, server: SocketAddr) -> SocketAddr {
        let first = self.allocations == 0;
        let port = if first { self.settings.port } else { 0 };
        let address = match (self.settings.address, server) {
            (address, SocketAddr::V4(_)) if !address.is_ipv4() => Ipv4Addr::UNSPECIFIED.into(),
            (address, SocketAddr::V6(_)) if !address.is_ipv6() => Ipv6Addr::UNSPECIFIED.into(),
            (address, _) => address,
        };
        SocketAddr::new(address, port)
    }

    fn serve(&mut self, link: &mut Link, server: SocketAddr) -> End {
        let give_up = Clock::now() + ATTEMPT;
        let mut refusal = None;
        loop {
            if self.is_unwanted() {
                return End::Unwanted;
            }
            match self.serve_once(link, server, &mut refusal) {
                Ok(wait) => {
                    if self.shared.address().is_none() && Clock::now() >= give_up {
                        return self.silent();
                    }
                    if let Err(error) = self.poll(wait) {
                        return self.system(&error);
                    }
                }
                Err(Stop::Link(error)) => return self.unreachable(&error),
                Err(Stop::Gone) => return self.gone(refusal),
            }
        }
    }

    /// Everything that can be done without waiting; returns how long to wait.
    fn serve_once(
        &mut self,
        link: &mut Link,
        server: SocketAddr,
        refusal: &mut Option<Refusal>,
    ) -> Result<Duration, Stop> {
        if !link.advance()? {
            return Ok(Duration::from_secs(1));
        }
        self.start(link, server)?;
        let more = self.read(link)?;
        let wait = self.advance(link, refusal)?;
        Ok(if more { Duration::ZERO } else { wait })
    }

    /// Asks for an allocation, once the connection stands.
    fn start(&mut self, link: &mut Link, server: SocketAddr) -> io::Result<()> {
        let now = self.shared.now();
        let local = link.local_address()?;
        let mut state = self.shared.state();
        if state.allocation.is_none() {
            let path = Path {
                local,
                server,
                stream: matches!(link, Link::Stream(_)),
            };
            let settings = &self.settings;
            let (user, password) = (&settings.server.user, &settings.server.password);
            let keepalive = settings.keepalive;
            state.allocation = Some(Allocation::new(path, user, password, keepalive, now));
            state.socket = link.shared_socket();
        }
        Ok(())
    }

    /// Reads what is there; true if there may be more.
    fn read(&mut self, link: &mut Link) -> Result<bool, Stop> {
        let mut received = Vec::new();
        for _ in 0..BATCH {
            let Some(length) = link.read(&mut self.buffer)? else {
                return Ok(false);
            };
            let now = self.shared.now();
            let mut state = self.shared.state();
            let Some(allocation) = &mut state.allocation else {
                continue;
            };
            let told = allocation.handle(&self.buffer[..length], now, &mut received);
            for (peer, _) in &received {
                self.shared.want_channel(&mut state, *peer, now);
            }
            drop(state);
            self.deliver(&mut received);
            if told == Some(Told::Gone) {
                return Err(Stop::Gone);
            }
        }
        Ok(true)
    }

    fn deliver(&self, received: &mut Vec<PeerData>) {
        for (from, data) in received.drain(..) {
            self.inbox.put(Datagram {
                data,
                from,
                at: Clock::now(),
            });
        }
    }

    /// Hears what happened, sends what is due, and returns how long nothing will be.
    fn advance(
        &mut self,
        link: &mut Link,
        refusal: &mut Option<Refusal>,
    ) -> Result<Duration, Stop> {
        let now = self.shared.now();
        let mut packets = Vec::new();
        let mut news = Vec::new();
        let mut state = self.shared.state();
        let again = state.ask_again(now);
        let next = state.allocation.as_mut().and_then(|a| a.poll(now));
        let result = hear(&mut state, now, &mut packets, &mut news, refusal);
        if let Some(allocation) = &mut state.allocation {
            while let Some(packet) = allocation.poll_transmit(now) {
                packets.push(packet);
            }
        }
        packets.append(&mut state.outgoing);
        let next = next.and(state.allocation.as_mut().and_then(|a| a.poll(now)));
        drop(state);
        for packet in packets {
            link.write(&packet)?;
        }
        self.pass_on(news);
        result?;
        match next {
            Some(at) => Ok(again.map_or(at, |again| again.min(at)).duration_since(now)),
            None => Err(Stop::Gone),
        }
    }

    fn pass_on(&mut self, news: Vec<RelayEvent>) {
        for event in news {
            if matches!(event, RelayEvent::Allocated(_)) {
                self.allocations += 1;
                self.shared.notify();
            }
            (self.tell)(event);
        }
    }

    /// Says good-bye, so that the server does not keep what nobody uses.
    fn give_back(&mut self, link: &mut Link, end: &End) {
        if !matches!(end, End::Unwanted) {
            return;
        }
        let now = self.shared.now();
        let mut packets = Vec::new();
        let mut state = self.shared.state();
        if let Some(allocation) = &mut state.allocation {
            allocation.give_back(now);
            // Requests are spaced out, and this is the last one.
            while let Some(packet) = allocation.poll_transmit(now + Duration::from_secs(1)) {
                packets.push(packet);
            }
        }
        drop(state);
        for packet in packets {
            // The server may be gone as well.
            let _ = link.write(&packet);
        }
    }

    fn forget(&mut self) {
        let mut state = self.shared.state();
        state.allocation = None;
        state.socket = None;
        state.outgoing.clear();
        let lost = state.address.take();
        drop(state);
        if let Some(address) = lost.filter(|_| !self.is_unwanted()) {
            (self.tell)(RelayEvent::Lost(address));
        }
    }

    fn is_unwanted(&self) -> bool {
        self.shared.ended.load(Ordering::Acquire)
    }

    /// Waits for the link, the waker, or the time to pass.
    fn poll(&mut self, wait: Duration) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits, or is woken; false when it is not wanted any more.
    fn sleep(&mut self, wait: Duration) -> bool {
        self.poll(wait).is_ok() && !self.is_unwanted()
    }

    fn server(&self) -> String {
        self.settings.server.server.to_string()
    }

    fn no_such_name(&self, error: &io::Error) -> End {
        End::Failed(RelayError::Name {
            server: self.server(),
            reason: error.to_string(),
        })
    }

    fn unreachable(&self, error: &io::Error) -> End {
        End::Failed(RelayError::Unreachable {
            server: self.server(),
            reason: error.to_string(),
        })
    }

    fn silent(&self) -> End {
        End::Failed(RelayError::Silent(self.server()))
    }

    fn system(&self, error: &io::Error) -> End {
        End::Failed(RelayError::System(error.to_string()))
    }

    fn gone(&self, refusal: Option<Refusal>) -> End {
        let server = self.server();
        End::Failed(match refusal {
            None => RelayError::Silent(server),
            // 401 Unauthenticated, 441 Wrong Credentials
            Some(Refusal { code, reason }) if matches!(code, 401 | 441) => {
                let user = self.settings.server.user.clone();
                RelayError::Credentials {
                    server,
                    user,
                    code,
                    reason,
                }
            }
            Some(Refusal { code, reason }) => RelayError::Server {
                server,
                code,
                reason,
            },
        })
    }
}

/// Why serving stops.
enum Stop {
    Link(io::Error),
    Gone,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Link(error)
    }
}

/// Hears what the allocation tells; what is to be sent and told comes out.
fn hear(
    state: &mut State,
    now: Instant,
    packets: &mut Vec<Vec<u8>>,
    news: &mut Vec<RelayEvent>,
    refusal: &mut Option<Refusal>,
) -> Result<(), Stop> {
    while let Some(told) = state.allocation.as_mut().and_then(|a| a.poll_event(now)) {
        match told {
            Told::Held(address) => {
                state.address = Some(address);
                let wanted: Vec<IpAddr> = state.peers.ips().collect();
                for ip in wanted {
                    state.permit(ip, now);
                }
                news.push(RelayEvent::Allocated(address));
            }
            Told::Permitted(ip) => packets.extend(state.permitted(ip, now)),
            Told::NotPermitted(ip) => {
                if state.refused(ip, now) {
                    news.push(RelayEvent::Refused(ip));
                }
            }
            Told::Refused(reason) => {
                *refusal = Some(reason);
                return Err(Stop::Gone);
            }
            Told::Gone => return Err(Stop::Gone),
        }
    }
    Ok(())
}
