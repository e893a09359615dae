// SPDX-License-Identifier: MIT OR Apache-2.0
//! A peer of the room: somebody's end of a connection, in memory.

use gst_rtc_core::codec::Codec;
use gst_rtc_core::media::{
    Candidate, CandidateKind, Extension, ExtensionMap, Feedback, Fingerprint, Path, PayloadParams,
    Proto, Setup, TransportDescription,
};
use gst_rtc_core::rtp::{Header, HeaderWriter};
use gst_rtc_core::session::{
    Certificate, IceRole, Incoming, SRTP_OVERHEAD, Session, SessionConfig, SrtpProfile,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// The payload type of everything.
pub const PT: u8 = 96;
/// The id of dependency descriptors, in what is sent and in what was recorded.
pub const DESCRIPTOR: u8 = 12;

const MID: u8 = 4;
const RID: u8 = 10;
const SERVER: ([u8; 4], u16) = ([10, 0, 0, 1], 4000);
const PASSWORD: &str = "a-long-password-of-the-server";
const OWN_PASSWORD: &str = "a-long-password-of-the-other-end";

/// One end. What it receives is kept.
pub struct End {
    id: u32,
    pub session: Session,
    certificate: Arc<Certificate>,
    /// RTP packets, in the order in which they came.
    pub got: Vec<Vec<u8>>,
}

impl End {
    /// It dials a server that has that certificate.
    pub fn new(now: Instant, id: u32, server: &Certificate) -> End {
        let certificate = Arc::new(Certificate::generate().expect("a certificate"));
        let config = SessionConfig {
            ice: IceRole::Full,
            local_ufrag: format!("end{id}"),
            local_pwd: OWN_PASSWORD.into(),
            local_candidates: vec![candidate(addr(id))],
            remote: TransportDescription {
                ufrag: ufrag(id),
                pwd: PASSWORD.into(),
                ice_lite: true,
                fingerprints: vec![server.fingerprint()],
                setup: Setup::Passive,
                candidates: vec![candidate(SERVER.into())],
            },
            dtls_client: true,
            certificate: certificate.clone(),
            profiles: SrtpProfile::PREFERRED.to_vec(),
            data: None,
            data_rate: 0,
        };
        End {
            id,
            session: Session::new(now, u64::from(id), config).expect("a session"),
            certificate,
            got: Vec::new(),
        }
    }

    /// The way to the server, as this end sees it.
    pub fn path(&self) -> Path {
        path(addr(self.id), SERVER.into())
    }

    /// The same way, as the server sees it.
    pub fn path_back(&self) -> Path {
        path(SERVER.into(), addr(self.id))
    }

    /// What the server has to know: its own name and password, its candidate, and this end.
    pub fn introduction(&self) -> (String, String, Candidate, TransportDescription) {
        let remote = TransportDescription {
            ufrag: format!("end{}", self.id),
            pwd: OWN_PASSWORD.into(),
            ice_lite: false,
            fingerprints: vec![self.fingerprint()],
            setup: Setup::Active,
            candidates: Vec::new(),
        };
        (
            ufrag(self.id),
            PASSWORD.into(),
            candidate(SERVER.into()),
            remote,
        )
    }

    fn fingerprint(&self) -> Fingerprint {
        self.certificate.fingerprint()
    }

    /// Takes a datagram.
    pub fn receive(&mut self, now: Instant, datagram: &mut Vec<u8>) {
        let path = self.path();
        if let Incoming::Rtp(len) = self.session.handle_datagram(now, path, datagram) {
            datagram.truncate(len);
            self.got.push(datagram.clone());
        }
    }

    /// An RTP packet as it goes out in one of several encodings: labelled with its `rid`, and sealed.
    pub fn seal(&mut self, packet: &[u8], sequence: u64, encoding: usize) -> Vec<u8> {
        let header = Header::parse(packet).expect("a payloader made it");
        let mut sealed = vec![0; packet.len() + 64 + SRTP_OVERHEAD];
        let mut writer = HeaderWriter::new_two_byte(
            &mut sealed,
            PT,
            header.marker,
            sequence as u16,
            header.timestamp,
            ssrc(self.id, encoding),
        );
        writer.extension(MID, b"v");
        writer.extension(RID, rid(encoding).as_bytes());
        let mut described = header.extensions(packet);
        if let Some((_, descriptor)) = described.find(|(id, _)| *id == DESCRIPTOR) {
            writer.extension(DESCRIPTOR, descriptor);
        }
        let start = writer.finish();
        let payload = &packet[header.payload];
        let end = start + payload.len();
        sealed[start..end].copy_from_slice(payload);
        let len = self.session.seal_rtp(&mut sealed, start, end, sequence);
        sealed.truncate(len.expect("it is connected"));
        sealed
    }
}

/// How the encodings of a track are called.
pub fn rid(encoding: usize) -> String {
    format!("r{encoding}")
}

pub fn ssrc(id: u32, encoding: usize) -> u32 {
    1_000 * (id + 1) + encoding as u32
}

/// The header extensions that the ends use.
pub fn extensions() -> ExtensionMap {
    let mut map = ExtensionMap::default();
    map.set(Extension::Mid, MID);
    map.set(Extension::Rid, RID);
    map.set(Extension::DependencyDescriptor, DESCRIPTOR);
    map
}

/// The only format, as an SDP would say it.
pub fn payload(codec: Codec) -> PayloadParams {
    PayloadParams {
        pt: PT,
        codec,
        clock_rate: 90_000,
        channels: None,
        fmtp: String::new(),
        rtx_pt: None,
        feedback: Feedback::default(),
    }
}

fn ufrag(id: u32) -> String {
    format!("server{id}")
}

fn addr(id: u32) -> SocketAddr {
    ([10, 0, 1, id as u8], 5000).into()
}

fn path(local: SocketAddr, remote: SocketAddr) -> Path {
    Path {
        proto: Proto::Udp,
        local,
        remote,
    }
}

fn candidate(addr: SocketAddr) -> Candidate {
    Candidate {
        foundation: "1".into(),
        component: 1,
        proto: Proto::Udp,
        tcp_type: None,
        priority: 2_130_706_431,
        addr,
        kind: CandidateKind::Host,
    }
}
