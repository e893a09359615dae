// SPDX-License-Identifier: MIT OR Apache-2.0
//! One m-line and its attributes.

use super::SdpError;
use super::attributes::{is_token, of_media, of_session, split_word};
use super::error::Section;
use super::payloads::Payloads;
use super::sources::Sources;
use gst_rtc_core::media::{
    DataDescription, Direction, Extension, ExtensionMap, MediaDescription, MediaKind, MediaLine,
};
use gst_sdp::{SDPMediaRef, SDPMessageRef};
use std::collections::HashSet;

/// An m-line, with what only the reading of the whole needs.
pub(super) struct ParsedSection {
    pub(super) index: usize,
    pub(super) media: MediaDescription,
    pub(super) rtcp_mux: bool,
    /// True when it has ICE credentials of its own.
    pub(super) ice: bool,
}

impl ParsedSection {
    /// Audio, video or data channels that are not refused.
    pub(super) fn in_use(&self) -> bool {
        (self.media.kind.is_some() || self.media.data.is_some()) && !self.media.rejected
    }

    pub(super) fn name(&self) -> Section {
        Section {
            index: self.index,
            mid: self.media.mid.clone(),
        }
    }
}

/// What counts where an m-line of data channels does not say otherwise (RFC 8841 §5.1, §6.1).
const DATA_DEFAULTS: DataDescription = DataDescription {
    port: 5000,
    max_message: 65_536,
};

/// What the session says for all m-lines that do not say otherwise.
#[derive(Default)]
struct Defaults {
    direction: Direction,
    extensions: ExtensionMap,
}

/// All m-lines in order.
pub(super) fn parse_all(message: &SDPMessageRef) -> Result<Vec<ParsedSection>, SdpError> {
    let mut defaults = Defaults::default();
    for (key, value) in of_session(message) {
        match key {
            "extmap" => add_extension(&mut defaults.extensions, value),
            _ => defaults.direction = direction(key).unwrap_or(defaults.direction),
        }
    }
    let mids = mids(message)?;
    let sections = message.medias().zip(mids).enumerate();
    sections
        .map(|(index, (media, mid))| parse(Section { index, mid }, media, &defaults))
        .collect()
}

/// The mid of each m-line. One without gets its index, or a longer name where another m-line has that.
fn mids(message: &SDPMessageRef) -> Result<Vec<String>, SdpError> {
    let given: Vec<_> = message
        .medias()
        .map(|m| m.attribute_val("mid").map(str::trim))
        .collect();
    let taken: HashSet<&str> = given.iter().copied().flatten().collect();
    let name = |(index, mid): (usize, &Option<&str>)| match mid {
        Some(mid) if is_token(mid) && mid.len() <= 64 => Ok((*mid).to_owned()),
        Some(_) => Err(SdpError::Mid { index }),
        None => Ok(generated(index, &taken)),
    };
    given.iter().enumerate().map(name).collect()
}

fn generated(index: usize, taken: &HashSet<&str>) -> String {
    let mut mid = index.to_string();
    while taken.contains(mid.as_str()) {
        mid.insert(0, 'm');
    }
    mid
}

fn parse(
    name: Section,
    media: &SDPMediaRef,
    defaults: &Defaults,
) -> Result<ParsedSection, SdpError> {
    let mut reader = Reader::new(&name, media, defaults);
    for (key, value) in of_media(media) {
        reader.attribute(key, value)?;
    }
    reader.finish(media)
}

/// Data channels over SCTP. What else goes by the name of application is nothing we know.
fn data(media: &SDPMediaRef) -> Option<DataDescription> {
    let channels = media.formats().any(|format| format == "webrtc-datachannel");
    (media.media() == Some("application") && channels).then_some(DATA_DEFAULTS)
}

fn kind(media: &SDPMediaRef) -> Option<MediaKind> {
    match media.media() {
        Some("audio") => Some(MediaKind::Audio),
        Some("video") => Some(MediaKind::Video),
        _ => None,
    }
}

/// Collects the attributes of one m-line.
struct Reader<'a> {
    name: &'a Section,
    kind: Option<MediaKind>,
    data: Option<DataDescription>,
    direction: Direction,
    extensions: ExtensionMap,
    payloads: Payloads<'a>,
    sources: Sources<'a>,
    msid: Option<(String, String)>,
    rtcp_mux: bool,
    rtcp_rsize: bool,
    bundle_only: bool,
    ice: bool,
}

impl<'a> Reader<'a> {
    fn new(name: &'a Section, media: &SDPMediaRef, defaults: &Defaults) -> Reader<'a> {
        Reader {
            name,
            kind: kind(media),
            data: data(media),
            direction: defaults.direction,
            extensions: defaults.extensions.clone(),
            payloads: Payloads::new(name),
            sources: Sources::new(name),
            msid: None,
            rtcp_mux: false,
            rtcp_rsize: false,
            bundle_only: false,
            ice: false,
        }
    }

    fn attribute(&mut self, key: &'a str, value: &'a str) -> Result<(), SdpError> {
        match key {
            "ice-ufrag" => self.ice = true,
            "rtcp-mux" | "rtcp-mux-only" => self.rtcp_mux = true,
            "bundle-only" => self.bundle_only = true,
            _ if self.kind.is_none() => self.other_attribute(key, value),
            "rtpmap" => self.payloads.rtpmap(value)?,
            "fmtp" => self.payloads.fmtp(value)?,
            "rtcp-fb" => self.payloads.feedback(value)?,
            "rtcp-rsize" => self.rtcp_rsize = true,
            "extmap" => add_extension(&mut self.extensions, value),
            "msid" => self.msid = self.msid.take().or_else(|| msid(value)),
            "ssrc" => self.sources.ssrc(value)?,
            "ssrc-group" => self.sources.group(value)?,
            "rid" => self.sources.rid(value),
            "simulcast" => self.sources.simulcast(value),
            _ => self.direction(key),
        }
        Ok(())
    }

    fn other_attribute(&mut self, key: &str, value: &str) {
        let value = value.trim();
        match (&mut self.data, key) {
            (Some(data), "sctp-port") => data.port = value.parse().unwrap_or(data.port),
            (Some(data), "max-message-size") => {
                data.max_message = value.parse().unwrap_or(data.max_message);
            }
            _ => self.direction(key),
        }
    }

    fn direction(&mut self, key: &str) {
        self.direction = direction(key).unwrap_or(self.direction);
    }

    fn finish(mut self, media: &SDPMediaRef) -> Result<ParsedSection, SdpError> {
        let rejected = media.port() == 0 && !self.bundle_only;
        let formats: Vec<_> = media.formats().map(str::to_owned).collect();
        let payloads = match self.kind {
            Some(kind) => self.payloads.finish(kind, &formats)?,
            None => Vec::new(),
        };
        Ok(ParsedSection {
            index: self.name.index,
            rtcp_mux: self.rtcp_mux,
            ice: self.ice,
            media: MediaDescription {
                mid: self.name.mid.clone(),
                kind: self.kind,
                line: MediaLine {
                    media: media.media().unwrap_or_default().to_owned(),
                    proto: media.proto().unwrap_or_default().to_owned(),
                    formats,
                },
                rejected,
                direction: self.direction,
                payloads: if rejected { Vec::new() } else { payloads },
                extensions: self.extensions,
                rids: self.sources.take_rids(self.direction),
                msid: self.msid.or_else(|| self.sources.msid().and_then(msid)),
                ssrcs: self.sources.finish(),
                rtcp_rsize: self.rtcp_rsize,
                data: self.data.filter(|_| !rejected),
            },
        })
    }
}

fn direction(key: &str) -> Option<Direction> {
    match key {
        "sendrecv" => Some(Direction::SendRecv),
        "sendonly" => Some(Direction::SendOnly),
        "recvonly" => Some(Direction::RecvOnly),
        "inactive" => Some(Direction::Inactive),
        _ => None,
    }
}

/// `<stream> [<track>]` (RFC 8830 §2).
fn msid(value: &str) -> Option<(String, String)> {
    let (stream, track) = split_word(value);
    let (track, _) = split_word(track);
    (!stream.is_empty()).then(|| (stream.to_owned(), track.to_owned()))
}

/// `<id>[/<direction>] <uri> …` (RFC 8285 §8). Ids beyond the one-byte range and second uses of an id are left out.
fn add_extension(map: &mut ExtensionMap, value: &str) {
    let (id, rest) = split_word(value);
    let (uri, _) = split_word(rest);
    let (id, direction) = id.split_once('/').unwrap_or((id, "sendrecv"));
    let (Some(extension), Ok(id @ 1..=14)) = (Extension::from_uri(uri), id.parse()) else {
        return;
    };
    if direction != "inactive" && map.id(extension).is_none() && map.extension(id).is_none() {
        map.set(extension, id);
    }
}
