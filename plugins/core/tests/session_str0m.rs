// SPDX-License-Identifier: MIT OR Apache-2.0
//! A foreign WebRTC stack dials a session: str0m, in virtual time.

use gst_rtc_core::media::{Fingerprint, Path, Proto, Setup, TransportDescription};
use gst_rtc_core::session::{
    Certificate, IceRole, Incoming, SRTP_OVERHEAD, Session, SessionConfig, SessionEvent,
    SrtpProfile, Transmit,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use str0m::config::{DtlsVersion, Fingerprint as RtcFingerprint};
use str0m::ice::IceCreds;
use str0m::media::{MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

const CLIENT: &str = "192.0.2.1:1000";
const SERVER: &str = "198.51.100.1:2000";
const PAYLOAD: &[u8] = b"a payload of some length";
/// Of the client's stream, and of ours.
const UP: u32 = 1111;
const DOWN: u32 = 2222;

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

struct Call {
    now: Instant,
    rtc: Rtc,
    session: Session,
    events: Vec<SessionEvent>,
    /// Payloads that arrived at the session, and at str0m.
    up: Vec<Vec<u8>>,
    down: Vec<Vec<u8>>,
}

impl Call {
    fn new(version: DtlsVersion, dtls_client: bool, profile: SrtpProfile) -> Call {
        let now = Instant::now();
        let mut rtc = RtcConfig::new()
            .set_rtp_mode(true)
            .set_dtls_version(version)
            .build(now);
        rtc.add_local_candidate(Candidate::host(addr(CLIENT), "udp").expect("a candidate"));
        rtc.add_remote_candidate(Candidate::host(addr(SERVER), "udp").expect("a candidate"));
        let certificate = Arc::new(Certificate::generate().expect("a certificate"));
        let mut api = rtc.direct_api();
        let own = api.local_ice_credentials();
        let fingerprint = api.local_dtls_fingerprint().clone();
        let ours = certificate.fingerprint();
        api.set_remote_fingerprint(RtcFingerprint {
            hash_func: ours.algorithm,
            bytes: ours.bytes,
        });
        let (ufrag, pwd) = (
            "serverufrag".to_owned(),
            "server-password-of-22-or-more".to_owned(),
        );
        api.set_remote_ice_credentials(IceCreds {
            ufrag: ufrag.clone(),
            pass: pwd.clone(),
        });
        api.set_ice_controlling(true);
        api.start_dtls(!dtls_client).expect("a DTLS role");
        let mid = Mid::from("0");
        api.declare_media(mid, MediaKind::Audio);
        api.declare_stream_tx(UP.into(), None, mid, None);
        api.expect_stream_rx(DOWN.into(), None, mid, None);
        let config = SessionConfig {
            ice: IceRole::Lite,
            local_ufrag: ufrag,
            local_pwd: pwd,
            local_candidates: vec![],
            remote: TransportDescription {
                ufrag: own.ufrag,
                pwd: own.pass,
                ice_lite: false,
                fingerprints: vec![Fingerprint {
                    algorithm: fingerprint.hash_func,
                    bytes: fingerprint.bytes,
                }],
                setup: Setup::Active,
                candidates: vec![],
            },
            dtls_client,
            certificate,
            profiles: vec![profile],
            data: None,
            data_rate: 0,
        };
        let session = Session::new(now, 1, config).expect("a session");
        Call {
            now,
            rtc,
            session,
            events: vec![],
            up: vec![],
            down: vec![],
        }
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            let rtc_timeout = self.drain_rtc();
            self.drain_session();
            let next = self
                .session
                .poll_timeout()
                .map_or(rtc_timeout, |at| at.min(rtc_timeout));
            // A step at a time: what was sent above has been delivered already.
            self.now = next.clamp(
                self.now + Duration::from_millis(1),
                self.now + Duration::from_millis(10),
            );
            self.session.handle_timeout(self.now);
            self.rtc
                .handle_input(Input::Timeout(self.now))
                .expect("a living client");
        }
    }

    fn drain_rtc(&mut self) -> Instant {
        loop {
            match self.rtc.poll_output().expect("a living client") {
                Output::Timeout(at) => return at,
                Output::Transmit(transmit) => {
                    let mut data = transmit.contents.to_vec();
                    let path = Path {
                        proto: Proto::Udp,
                        local: transmit.destination,
                        remote: transmit.source,
                    };
                    if let Incoming::Rtp(len) =
                        self.session.handle_datagram(self.now, path, &mut data)
                    {
                        // str0m adds header extensions of its own.
                        self.up.push(data[len - PAYLOAD.len()..len].to_vec());
                    }
                    self.drain_session();
                }
                Output::Event(Event::RtpPacket(packet)) => self.down.push(packet.payload.to_vec()),
                Output::Event(_) => {}
            }
        }
    }

    fn drain_session(&mut self) {
        while let Some(Transmit { path, data }) = self.session.poll_transmit() {
            self.deliver(path.remote, &data);
        }
        self.events
            .extend(std::iter::from_fn(|| self.session.poll_event()));
    }

    fn deliver(&mut self, destination: SocketAddr, data: &[u8]) {
        let contents = data.try_into().expect("a datagram str0m knows");
        let receive = Receive {
            proto: Protocol::Udp,
            source: addr(SERVER),
            destination,
            contents,
        };
        self.rtc
            .handle_input(Input::Receive(self.now, receive))
            .expect("a living client");
    }

    fn send_up(&mut self, sequence: u64) {
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx(&UP.into()).expect("a declared stream");
        let time = 960 * sequence as u32;
        stream.write_rtp(RtpWrite::new(
            111.into(),
            sequence.into(),
            time,
            self.now,
            PAYLOAD,
        ));
    }

    fn send_down(&mut self, index: u64) {
        let mut packet = vec![0x80, 111];
        packet.extend_from_slice(&(index as u16).to_be_bytes());
        packet.extend_from_slice(&(960 * index as u32).to_be_bytes());
        packet.extend_from_slice(&DOWN.to_be_bytes());
        packet.extend_from_slice(PAYLOAD);
        let len = packet.len();
        packet.resize(len + SRTP_OVERHEAD, 0);
        let sealed = self
            .session
            .seal_rtp(&mut packet, 12, len, index)
            .expect("connected");
        self.deliver(addr(CLIENT), &packet[..sealed]);
    }
}

fn check(version: DtlsVersion, dtls_client: bool, profile: SrtpProfile) {
    let mut call = Call::new(version, dtls_client, profile);
    call.run(Duration::from_secs(5));
    assert!(
        call.events.contains(&SessionEvent::Connected(profile)),
        "{:?}",
        call.events
    );
    for index in 0..60 {
        call.send_up(index);
        call.send_down(index);
        call.run(Duration::from_millis(20));
    }
    call.run(Duration::from_secs(1));
    for (way, payloads) in [("up", &call.up), ("down", &call.down)] {
        assert_eq!(payloads.len(), 60, "{way}, {profile:?}");
        assert!(payloads.iter().all(|payload| payload == PAYLOAD));
    }
}

#[test]
fn media_flows_both_ways_in_every_profile() {
    for profile in SrtpProfile::PREFERRED {
        check(DtlsVersion::Dtls12, false, profile);
    }
}

#[test]
fn media_flows_when_we_send_the_client_hello() {
    check(DtlsVersion::Dtls12, true, SrtpProfile::AeadAes128Gcm);
}

/// A ClientHello that offers DTLS 1.3 is answered with 1.2.
#[test]
fn a_client_that_prefers_dtls_1_3_connects() {
    check(DtlsVersion::Auto, false, SrtpProfile::AeadAes128Gcm);
}
