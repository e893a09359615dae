// SPDX-License-Identifier: MIT OR Apache-2.0
//! Our own descriptions as text.

use super::write_candidate;
use gst_rtc_core::media::{
    DataDescription, Direction, Fingerprint, MediaDescription, PayloadParams, SessionDescription,
    Setup, SsrcDescription, TransportDescription,
};
use gst_sdp::{SDPMedia, SDPMessage};

/// Writes an offer or an answer.
///
/// `id` names the session and stays; `version` grows with each description of it (RFC 8866 §5.2, RFC 3264 §8).
///
/// The first m-line that is not refused speaks for the transport: candidates stand there alone. The other transport
/// attributes are repeated on every m-line, even on refused ones, without which webrtcbin does not take the whole.
pub fn write(description: &SessionDescription, id: u64, version: u64) -> String {
    let mut message = session(id, version);
    message.add_attribute("group", Some(&bundle(description)));
    message.add_attribute("extmap-allow-mixed", None);
    message.add_attribute("msid-semantic", Some(" WMS *"));
    if description.transport.ice_lite {
        message.add_attribute("ice-lite", None);
    }
    let tagged = description.media.iter().position(|m| !m.rejected);
    for (index, media) in description.media.iter().enumerate() {
        let mut section = Section::new(media);
        section.transport(&description.transport);
        match &media.data {
            _ if media.rejected => {}
            Some(data) => section.data(data),
            None => section.media(media),
        }
        if tagged == Some(index) {
            section.candidates(&description.transport);
        }
        message.add_media(section.0);
    }
    message
        .as_text()
        .expect("all fields that SDP demands are set")
}

/// The lines above the attributes. Parsed, since `SDPMessage::add_time` without repetitions leaves a message that crashes
/// when it is written (gstreamer-sdp 0.25).
fn session(id: u64, version: u64) -> SDPMessage {
    let lines = format!("v=0\r\no=- {id} {version} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
    SDPMessage::parse_buffer(lines.as_bytes()).expect("these lines are well-formed")
}

fn bundle(description: &SessionDescription) -> String {
    let accepted = description.media.iter().filter(|m| !m.rejected);
    accepted.fold("BUNDLE".to_owned(), |group, media| group + " " + &media.mid)
}

/// An m-line in the making.
struct Section(SDPMedia);

impl Section {
    /// Port 9 stands for "see the candidates" (RFC 8839 §4.3.2), 0 for a refusal.
    fn new(media: &MediaDescription) -> Section {
        let mut section = SDPMedia::new();
        section.set_media(&media.line.media);
        section.set_port_info(if media.rejected { 0 } else { 9 }, 1);
        section.set_proto(&media.line.proto);
        for format in &media.line.formats {
            section.add_format(format);
        }
        section.add_connection("IN", "IP4", "0.0.0.0", 0, 0);
        let mut section = Section(section);
        section.set("mid", &media.mid);
        section.flag(direction(media.direction));
        section
    }

    fn set(&mut self, key: &str, value: &str) {
        self.0.add_attribute(key, Some(value));
    }

    fn flag(&mut self, key: &str) {
        self.0.add_attribute(key, None);
    }

    fn transport(&mut self, transport: &TransportDescription) {
        self.set("ice-ufrag", &transport.ufrag);
        self.set("ice-pwd", &transport.pwd);
        for hash in &transport.fingerprints {
            self.set("fingerprint", &fingerprint(hash));
        }
        self.set(
            "setup",
            match transport.setup {
                Setup::ActPass => "actpass",
                Setup::Active => "active",
                Setup::Passive => "passive",
            },
        );
    }

    fn candidates(&mut self, transport: &TransportDescription) {
        for candidate in &transport.candidates {
            let line = write_candidate(candidate);
            self.set("candidate", line.trim_start_matches("candidate:"));
        }
        if !transport.candidates.is_empty() {
            self.flag("end-of-candidates");
        }
    }

    fn media(&mut self, media: &MediaDescription) {
        self.flag("rtcp-mux");
        if media.rtcp_rsize {
            self.flag("rtcp-rsize");
        }
        for (extension, id) in media.extensions.iter() {
            self.set("extmap", &format!("{id} {}", extension.uri()));
        }
        for payload in &media.payloads {
            self.payload(payload);
        }
        self.layers(media);
        self.sources(media);
    }

    fn data(&mut self, data: &DataDescription) {
        self.set("sctp-port", &data.port.to_string());
        self.set("max-message-size", &data.max_message.to_string());
    }

    fn payload(&mut self, payload: &PayloadParams) {
        let pt = payload.pt;
        let mut format = format!("{pt} {}/{}", payload.codec.as_str(), payload.clock_rate);
        if let Some(channels) = payload.channels {
            format.push_str(&format!("/{channels}"));
        }
        self.set("rtpmap", &format);
        if !payload.fmtp.is_empty() {
            self.set("fmtp", &format!("{pt} {}", payload.fmtp));
        }
        let said = payload.feedback;
        let feedback = [
            (said.nack, "nack"),
            (said.pli, "nack pli"),
            (said.fir, "ccm fir"),
            (said.remb, "goog-remb"),
            (said.transport_cc, "transport-cc"),
        ];
        for (_, name) in feedback.into_iter().filter(|(on, _)| *on) {
            self.set("rtcp-fb", &format!("{pt} {name}"));
        }
        if let Some(rtx) = payload.rtx_pt {
            self.set("rtpmap", &format!("{rtx} rtx/{}", payload.clock_rate));
            self.set("fmtp", &format!("{rtx} apt={pt}"));
        }
    }

    /// One layer is no simulcast; then its id alone is agreed to.
    fn layers(&mut self, media: &MediaDescription) {
        let way = if media.direction == Direction::RecvOnly {
            "recv"
        } else {
            "send"
        };
        for rid in &media.rids {
            self.set("rid", &format!("{rid} {way}"));
        }
        if media.rids.len() > 1 {
            self.set("simulcast", &format!("{way} {}", media.rids.join(";")));
        }
    }

    fn sources(&mut self, media: &MediaDescription) {
        let msid = media.msid.as_ref().map(|(stream, track)| {
            format!("{} {}", token(stream), token(track))
                .trim_end()
                .to_owned()
        });
        if let Some(msid) = &msid {
            self.set("msid", msid);
        }
        // Streams with names are known by those (RFC 8853 §5.5).
        let numbered = media.ssrcs.iter().filter(|_| media.rids.is_empty());
        for source in numbered {
            if let Some(rtx) = source.rtx {
                self.set("ssrc-group", &format!("FID {} {rtx}", source.ssrc));
            }
            self.source(source, source.ssrc, msid.as_deref());
            if let Some(rtx) = source.rtx {
                self.source(source, rtx, msid.as_deref());
            }
        }
    }

    /// An SSRC line needs an attribute (RFC 5576 §4.1); a source without a name is told by an empty one.
    fn source(&mut self, source: &SsrcDescription, ssrc: u32, msid: Option<&str>) {
        let cname = source.cname.as_deref().map(token).unwrap_or_default();
        self.set("ssrc", &format!("{ssrc} cname:{cname}"));
        if let Some(msid) = msid {
            self.set("ssrc", &format!("{ssrc} msid:{msid}"));
        }
    }
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::SendRecv => "sendrecv",
        Direction::SendOnly => "sendonly",
        Direction::RecvOnly => "recvonly",
        Direction::Inactive => "inactive",
    }
}

fn fingerprint(fingerprint: &Fingerprint) -> String {
    let bytes: Vec<_> = fingerprint
        .bytes
        .iter()
        .map(|b| format!("{b:02X}"))
        .collect();
    format!("{} {}", fingerprint.algorithm, bytes.join(":"))
}

/// Names may come from people; what would break the line becomes `-`.
fn token(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_graphic() { c } else { '-' })
        .collect()
}
