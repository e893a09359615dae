// SPDX-License-Identifier: MIT OR Apache-2.0
//! A publisher by WHIP that may lie: about its certificate, and inside its packets.
//!
//! ICE, DTLS and SRTP are real, so that what it sends is authentic; what is inside is the test's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use gst_rtc_core::media::{
    Candidate, CandidateKind, Fingerprint, Path, Proto, Setup, TransportDescription,
};
use gst_rtc_core::session::{
    Certificate, IceRole, Incoming, SRTP_OVERHEAD, Session, SessionConfig, SessionEvent,
    SrtpProfile,
};
use tokio::net::UdpSocket;
use tokio::time::{sleep_until, timeout};

use crate::http::request;
use crate::{DEADLINE, Failure, Result, Server};

/// The payload type it says VP8 has.
pub const VP8: u8 = 96;
/// The payload type it says retransmissions have.
pub const RTX: u8 = 97;
/// The source of its video.
pub const SSRC: u32 = 0x0badcafe;

const UFRAG: &str = "rawpeer1";
const PASSWORD: &str = "a-password-of-thirty-characters";

/// What it offers.
#[derive(Clone, Copy, Debug)]
pub struct Lies {
    /// The fingerprint in the offer is of another certificate.
    pub fingerprint: bool,
    /// Its role in the handshake, as offered: `Active`, `Passive`, or `ActPass` for either.
    pub setup: Setup,
}

impl Lies {
    /// None at all.
    pub const NONE: Lies = Lies {
        fingerprint: false,
        setup: Setup::ActPass,
    };
}

/// The publisher.
pub struct RawPeer {
    socket: UdpSocket,
    local: SocketAddr,
    session: Session,
    remote: SocketAddr,
    index: u64,
}

impl RawPeer {
    /// Offers by WHIP; nothing is sent yet.
    pub async fn offer(server: &Server, room: &str, name: &str, lies: Lies) -> Result<RawPeer> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let local = socket.local_addr()?;
        let certificate = Certificate::generate()?;
        let announced = if lies.fingerprint {
            Certificate::generate()?.fingerprint()
        } else {
            certificate.fingerprint()
        };
        let path = format!("/whip/{room}?name={name}");
        let offer = offer(local, &announced, lies.setup);
        let answer = request(server.address(), "POST", &path, "application/sdp", &offer).await?;
        if answer.status != 201 {
            crate::fail!("WHIP answered {} {}", answer.status, answer.body);
        }
        let (remote, description) = read_answer(&answer.body)?;
        let config = SessionConfig {
            ice: IceRole::Full,
            local_ufrag: UFRAG.into(),
            local_pwd: PASSWORD.into(),
            local_candidates: vec![candidate(local)],
            dtls_client: description.setup == Setup::Passive,
            remote: description,
            certificate: Arc::new(certificate),
            profiles: SrtpProfile::PREFERRED.to_vec(),
            data: None,
            data_rate: 0,
        };
        let session = Session::new(Instant::now(), 1, config)?;
        Ok(RawPeer {
            socket,
            local,
            session,
            remote,
            // The roll-over counter of a new source is 0 (RFC 3711 §3.3.1).
            index: 0,
        })
    }

    /// Where the server receives media.
    pub fn server(&self) -> SocketAddr {
        self.remote
    }

    /// Runs until an event that `pick` takes.
    pub async fn until<T>(&mut self, pick: impl Fn(&SessionEvent) -> Option<T>) -> Result<T> {
        let run = async {
            loop {
                while let Some(event) = self.session.poll_event() {
                    if let Some(found) = pick(&event) {
                        self.flush().await?;
                        return Ok(found);
                    }
                }
                self.step().await?;
            }
        };
        timeout(DEADLINE, run)
            .await
            .map_err(|_| Failure::new(format!("nothing happened within {DEADLINE:?}")))?
    }

    /// Runs until it could send media.
    pub async fn connected(&mut self) -> Result {
        self.until(|event| match event {
            SessionEvent::Connected(_) => Some(Ok(())),
            SessionEvent::Failed(error) => Some(Err(Failure::from(error.clone()))),
            SessionEvent::Closed => Some(Err(Failure::new("the server closed"))),
            _ => None,
        })
        .await?
    }

    /// Runs until the server has ended the session, and says how.
    pub async fn ended(&mut self) -> Result<String> {
        self.until(|event| match event {
            SessionEvent::Failed(error) => Some(error.to_string()),
            SessionEvent::Closed => Some("closed".into()),
            _ => None,
        })
        .await
    }

    /// Waits for one datagram or timeout, and sends what follows from it.
    async fn step(&mut self) -> Result {
        self.flush().await?;
        let mut data = [0; 2048];
        let due = self.session.poll_timeout();
        tokio::select! {
            received = self.socket.recv_from(&mut data) => {
                let (length, remote) = received?;
                let path = Path { proto: Proto::Udp, local: self.local, remote };
                let incoming =
                    self.session.handle_datagram(Instant::now(), path, &mut data[..length]);
                debug_assert!(incoming == Incoming::None || self.session.is_connected());
            }
            () = sleep_until(due.unwrap_or_else(|| Instant::now() + DEADLINE).into()) => {
                self.session.handle_timeout(Instant::now());
            }
        }
        self.flush().await
    }

    async fn flush(&mut self) -> Result {
        while let Some(transmit) = self.session.poll_transmit() {
            self.socket
                .send_to(&transmit.data, transmit.path.remote)
                .await?;
        }
        Ok(())
    }

    /// Sends a packet sealed with the keys of the session. The first `header` bytes stay plain.
    pub async fn send_rtp(&mut self, packet: &[u8], header: usize) -> Result {
        let sealed = self.seal(packet, header)?;
        self.send_raw(&sealed).await
    }

    /// Sends a datagram as it is, from the address that the server knows.
    pub async fn send_raw(&self, datagram: &[u8]) -> Result {
        self.socket.send_to(datagram, self.remote).await?;
        Ok(())
    }

    /// A packet as [`send_rtp`](Self::send_rtp) sends it.
    pub fn seal(&mut self, packet: &[u8], header: usize) -> Result<Vec<u8>> {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + SRTP_OVERHEAD, 0);
        self.index += 1;
        let sequence = (self.index as u16).to_be_bytes();
        buffer[2..4].copy_from_slice(&sequence);
        let sealed = self
            .session
            .seal_rtp(&mut buffer, header, packet.len(), self.index);
        let length = sealed.ok_or_else(|| Failure::new("not connected"))?;
        buffer.truncate(length);
        Ok(buffer)
    }

    /// Sends a compound RTCP packet sealed with the keys of the session.
    pub async fn send_rtcp(&mut self, packet: &[u8]) -> Result {
        let mut buffer = packet.to_vec();
        if self.session.seal_rtcp(&mut buffer) {
            self.socket.send_to(&buffer, self.remote).await?;
        }
        Ok(())
    }

    /// Whether it may send media.
    pub fn is_connected(&self) -> bool {
        self.session.is_connected()
    }
}

/// An RTP header of 12 bytes and what the caller puts after it. The sequence number comes when it is sent.
pub fn rtp(first: u8, payload_type: u8, rest: &[u8]) -> Vec<u8> {
    let mut packet = vec![first, payload_type, 0, 0, 0, 0, 0, 1];
    packet.extend(SSRC.to_be_bytes());
    packet.extend(rest);
    packet
}

/// The offer of one that publishes video from there.
pub fn offer(local: SocketAddr, fingerprint: &Fingerprint, setup: Setup) -> String {
    let setup = match setup {
        Setup::ActPass => "actpass",
        Setup::Active => "active",
        Setup::Passive => "passive",
    };
    let hash: Vec<String> = fingerprint
        .bytes
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    let lines = [
        "v=0".to_owned(),
        "o=- 1 2 IN IP4 127.0.0.1".to_owned(),
        "s=-".to_owned(),
        "t=0 0".to_owned(),
        "a=group:BUNDLE 0".to_owned(),
        format!("m=video 9 UDP/TLS/RTP/SAVPF {VP8} {RTX}"),
        "c=IN IP4 0.0.0.0".to_owned(),
        "a=mid:0".to_owned(),
        "a=sendonly".to_owned(),
        format!("a=ice-ufrag:{UFRAG}"),
        format!("a=ice-pwd:{PASSWORD}"),
        format!("a=fingerprint:{} {}", fingerprint.algorithm, hash.join(":")),
        format!("a=setup:{setup}"),
        "a=rtcp-mux".to_owned(),
        "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid".to_owned(),
        format!("a=rtpmap:{VP8} VP8/90000"),
        format!("a=rtcp-fb:{VP8} nack"),
        format!("a=rtcp-fb:{VP8} nack pli"),
        format!("a=rtpmap:{RTX} rtx/90000"),
        format!("a=fmtp:{RTX} apt={VP8}"),
        format!("a=ssrc:{SSRC} cname:raw"),
        format!(
            "a=candidate:1 1 UDP 2122260223 {} {} typ host",
            local.ip(),
            local.port()
        ),
    ];
    lines.map(|line| line + "\r\n").concat()
}

/// Where to send media, and the transport. By hand, so that the project's own parser is not in the way.
fn read_answer(sdp: &str) -> Result<(SocketAddr, TransportDescription)> {
    let value = |name: &str| {
        let prefix = format!("a={name}:");
        let found = sdp.lines().find_map(|line| line.strip_prefix(&prefix));
        found.ok_or_else(|| Failure::new(format!("no {name} in {sdp}")))
    };
    let candidates: Vec<Candidate> = sdp.lines().filter_map(read_candidate).collect();
    let remote = candidates
        .first()
        .ok_or_else(|| Failure::new(format!("no candidate in {sdp}")))?;
    let (algorithm, hash) = value("fingerprint")?
        .split_once(' ')
        .ok_or_else(|| Failure::new(format!("no hash in {sdp}")))?;
    let bytes = hash.split(':').map(|hex| u8::from_str_radix(hex, 16));
    let description = TransportDescription {
        ufrag: value("ice-ufrag")?.to_owned(),
        pwd: value("ice-pwd")?.to_owned(),
        ice_lite: sdp.lines().any(|line| line == "a=ice-lite"),
        fingerprints: vec![Fingerprint {
            algorithm: algorithm.to_ascii_lowercase(),
            bytes: bytes.collect::<std::result::Result<_, _>>()?,
        }],
        setup: if value("setup")? == "active" {
            Setup::Active
        } else {
            Setup::Passive
        },
        candidates: candidates.clone(),
    };
    Ok((remote.addr, description))
}

/// A UDP candidate of IPv4; any address of this machine can be reached from its loopback address.
fn read_candidate(line: &str) -> Option<Candidate> {
    let words: Vec<&str> = line.strip_prefix("a=candidate:")?.split(' ').collect();
    let [_, "1", protocol, _, host, port, ..] = words[..] else {
        return None;
    };
    let addr = SocketAddr::new(host.parse().ok()?, port.parse().ok()?);
    (protocol.eq_ignore_ascii_case("udp") && addr.is_ipv4()).then(|| candidate(addr))
}

fn candidate(addr: SocketAddr) -> Candidate {
    Candidate {
        foundation: "1".into(),
        component: 1,
        proto: Proto::Udp,
        tcp_type: None,
        priority: 2_122_260_223,
        addr,
        kind: CandidateKind::Host,
    }
}
