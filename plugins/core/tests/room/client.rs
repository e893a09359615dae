// SPDX-License-Identifier: MIT OR Apache-2.0
//! A peer that is another implementation: str0m in RTP mode, set up without SDP.

use super::media;
use gst_rtc_core::media::{Candidate as CoreCandidate, Fingerprint, MediaKind, ReceiveSpec, Setup};
use gst_rtc_core::media::{SlotSpec, SsrcDescription, TransportDescription};
use std::net::SocketAddr;
use std::time::Instant;
use str0m::channel::{ChannelConfig, ChannelData, ChannelId};
use str0m::config::DtlsVersion;
use str0m::format::{Codec as StrCodec, FormatParams};
use str0m::ice::IceCreds;
use str0m::media::{Frequency, KeyframeRequestKind, MediaKind as StrKind, Mid, Pt, Rid};
use str0m::net::{Protocol, Receive, Transmit};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite, SeqNo, Ssrc};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

/// A client.
pub struct Client {
    pub addr: SocketAddr,
    pub rtc: Rtc,
    pub packets: Vec<RtpPacket>,
    pub keyframe_requests: Vec<(Instant, Mid, Option<Rid>)>,
    pub channels: Vec<(ChannelId, String)>,
    pub messages: Vec<ChannelData>,
    pub connected: bool,
    pub timeout: Instant,
    creds: IceCreds,
}

/// A packet to publish.
pub struct Packet {
    pub ssrc: u32,
    pub pt: u8,
    pub sequence: u64,
    pub timestamp: u32,
    pub marker: bool,
    pub payload: Vec<u8>,
    pub audio_level: Option<i8>,
}

impl Client {
    pub fn new(now: Instant, addr: SocketAddr) -> Client {
        let creds = IceCreds::new();
        let mut config = RtcConfig::new();
        for pt in media::RED_PTS {
            // It does not know redundant audio, and in RTP mode need not.
            config.codec_config().add_config(
                Pt::from(pt),
                None,
                StrCodec::Opus,
                Frequency::FORTY_EIGHT_KHZ,
                Some(2),
                FormatParams::default(),
            );
        }
        let mut rtc = config
            .set_local_ice_credentials(creds.clone())
            .set_dtls_version(DtlsVersion::Dtls12)
            .set_rtp_mode(true)
            .build(now);
        rtc.add_local_candidate(Candidate::host(addr, "udp").expect("a host address"));
        Client {
            addr,
            rtc,
            packets: Vec::new(),
            keyframe_requests: Vec::new(),
            channels: Vec::new(),
            messages: Vec::new(),
            connected: false,
            timeout: now,
            creds,
        }
    }

    /// What its SDP would say of the transport.
    pub fn transport(&mut self) -> TransportDescription {
        let text = self.rtc.direct_api().local_dtls_fingerprint().to_string();
        TransportDescription {
            ufrag: self.creds.ufrag.clone(),
            pwd: self.creds.pass.clone(),
            ice_lite: false,
            fingerprints: vec![fingerprint(&text)],
            setup: Setup::Active,
            candidates: Vec::new(),
        }
    }

    /// Dials the server.
    pub fn dial(
        &mut self,
        ufrag: &str,
        pwd: &str,
        candidate: &CoreCandidate,
        certificate: &Fingerprint,
    ) {
        let remote = Candidate::host(candidate.addr, "udp").expect("a host address");
        self.rtc.add_remote_candidate(remote);
        let mut api = self.rtc.direct_api();
        api.set_ice_controlling(true);
        api.set_remote_ice_credentials(IceCreds {
            ufrag: ufrag.into(),
            pass: pwd.into(),
        });
        api.set_remote_fingerprint(str0m::config::Fingerprint {
            hash_func: certificate.algorithm.clone(),
            bytes: certificate.bytes.clone(),
        });
        api.start_dtls(true).expect("DTLS starts");
    }

    /// Declares a video track in several encodings, the SSRC of each ten above the one before.
    pub fn declare_simulcast(&mut self, mid: &str, ssrc: u32, rids: &[&str]) -> ReceiveSpec {
        let mut api = self.rtc.direct_api();
        api.declare_media(Mid::from(mid), StrKind::Video);
        for (ssrc, rid) in (ssrc..).step_by(10).zip(rids) {
            let rtx = Some(Ssrc::from(ssrc + 1));
            let rid = Some(Rid::from(*rid));
            api.declare_stream_tx(Ssrc::from(ssrc), rtx, Mid::from(mid), rid);
        }
        ReceiveSpec {
            mid: mid.into(),
            kind: MediaKind::Video,
            payloads: media::payloads(MediaKind::Video),
            extensions: media::extensions(true),
            ssrcs: Vec::new(),
            rids: rids.iter().map(|rid| (*rid).to_owned()).collect(),
        }
    }

    /// Declares a track to send and says what the server has to know of it.
    pub fn declare_send(&mut self, mid: &str, kind: MediaKind, ssrc: u32) -> ReceiveSpec {
        let rtx = (kind == MediaKind::Video).then_some(ssrc + 1);
        let mut api = self.rtc.direct_api();
        api.declare_media(Mid::from(mid), str_kind(kind));
        api.declare_stream_tx(Ssrc::from(ssrc), rtx.map(Ssrc::from), Mid::from(mid), None);
        ReceiveSpec {
            mid: mid.into(),
            kind,
            payloads: media::payloads(kind),
            extensions: media::extensions(true),
            ssrcs: vec![SsrcDescription {
                ssrc,
                rtx,
                cname: None,
            }],
            rids: Vec::new(),
        }
    }

    /// Declares a slot to receive on.
    pub fn declare_receive(&mut self, mid: &str, kind: MediaKind, ssrc: u32) -> SlotSpec {
        let rtx = (kind == MediaKind::Video).then_some(ssrc + 1);
        let mut api = self.rtc.direct_api();
        api.declare_media(Mid::from(mid), str_kind(kind));
        api.expect_stream_rx(Ssrc::from(ssrc), rtx.map(Ssrc::from), Mid::from(mid), None);
        SlotSpec {
            mid: mid.into(),
            kind,
            payloads: media::payloads(kind),
            extensions: media::extensions(false),
            ssrc: SsrcDescription {
                ssrc,
                rtx,
                cname: Some("test".into()),
            },
            encoding: None,
        }
    }

    /// Reports what arrives, by transport-wide feedback.
    pub fn report_arrivals(&mut self) {
        self.rtc.direct_api().enable_twcc_feedback();
    }

    pub fn send(&mut self, now: Instant, packet: Packet) {
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx(&Ssrc::from(packet.ssrc)).expect("declared");
        let voice_activity = packet.audio_level.map(|level| level > -60);
        let values = ExtensionValues {
            audio_level: packet.audio_level,
            voice_activity,
            ..Default::default()
        };
        let sequence = SeqNo::from(packet.sequence);
        let write = RtpWrite::new(
            Pt::from(packet.pt),
            sequence,
            packet.timestamp,
            now,
            packet.payload,
        );
        stream.write_rtp(write.marker(packet.marker).nackable(true).ext_vals(values));
    }

    /// Opens a data channel.
    pub fn open(&mut self, config: ChannelConfig) -> ChannelId {
        let mut api = self.rtc.direct_api();
        api.create_data_channel(config)
    }

    /// The server wants data channels: begins with SCTP, as the DTLS client does.
    pub fn start_sctp(&mut self) {
        self.rtc.direct_api().start_sctp(true);
    }

    /// Sends on a channel; false while it has too much to send.
    pub fn write(&mut self, channel: ChannelId, data: &[u8]) -> bool {
        let mut channel = self.rtc.channel(channel).expect("it is open");
        channel.write(true, data).expect("SCTP lives")
    }

    pub fn request_keyframe(&mut self, ssrc: u32) {
        let mut api = self.rtc.direct_api();
        let stream = api.stream_rx(&Ssrc::from(ssrc)).expect("expected");
        stream.request_keyframe(KeyframeRequestKind::Pli);
    }

    /// Asks for nothing of a stream again.
    pub fn never_ask(&mut self, ssrc: u32) {
        let mut api = self.rtc.direct_api();
        let stream = api.stream_rx(&Ssrc::from(ssrc)).expect("expected");
        stream.suppress_nack(true);
    }

    /// Says by REMB what it wants at most, in bit/s.
    pub fn limit(&mut self, ssrc: u32, rate: u64) {
        let mut api = self.rtc.direct_api();
        let stream = api.stream_rx(&Ssrc::from(ssrc)).expect("expected");
        stream.request_remb(rate.into());
    }

    pub fn receive(&mut self, now: Instant, from: SocketAddr, data: &[u8]) {
        let Ok(contents) = data.try_into() else {
            return;
        };
        let receive = Receive {
            proto: Protocol::Udp,
            source: from,
            destination: self.addr,
            contents,
        };
        self.rtc
            .handle_input(Input::Receive(now, receive))
            .expect("str0m takes the datagram");
    }

    pub fn wake(&mut self, now: Instant) {
        self.rtc
            .handle_input(Input::Timeout(now))
            .expect("str0m takes the time");
    }

    /// Drains it: what it sends.
    pub fn drain(&mut self, now: Instant) -> Vec<Transmit> {
        let mut transmits = Vec::new();
        loop {
            match self.rtc.poll_output().expect("str0m goes on") {
                Output::Timeout(at) => {
                    self.timeout = at;
                    return transmits;
                }
                Output::Transmit(transmit) => transmits.push(transmit),
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::RtpPacket(packet)) => self.packets.push(packet),
                Output::Event(Event::ChannelOpen(id, label)) => self.channels.push((id, label)),
                Output::Event(Event::ChannelClose(id)) => self.channels.retain(|(i, _)| *i != id),
                Output::Event(Event::ChannelData(data)) => self.messages.push(data),
                Output::Event(Event::KeyframeRequest(request)) => {
                    self.keyframe_requests.push((now, request.mid, request.rid))
                }
                Output::Event(_) => {}
            }
        }
    }
}

fn str_kind(kind: MediaKind) -> StrKind {
    match kind {
        MediaKind::Audio => StrKind::Audio,
        MediaKind::Video => StrKind::Video,
    }
}

/// `sha-256 AB:CD:…`
fn fingerprint(text: &str) -> Fingerprint {
    let (algorithm, hex) = text.split_once(' ').expect("two words");
    let byte = |pair| u8::from_str_radix(pair, 16).expect("hexadecimal");
    Fingerprint {
        algorithm: algorithm.to_ascii_lowercase(),
        bytes: hex.split(':').map(byte).collect(),
    }
}
