// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which header extensions are agreed to (RFC 8285 §5: the answer keeps the ids of the offer).

use crate::media::{Extension, ExtensionMap, MediaKind, PayloadParams};

/// The largest id of the one-byte form (RFC 8285 §4.2). The SFU writes only that form.
const MAX_ID: u8 = 14;

/// Towards us: everything that helps to tell streams apart, to measure, or that subscribers can use.
pub(super) fn publish(
    offered: &ExtensionMap,
    kind: MediaKind,
    payloads: &[PayloadParams],
) -> ExtensionMap {
    let transport_cc = payloads.iter().any(|p| p.feedback.transport_cc);
    let rtx = payloads.iter().any(|p| p.rtx_pt.is_some());
    keep(offered, |extension| match extension {
        Extension::Mid | Extension::AbsSendTime => true,
        Extension::AudioLevel => kind == MediaKind::Audio,
        Extension::Rid | Extension::VideoOrientation | Extension::DependencyDescriptor => {
            kind == MediaKind::Video
        }
        Extension::RepairedRid => kind == MediaKind::Video && rtx,
        Extension::TransportCc => transport_cc,
    })
}

/// Whether a packet sent again towards the peer may differ from what was sent first.
///
/// Without RTX a lost packet is sent again as it was. Under AES-GCM the same index must never encrypt two different
/// texts (RFC 7714 §8), so then nothing may be negotiated that changes from one sending to the next.
pub(super) fn may_vary(kind: MediaKind, payloads: &[PayloadParams]) -> bool {
    let rtx = payloads.iter().all(|p| p.rtx_pt.is_some());
    let resends = kind == MediaKind::Video || payloads.iter().any(|p| p.feedback.nack);
    rtx || !resends
}

/// Towards the peer.
pub(super) fn receive(
    offered: &ExtensionMap,
    kind: MediaKind,
    payloads: &[PayloadParams],
) -> ExtensionMap {
    towards(offered, kind, payloads, false)
}

/// The same where each encoding is sent under its name.
pub(super) fn receive_layers(
    offered: &ExtensionMap,
    kind: MediaKind,
    payloads: &[PayloadParams],
) -> ExtensionMap {
    towards(offered, kind, payloads, true)
}

fn towards(
    offered: &ExtensionMap,
    kind: MediaKind,
    payloads: &[PayloadParams],
    layers: bool,
) -> ExtensionMap {
    let varies = may_vary(kind, payloads);
    let transport_cc = payloads.iter().any(|p| p.feedback.transport_cc);
    keep(offered, |extension| match extension {
        Extension::Mid => true,
        Extension::AudioLevel => kind == MediaKind::Audio,
        Extension::AbsSendTime => varies,
        Extension::VideoOrientation | Extension::DependencyDescriptor => kind == MediaKind::Video,
        Extension::TransportCc => transport_cc,
        Extension::Rid | Extension::RepairedRid => layers,
    })
}

/// Those of both maps with equal ids: what an answer made of our offer.
pub(super) fn common(offered: &ExtensionMap, answered: &ExtensionMap) -> ExtensionMap {
    keep(offered, |extension| {
        answered.id(extension) == offered.id(extension)
    })
}

/// What we offer, with ids from 1 in the order of [`Extension::ALL`], so that one id means the same on every m-line. `layers`: each
/// encoding is sent under its name.
pub(super) fn offer(kind: MediaKind, layers: bool) -> ExtensionMap {
    let mut map = ExtensionMap::default();
    for (extension, id) in Extension::ALL.into_iter().zip(1..=MAX_ID) {
        let wanted = match extension {
            Extension::Mid | Extension::AbsSendTime => true,
            Extension::AudioLevel => kind == MediaKind::Audio,
            Extension::VideoOrientation | Extension::DependencyDescriptor => {
                kind == MediaKind::Video
            }
            Extension::Rid | Extension::RepairedRid => layers,
            Extension::TransportCc => false,
        };
        if wanted {
            map.set(extension, id);
        }
    }
    map
}

fn keep(offered: &ExtensionMap, wanted: impl Fn(Extension) -> bool) -> ExtensionMap {
    let mut kept = ExtensionMap::default();
    for (extension, id) in offered.iter() {
        let free = kept.extension(id).is_none();
        if id <= MAX_ID && free && wanted(extension) {
            kept.set(extension, id);
        }
    }
    kept
}
