// SPDX-License-Identifier: MIT OR Apache-2.0
//! `a=rtpmap`, `a=fmtp` and `a=rtcp-fb` of one m-line.

use super::SdpError;
use super::attributes::split_word;
use super::error::{Section, excerpt};
use gst_rtc_core::codec::Codec;
use gst_rtc_core::media::{Feedback, MediaKind, PayloadParams};

/// What is said of one payload type.
#[derive(Clone, Copy, Default)]
struct Said<'a> {
    rtpmap: Option<&'a str>,
    fmtp: Option<&'a str>,
    feedback: Feedback,
}

/// What is said of all payload types.
pub(super) struct Payloads<'a> {
    section: &'a Section,
    said: Vec<Said<'a>>,
    /// Feedback of `a=rtcp-fb:*`.
    everywhere: Feedback,
}

impl<'a> Payloads<'a> {
    pub(super) fn new(section: &'a Section) -> Payloads<'a> {
        let said = vec![Said::default(); 128];
        Payloads {
            section,
            said,
            everywhere: Feedback::default(),
        }
    }

    /// `<pt> <name>/<clock>[/<channels>]` (RFC 8866 §6.6).
    pub(super) fn rtpmap(&mut self, value: &'a str) -> Result<(), SdpError> {
        let (pt, format) = split_word(value);
        let pt = self.payload_type(pt)?;
        self.said[usize::from(pt)].rtpmap.get_or_insert(format);
        Ok(())
    }

    /// `<pt> <parameters>` (RFC 8866 §6.15).
    pub(super) fn fmtp(&mut self, value: &'a str) -> Result<(), SdpError> {
        let (pt, parameters) = split_word(value);
        let pt = self.payload_type(pt)?;
        self.said[usize::from(pt)].fmtp.get_or_insert(parameters);
        Ok(())
    }

    /// `<pt|*> <feedback>` (RFC 4585 §4.2).
    pub(super) fn feedback(&mut self, value: &str) -> Result<(), SdpError> {
        let (pt, feedback) = split_word(value);
        let said = match pt {
            "*" => &mut self.everywhere,
            _ => {
                let pt = self.payload_type(pt)?;
                &mut self.said[usize::from(pt)].feedback
            }
        };
        add_feedback(said, feedback);
        Ok(())
    }

    /// The known formats in the order of the m-line.
    pub(super) fn finish(
        &self,
        kind: MediaKind,
        formats: &[String],
    ) -> Result<Vec<PayloadParams>, SdpError> {
        let pts = self.listed(formats)?;
        let mut payloads: Vec<_> = pts
            .iter()
            .filter_map(|pt| self.describe(*pt))
            .filter(|p| p.codec.kind() == kind)
            .collect();
        for (rtx, apt) in pts
            .iter()
            .filter_map(|pt| Some((*pt, self.associated(*pt)?)))
        {
            if let Some(payload) = payloads.iter_mut().find(|p| p.pt == apt) {
                payload.rtx_pt.get_or_insert(rtx);
            }
        }
        Ok(payloads)
    }

    /// The numbers of the m-line, each only once.
    fn listed(&self, formats: &[String]) -> Result<Vec<u8>, SdpError> {
        let mut seen = [false; 128];
        let mut pts = Vec::with_capacity(formats.len().min(seen.len()));
        for format in formats {
            let pt = self.payload_type(format)?;
            if std::mem::replace(&mut seen[usize::from(pt)], true) {
                return Err(SdpError::DuplicatePayloadType {
                    section: self.section.clone(),
                    pt,
                });
            }
            pts.push(pt);
        }
        Ok(pts)
    }

    fn describe(&self, pt: u8) -> Option<PayloadParams> {
        let said = self.said[usize::from(pt)];
        let rtpmap = said.rtpmap.or(match pt {
            0 => Some("PCMU/8000"),
            8 => Some("PCMA/8000"),
            _ => None,
        })?;
        let mut parts = rtpmap.split('/');
        Some(PayloadParams {
            pt,
            codec: Codec::from_name(parts.next()?)?,
            clock_rate: parts.next()?.trim().parse().ok()?,
            channels: parts.next().and_then(|c| c.trim().parse().ok()),
            fmtp: said.fmtp.unwrap_or_default().to_owned(),
            rtx_pt: None,
            feedback: either(said.feedback, self.everywhere),
        })
    }

    /// What an RTX payload type resends (RFC 4588 §8.1).
    fn associated(&self, pt: u8) -> Option<u8> {
        let said = self.said[usize::from(pt)];
        let (name, _) = said.rtpmap?.split_once('/')?;
        let apt = said
            .fmtp?
            .split(';')
            .find_map(|p| p.trim().strip_prefix("apt="))?;
        name.eq_ignore_ascii_case("rtx")
            .then(|| apt.trim().parse().ok())?
    }

    fn payload_type(&self, text: &str) -> Result<u8, SdpError> {
        let pt = text.parse().ok().filter(|pt| *pt <= 127);
        pt.ok_or_else(|| SdpError::PayloadType {
            section: self.section.clone(),
            found: excerpt(text),
        })
    }
}

fn add_feedback(said: &mut Feedback, value: &str) {
    match value.trim() {
        "nack" => said.nack = true,
        "nack pli" => said.pli = true,
        "ccm fir" => said.fir = true,
        "goog-remb" => said.remb = true,
        "transport-cc" => said.transport_cc = true,
        _ => {}
    }
}

fn either(a: Feedback, b: Feedback) -> Feedback {
    Feedback {
        nack: a.nack || b.nack,
        pli: a.pli || b.pli,
        fir: a.fir || b.fir,
        remb: a.remb || b.remb,
        transport_cc: a.transport_cc || b.transport_cc,
    }
}
