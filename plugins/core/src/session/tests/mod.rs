// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sessions wired to each other in virtual time.

mod connect;
mod faults;
mod fingerprint;
mod life;

use super::*;
use crate::media::{CandidateKind, Fingerprint, Proto, Setup, TransportDescription};
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::net::SocketAddr;
use std::sync::Arc;

const LATENCY: Duration = Duration::from_millis(20);
const CLIENT: &str = "192.0.2.1:1000";
const SERVER: &str = "198.51.100.1:2000";

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn path(local: &str, remote: &str) -> Path {
    Path {
        proto: Proto::Udp,
        local: addr(local),
        remote: addr(remote),
    }
}

fn ecdsa() -> Arc<Certificate> {
    Arc::new(Certificate::generate().expect("a certificate"))
}

/// With one cipher suite.
fn with_cipher(cipher: &str) -> Arc<Certificate> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("P-256");
    let key = PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key");
    Arc::new(Certificate::from_key(key, cipher).expect("a certificate"))
}

/// As webrtcbin presents it before GStreamer 1.28.
fn rsa() -> Arc<Certificate> {
    let key = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
    Arc::new(Certificate::from_key(key, certificate::CIPHERS).expect("a certificate"))
}

fn candidate(at: &str) -> Candidate {
    Candidate {
        foundation: "1".into(),
        component: 1,
        proto: Proto::Udp,
        tcp_type: None,
        priority: 2_130_706_431,
        addr: addr(at),
        kind: CandidateKind::Host,
    }
}

/// The configuration of one side towards the other. `CLIENT` dials; either may be the DTLS client.
fn config(
    client: bool,
    dtls_client: bool,
    certificate: &Arc<Certificate>,
    peer: Vec<Fingerprint>,
) -> SessionConfig {
    let name = |client| if client { "clientufrag" } else { "serverufrag" };
    let pwd = |client| format!("{}-with-a-password", name(client));
    SessionConfig {
        ice: if client { IceRole::Full } else { IceRole::Lite },
        local_ufrag: name(client).into(),
        local_pwd: pwd(client),
        local_candidates: vec![candidate(if client { CLIENT } else { SERVER })],
        remote: TransportDescription {
            ufrag: name(!client).into(),
            pwd: pwd(!client),
            ice_lite: client,
            fingerprints: peer,
            setup: if dtls_client {
                Setup::Passive
            } else {
                Setup::Active
            },
            candidates: if client {
                vec![candidate(SERVER)]
            } else {
                vec![]
            },
        },
        dtls_client,
        certificate: certificate.clone(),
        profiles: SrtpProfile::PREFERRED.to_vec(),
        data: None,
        data_rate: 0,
    }
}

/// A datagram under way.
struct Parcel {
    arrives: Instant,
    to_server: bool,
    path: Path,
    data: Vec<u8>,
}

/// A dialling and an answering session, the network between them, and what happened.
struct Pair {
    client: Session,
    server: Session,
    now: Instant,
    random: StdRng,
    /// Share of datagrams that get lost.
    loss: f64,
    /// Datagrams that may not pass.
    blocked: fn(PacketKind) -> bool,
    /// Every datagram also arrives cut off at every length, and twice.
    mangled: bool,
    network: Vec<Parcel>,
    events: Vec<(&'static str, SessionEvent)>,
    /// Every datagram that was sent: from the client?, and what.
    log: Vec<(bool, Vec<u8>)>,
}

impl Pair {
    fn new(seed: u64, client: SessionConfig, server: SessionConfig) -> Pair {
        let now = Instant::now();
        Pair {
            client: Session::new(now, seed, client).expect("a session"),
            server: Session::new(now, seed + 1, server).expect("a session"),
            now,
            random: StdRng::seed_from_u64(seed),
            loss: 0.0,
            blocked: |_| false,
            mangled: false,
            network: Vec::new(),
            events: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Both sides with ECDSA certificates and right fingerprints; `dtls_client` is about the client.
    fn simple(seed: u64, dtls_client: bool) -> Pair {
        let (a, b) = (ecdsa(), ecdsa());
        let client = config(true, dtls_client, &a, vec![b.fingerprint()]);
        let server = config(false, !dtls_client, &b, vec![a.fingerprint()]);
        Pair::new(seed, client, server)
    }

    fn connected(seed: u64) -> Pair {
        let mut pair = Pair::simple(seed, true);
        pair.run(Duration::from_secs(2));
        assert!(pair.both_connected(), "{:?}", pair.events);
        pair.events.clear();
        pair
    }

    fn both_connected(&self) -> bool {
        self.client.is_connected() && self.server.is_connected()
    }

    /// Lets time pass.
    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.collect();
            let arrival = self.network.iter().map(|parcel| parcel.arrives).min();
            let timeouts = [
                self.client.poll_timeout(),
                self.server.poll_timeout(),
                arrival,
            ];
            let next = timeouts
                .into_iter()
                .flatten()
                .min()
                .filter(|next| *next <= end);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            self.step();
        }
        self.now = end;
    }

    fn step(&mut self) {
        for session in [&mut self.client, &mut self.server] {
            if session.poll_timeout().is_some_and(|at| at <= self.now) {
                session.handle_timeout(self.now);
            }
        }
        let now = self.now;
        let due = self
            .network
            .extract_if(.., |parcel| parcel.arrives <= now)
            .collect::<Vec<_>>();
        for mut parcel in due {
            let session = if parcel.to_server {
                &mut self.server
            } else {
                &mut self.client
            };
            if self.mangled {
                for len in 0..=parcel.data.len() {
                    session.handle_datagram(now, parcel.path, &mut parcel.data[..len].to_vec());
                }
            }
            session.handle_datagram(now, parcel.path, &mut parcel.data);
            self.collect();
        }
    }

    fn collect(&mut self) {
        for (to_server, session) in [(true, &mut self.client), (false, &mut self.server)] {
            while let Some(Transmit { path, data }) = session.poll_transmit() {
                self.log.push((to_server, data.clone()));
                if self.random.random_bool(self.loss) || (self.blocked)(demux(&data)) {
                    continue;
                }
                let path = Path {
                    proto: path.proto,
                    local: path.remote,
                    remote: path.local,
                };
                self.network.push(Parcel {
                    arrives: self.now + LATENCY,
                    to_server,
                    path,
                    data,
                });
            }
            while let Some(event) = session.poll_event() {
                self.events
                    .push((if to_server { "client" } else { "server" }, event));
            }
        }
    }

    fn failures(&self) -> Vec<(&'static str, SessionError)> {
        let failure = |(who, event): &(&'static str, SessionEvent)| match event {
            SessionEvent::Failed(error) => Some((*who, error.clone())),
            _ => None,
        };
        self.events.iter().filter_map(failure).collect()
    }

    /// Sends one RTP and one RTCP packet each way; true when all four are opened as they were sealed.
    fn media_flows(&mut self, index: u64) -> bool {
        let now = self.now;
        let (up, down) = (path(SERVER, CLIENT), path(CLIENT, SERVER));
        let one = exchange(now, &mut self.client, &mut self.server, up, index);
        one && exchange(now, &mut self.server, &mut self.client, down, index)
    }
}

/// Whether OpenSSL has been let go.
fn is_released(session: &Session) -> bool {
    matches!(session.dtls.as_deref(), Some(Dtls::Released(_)))
}

fn exchange(now: Instant, from: &mut Session, to: &mut Session, path: Path, index: u64) -> bool {
    let Some(mut packet) = sealed_rtp(from, index) else {
        return false;
    };
    let mut report = rtcp();
    if !from.seal_rtcp(&mut report) {
        return false;
    }
    let Incoming::Rtp(len) = to.handle_datagram(now, path, &mut packet) else {
        return false;
    };
    let Incoming::Rtcp(report_len) = to.handle_datagram(now, path, &mut report) else {
        return false;
    };
    packet[..len] == rtp(index) && report[..report_len] == rtcp()
}

fn rtp(index: u64) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend_from_slice(&(index as u16).to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 2]);
    packet.extend_from_slice(b"a payload of some length");
    packet
}

fn rtcp() -> Vec<u8> {
    vec![0x80, 201, 0, 1, 0, 0, 0, 2]
}

fn sealed_rtp(session: &mut Session, index: u64) -> Option<Vec<u8>> {
    let mut packet = rtp(index);
    let len = packet.len();
    packet.resize(len + SRTP_OVERHEAD, 0);
    let sealed = session.seal_rtp(&mut packet, 12, len, index)?;
    packet.truncate(sealed);
    Some(packet)
}
