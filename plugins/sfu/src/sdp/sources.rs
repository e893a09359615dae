// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who sends on an m-line: `a=ssrc`, `a=ssrc-group` (RFC 5576), `a=rid` (RFC 8851) and `a=simulcast` (RFC 8853).

use super::SdpError;
use super::attributes::split_word;
use super::error::{Section, excerpt};
use gst_rtc_core::media::{Direction, SsrcDescription};

/// Most SSRCs of one m-line that are looked at: four layers with RTX and FEC are twelve.
const MAX_SSRCS: usize = 32;
/// Most layers of one m-line that are looked at.
const MAX_RIDS: usize = 16;

pub(super) struct Sources<'a> {
    section: &'a Section,
    ssrcs: Vec<SsrcDescription>,
    /// First and second SSRC of FID groups: media and its retransmissions.
    resent: Vec<(u32, u32)>,
    /// Second SSRCs of FEC groups, which are not taken.
    repair: Vec<u32>,
    msid: Option<&'a str>,
    rids: Layers<'a>,
    simulcast: Layers<'a>,
}

/// Layer ids by direction.
#[derive(Default)]
struct Layers<'a> {
    send: Vec<&'a str>,
    recv: Vec<&'a str>,
}

impl<'a> Layers<'a> {
    fn of(&mut self, direction: &str) -> Option<&mut Vec<&'a str>> {
        match direction {
            "send" => Some(&mut self.send),
            "recv" => Some(&mut self.recv),
            _ => None,
        }
    }
}

impl<'a> Sources<'a> {
    pub(super) fn new(section: &'a Section) -> Sources<'a> {
        Sources {
            section,
            ssrcs: Vec::new(),
            resent: Vec::new(),
            repair: Vec::new(),
            msid: None,
            rids: Layers::default(),
            simulcast: Layers::default(),
        }
    }

    /// `<ssrc> <attribute>[:<value>]`
    pub(super) fn ssrc(&mut self, value: &'a str) -> Result<(), SdpError> {
        let (number, attribute) = split_word(value);
        let ssrc = self.number(number)?;
        if let Some(msid) = attribute.strip_prefix("msid:") {
            self.msid.get_or_insert(msid);
        }
        let Some(source) = self.source(ssrc) else {
            return Ok(());
        };
        if let Some(cname) = attribute.strip_prefix("cname:").filter(|c| !c.is_empty()) {
            source.cname = Some(cname.to_owned());
        }
        Ok(())
    }

    /// The source of a number, made when it is new; `None` beyond the limit.
    fn source(&mut self, ssrc: u32) -> Option<&mut SsrcDescription> {
        if let Some(known) = self.ssrcs.iter().position(|s| s.ssrc == ssrc) {
            return self.ssrcs.get_mut(known);
        }
        if self.ssrcs.len() == MAX_SSRCS {
            return None;
        }
        self.ssrcs.push(SsrcDescription {
            ssrc,
            ..SsrcDescription::default()
        });
        self.ssrcs.last_mut()
    }

    /// `<semantics> <ssrc> <ssrc> …`
    pub(super) fn group(&mut self, value: &str) -> Result<(), SdpError> {
        let (semantics, members) = split_word(value);
        let mut members = members.split_ascii_whitespace();
        let (Some(first), Some(second)) = (members.next(), members.next()) else {
            return Ok(());
        };
        let (first, second) = (self.number(first)?, self.number(second)?);
        match semantics {
            "FID" if self.resent.len() < MAX_SSRCS => self.resent.push((first, second)),
            "FEC" | "FEC-FR" if self.repair.len() < MAX_SSRCS => self.repair.push(second),
            _ => {}
        }
        Ok(())
    }

    /// `<rid> <send|recv> …`
    pub(super) fn rid(&mut self, value: &'a str) {
        let (rid, rest) = split_word(value);
        let (direction, _) = split_word(rest);
        if let Some(rids) = self.rids.of(direction) {
            add_layer(rids, rid);
        }
    }

    /// `<send|recv> <rid>;<rid>,<alternative>;… [<send|recv> …]`; a `~` before a layer means that it starts paused.
    pub(super) fn simulcast(&mut self, value: &'a str) {
        let mut words = value.split_ascii_whitespace();
        while let (Some(direction), Some(list)) = (words.next(), words.next()) {
            let Some(layers) = self.simulcast.of(direction) else {
                continue;
            };
            for layer in list
                .split(';')
                .filter_map(|alternatives| alternatives.split(',').next())
            {
                add_layer(layers, layer.trim_start_matches('~'));
            }
        }
    }

    /// The layers of the way the media goes, in the order of `a=simulcast` when there is one.
    pub(super) fn take_rids(&mut self, direction: Direction) -> Vec<String> {
        let way = if direction == Direction::RecvOnly {
            "recv"
        } else {
            "send"
        };
        let ordered = self
            .simulcast
            .of(way)
            .map(std::mem::take)
            .unwrap_or_default();
        let named = self.rids.of(way).map(std::mem::take).unwrap_or_default();
        let layers = if ordered.is_empty() { named } else { ordered };
        layers.into_iter().map(str::to_owned).collect()
    }

    /// The stream and track of `a=ssrc:… msid:…`, as written before `a=msid` was usual.
    pub(super) fn msid(&self) -> Option<&'a str> {
        self.msid
    }

    /// The media SSRCs in order, each with its retransmissions.
    pub(super) fn finish(mut self) -> Vec<SsrcDescription> {
        for (media, rtx) in &self.resent {
            if let Some(source) = self.ssrcs.iter_mut().find(|s| s.ssrc == *media) {
                source.rtx = Some(*rtx);
            }
        }
        let second = |ssrc| self.repair.contains(&ssrc) || self.resent.iter().any(|r| r.1 == ssrc);
        self.ssrcs.retain(|s| !second(s.ssrc));
        self.ssrcs
    }

    fn number(&self, text: &str) -> Result<u32, SdpError> {
        let wrong = || SdpError::Ssrc {
            section: self.section.clone(),
            found: excerpt(text),
        };
        text.parse().map_err(|_| wrong())
    }
}

/// Layer ids travel in a header extension of at most 16 bytes (RFC 8852 §3.1).
fn add_layer<'a>(layers: &mut Vec<&'a str>, rid: &'a str) {
    let ok = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let valid = (1..=16).contains(&rid.len()) && rid.bytes().all(ok);
    if valid && layers.len() < MAX_RIDS && !layers.contains(&rid) {
        layers.push(rid);
    }
}
