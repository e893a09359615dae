// SPDX-License-Identifier: MIT OR Apache-2.0
//! Making a connection: socket, offer, answer.

use super::http::{self, HttpError};
use super::sys;
use gst_rtc_core::codec::Codec;
use gst_rtc_core::media::{
    Candidate, CandidateKind, Extension, MediaKind, Proto, SessionDescription,
};
use gst_rtc_core::negotiate::{self, Accepted, LocalTransport, NegotiationError, OfferedTrack};
use gst_rtc_core::session::{
    Certificate, IceRole, Session, SessionConfig, SessionError, SrtpProfile,
};
use gstrtcsfu::sdp::{self, SdpError};
use hyper::Uri;
use rand::RngExt;
use rand::distr::Alphanumeric;
use socket2::SockRef;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

/// Receive buffer asked for, in bytes: this side must not be the one that loses packets.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Why a connection was not made.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The exchange of offer and answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The answer is not SDP we read.
    #[error("the answer cannot be read: {0}")]
    Sdp(#[from] SdpError),
    /// The answer does not fit the offer.
    #[error("the answer does not fit: {0}")]
    Negotiation(#[from] NegotiationError),
    /// The transport refuses what was agreed.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// No socket.
    #[error("cannot open a UDP socket towards {0}: {1}")]
    Socket(String, io::Error),
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// Send one video track, and one of audio if wanted.
    Publish {
        /// With audio.
        audio: bool,
    },
    /// Receive so many tracks of each kind.
    Receive {
        /// Audio tracks.
        audio: usize,
        /// Video tracks.
        video: usize,
        /// Tell when each packet arrived, from which the server estimates what the path carries.
        arrivals: bool,
    },
}

/// An answered offer: everything that the media needs.
pub(super) struct Call {
    pub(super) socket: UdpSocket,
    pub(super) local: SocketAddr,
    pub(super) session: Session,
    pub(super) accepted: Accepted,
    pub(super) resource: Option<Uri>,
    /// When the offer was begun: the click on "join".
    pub(super) began: Instant,
}

/// Offers to the WHIP or WHEP endpoint and takes its answer.
pub(super) async fn dial(
    endpoint: &Uri,
    purpose: Purpose,
    certificate: &Arc<Certificate>,
) -> Result<Call, DialError> {
    let began = Instant::now();
    let authority = http::authority(endpoint)?;
    let socket = open_socket(&authority).map_err(|error| DialError::Socket(authority, error))?;
    let local = socket
        .local_addr()
        .map_err(|error| DialError::Socket(endpoint.to_string(), error))?;
    let ours = local_transport(local, certificate);
    let offer = offer(purpose, &ours);
    let created = http::offer(endpoint, sdp::write(&offer, rand::random::<u64>() >> 2, 1)).await?;
    let accepted = negotiate::accept_answer(&offer, &sdp::parse(&created.answer)?)?;
    let config = SessionConfig {
        ice: IceRole::Full,
        local_ufrag: ours.ufrag,
        local_pwd: ours.pwd,
        local_candidates: ours.candidates,
        remote: accepted.remote.clone(),
        dtls_client: accepted.dtls_client,
        certificate: certificate.clone(),
        profiles: SrtpProfile::PREFERRED.to_vec(),
        data: None,
        data_rate: 0,
    };
    let session = Session::new(Instant::now(), rand::random(), config)?;
    Ok(Call {
        socket,
        local,
        session,
        accepted,
        resource: created.session,
        began,
    })
}

/// A socket with the address from which this machine reaches the server.
fn open_socket(authority: &str) -> io::Result<UdpSocket> {
    let probe = UdpSocket::bind("0.0.0.0:0")?;
    let ip = match probe.connect(authority) {
        Ok(()) => probe.local_addr()?.ip(),
        Err(_) => {
            let probe = UdpSocket::bind("[::]:0")?;
            probe.connect(authority)?;
            probe.local_addr()?.ip()
        }
    };
    let socket = UdpSocket::bind(SocketAddr::new(ip, 0))?;
    socket.set_nonblocking(true)?;
    // The system may give less.
    let _ = SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER);
    sys::ask_for_receive_times(socket.as_fd())?;
    Ok(socket)
}

fn local_transport(local: SocketAddr, certificate: &Certificate) -> LocalTransport {
    let text = |length| {
        rand::rng()
            .sample_iter(Alphanumeric)
            .take(length)
            .map(char::from)
            .collect()
    };
    let candidate = Candidate {
        foundation: "1".into(),
        component: 1,
        proto: Proto::Udp,
        tcp_type: None,
        // A host candidate (RFC 8445 §5.1.2.1).
        priority: 126 << 24 | 0xffff << 8 | 255,
        addr: local,
        kind: CandidateKind::Host,
    };
    LocalTransport {
        ufrag: text(8),
        pwd: text(24),
        fingerprint: certificate.fingerprint(),
        candidates: vec![candidate],
        ice_lite: false,
    }
}

fn offer(purpose: Purpose, ours: &LocalTransport) -> SessionDescription {
    match purpose {
        Purpose::Receive {
            audio,
            video,
            arrivals,
        } => {
            let mut offer = negotiate::offer_receive(audio, video, ours, None);
            if arrivals {
                offer_arrivals(&mut offer);
            }
            offer
        }
        Purpose::Publish { audio } => {
            let stream = format!("load-{}", ours.ufrag);
            let kinds = [
                (MediaKind::Audio, Codec::Opus),
                (MediaKind::Video, Codec::Vp8),
            ];
            let tracks = kinds
                .into_iter()
                .filter(|(kind, _)| audio || *kind == MediaKind::Video);
            let tracks: Vec<_> = tracks
                .map(|(kind, codec)| offered_track(kind, codec, &stream))
                .collect();
            negotiate::offer_publish(&tracks, ours, None, &mut rand::random)
        }
    }
}

/// Offers transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01) on every line, as browsers do.
fn offer_arrivals(offer: &mut SessionDescription) {
    let used = offer.media.iter().flat_map(|media| media.extensions.iter());
    let free = used.map(|(_, id)| id).max().unwrap_or(0) + 1;
    for media in &mut offer.media {
        media.extensions.set(Extension::TransportCc, free);
        for payload in &mut media.payloads {
            payload.feedback.transport_cc = true;
        }
    }
}

fn offered_track(kind: MediaKind, codec: Codec, stream: &str) -> OfferedTrack {
    let mut payloads = negotiate::offered_payloads(kind);
    payloads.retain(|payload| payload.codec == codec);
    OfferedTrack {
        kind,
        payloads,
        stream: stream.to_owned(),
        active: true,
        rids: Vec::new(),
    }
}
