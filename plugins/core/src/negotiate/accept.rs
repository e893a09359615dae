// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an answer to our offer means. Servers of many kinds answer, so only what cannot be used is an error.

use super::{NegotiationError, Refusal, Refused, codecs, extensions};
use crate::data::DataSpec;
use crate::media::{
    Extension, Feedback, MediaDescription, MediaKind, NamedEncoding, PayloadParams, ReceiveSpec,
    SessionDescription, Setup, SlotSpec, SsrcDescription, TransportDescription,
};

/// An offer of ours, as the other side took it.
#[derive(Clone, PartialEq, Debug)]
pub struct Accepted {
    /// The other side's transport.
    pub remote: TransportDescription,
    /// The m-lines on which media will arrive.
    pub receive: Vec<ReceiveSpec>,
    /// The m-lines on which we may send, with the SSRCs of our offer.
    pub slots: Vec<SlotSpec>,
    /// Data channels, where they were offered and taken.
    pub data: Option<DataSpec>,
    /// True when we send the DTLS ClientHello.
    pub dtls_client: bool,
    /// The m-lines not used, and why.
    pub refused: Vec<Refused>,
}

/// Reads the answer to an offer of [`offer_publish`](super::offer_publish), [`offer_receive`](super::offer_receive) or
/// [`offer_data`](super::offer_data).
///
/// # Errors
/// When its m-lines are not those of the offer, or it accepts none.
pub fn accept_answer(
    offer: &SessionDescription,
    answer: &SessionDescription,
) -> Result<Accepted, NegotiationError> {
    check_lines(offer, answer)?;
    let mut accepted = Accepted {
        remote: answer.transport.clone(),
        receive: Vec::new(),
        slots: Vec::new(),
        data: None,
        // No role in an answer means active (RFC 4145 §4).
        dtls_client: answer.transport.setup == Setup::Passive,
        refused: Vec::new(),
    };
    for (index, (ours, theirs)) in offer.media.iter().zip(&answer.media).enumerate() {
        if let Some(reason) = refusal(ours, theirs) {
            accepted.refused.push(Refused::new(index, ours, reason));
            continue;
        }
        if let (Some(_), Some(data)) = (&ours.data, &theirs.data) {
            accepted.data = Some(DataSpec::of(&ours.mid, data));
        }
        let Some(kind) = ours.kind else { continue };
        let line = Line {
            index,
            kind,
            ours,
            theirs,
        };
        if line.we_send() {
            accepted.slots.extend(line.slots()?);
        }
        if line.we_receive() {
            accepted.receive.push(line.receive()?);
        }
    }
    // A session may live on with everything switched off, but it cannot begin so.
    let wanted = offer
        .media
        .iter()
        .any(|m| m.direction.sends() || m.direction.receives());
    if wanted && answer.media.iter().all(|m| m.rejected) {
        return Err(NegotiationError::AnswerRefused {
            offered: offer.media.len(),
        });
    }
    Ok(accepted)
}

fn check_lines(
    offer: &SessionDescription,
    answer: &SessionDescription,
) -> Result<(), NegotiationError> {
    if offer.media.len() != answer.media.len() {
        return Err(NegotiationError::AnswerLines {
            answered: answer.media.len(),
            offered: offer.media.len(),
        });
    }
    for (index, (ours, theirs)) in offer.media.iter().zip(&answer.media).enumerate() {
        // What is refused often comes back without its mid.
        if ours.mid != theirs.mid && !theirs.rejected {
            return Err(NegotiationError::AnswerMid {
                index,
                answered: theirs.mid.clone(),
                offered: ours.mid.clone(),
            });
        }
    }
    Ok(())
}

fn refusal(ours: &MediaDescription, theirs: &MediaDescription) -> Option<Refusal> {
    let carries = ours.direction.sends() && theirs.direction.receives()
        || ours.direction.receives() && theirs.direction.sends();
    if theirs.rejected || ours.rejected {
        Some(Refusal::Withdrawn)
    } else if !carries {
        Some(Refusal::Direction(theirs.direction))
    } else {
        None
    }
}

/// One m-line from both sides.
struct Line<'a> {
    index: usize,
    kind: MediaKind,
    ours: &'a MediaDescription,
    theirs: &'a MediaDescription,
}

impl Line<'_> {
    fn we_send(&self) -> bool {
        self.ours.direction.sends() && self.theirs.direction.receives()
    }

    fn we_receive(&self) -> bool {
        self.ours.direction.receives() && self.theirs.direction.sends()
    }

    /// One for each of our encodings that the other side takes. One for all where it takes none, or we have but one.
    fn slots(&self) -> Result<Vec<SlotSpec>, NegotiationError> {
        let slot = self.slot()?;
        let common = extensions::common(&self.ours.extensions, &self.theirs.extensions);
        let extensions = extensions::receive_layers(&common, self.kind, &slot.payloads);
        let told_apart = extensions.id(Extension::Mid).is_some()
            && extensions.id(Extension::Rid).is_some()
            && (slot.ssrc.rtx.is_none() || extensions.id(Extension::RepairedRid).is_some());
        let ours = (0u8..).zip(&self.ours.rids).zip(&self.ours.ssrcs);
        let taken = ours.filter(|((_, rid), _)| told_apart && self.theirs.rids.contains(rid));
        let layers = taken.map(|((encoding, rid), source)| SlotSpec {
            extensions: extensions.clone(),
            ssrc: SsrcDescription {
                rtx: source.rtx.filter(|_| slot.ssrc.rtx.is_some()),
                ..source.clone()
            },
            encoding: Some(NamedEncoding {
                encoding,
                rid: rid.clone(),
            }),
            ..slot.clone()
        });
        let layers: Vec<_> = layers.collect();
        Ok(if layers.is_empty() {
            vec![slot]
        } else {
            layers
        })
    }

    /// What we send is numbered and described by the side that takes it (RFC 3264 §6.1).
    fn slot(&self) -> Result<SlotSpec, NegotiationError> {
        let payloads = self.agree(|ours, theirs| PayloadParams {
            rtx_pt: theirs.rtx_pt.filter(|_| ours.rtx_pt.is_some()),
            feedback: both(ours.feedback, theirs.feedback),
            ..theirs.clone()
        })?;
        let payloads = codecs::rtx_for_all_or_none(payloads);
        let common = extensions::common(&self.ours.extensions, &self.theirs.extensions);
        let mut ssrc = self.ours.ssrcs.first().cloned().unwrap_or_default();
        ssrc.rtx = ssrc
            .rtx
            .filter(|_| payloads.iter().any(|p| p.rtx_pt.is_some()));
        Ok(SlotSpec {
            mid: self.ours.mid.clone(),
            kind: self.kind,
            extensions: extensions::receive(&common, self.kind, &payloads),
            payloads,
            ssrc,
            encoding: None,
        })
    }

    /// What arrives has our numbers and, where the sender says something of it, its description.
    fn receive(&self) -> Result<ReceiveSpec, NegotiationError> {
        let payloads = self.agree(|ours, theirs| PayloadParams {
            pt: ours.pt,
            fmtp: if theirs.fmtp.is_empty() {
                ours.fmtp.clone()
            } else {
                theirs.fmtp.clone()
            },
            rtx_pt: ours.rtx_pt.filter(|_| theirs.rtx_pt.is_some()),
            feedback: both(ours.feedback, theirs.feedback),
            ..theirs.clone()
        })?;
        Ok(ReceiveSpec {
            mid: self.ours.mid.clone(),
            kind: self.kind,
            payloads,
            extensions: extensions::common(&self.ours.extensions, &self.theirs.extensions),
            ssrcs: self.theirs.ssrcs.clone(),
            rids: Vec::new(),
        })
    }

    fn agree(
        &self,
        join: impl Fn(&PayloadParams, &PayloadParams) -> PayloadParams,
    ) -> Result<Vec<PayloadParams>, NegotiationError> {
        let pairs = self.theirs.payloads.iter().filter(|p| codecs::supported(p));
        let joined: Vec<_> = pairs
            .filter_map(|theirs| Some(join(counterpart(&self.ours.payloads, theirs)?, theirs)))
            .collect();
        if joined.is_empty() {
            let (index, mid) = (self.index, self.ours.mid.clone());
            return Err(NegotiationError::AnswerCodecs { index, mid });
        }
        Ok(joined)
    }
}

/// The offered format that an answered one stands for: the one of its number, else the first alike.
fn counterpart<'a>(
    offered: &'a [PayloadParams],
    answered: &PayloadParams,
) -> Option<&'a PayloadParams> {
    let alike = |p: &&PayloadParams| {
        p.codec == answered.codec
            && codecs::packetization_mode(p) == codecs::packetization_mode(answered)
    };
    let numbered = offered
        .iter()
        .find(|p| p.pt == answered.pt && p.codec == answered.codec);
    numbered.or_else(|| offered.iter().find(alike))
}

fn both(a: Feedback, b: Feedback) -> Feedback {
    Feedback {
        nack: a.nack && b.nack,
        pli: a.pli && b.pli,
        fir: a.fir && b.fir,
        remb: a.remb && b.remb,
        transport_cc: a.transport_cc && b.transport_cc,
    }
}
