// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a slot does for the estimate of its peer's path: it sends padding for probes and forwards what it is given.

use super::outlet::{Fields, Outlet};
use super::slot::{Slot, Target};
use crate::bwe::{Choice, Last, Reason, Want};
use crate::engine::Moment;
use crate::media::Extension;
use std::time::Instant;

/// Octets of padding in one packet (RFC 3550 §5.1: the last octet counts them).
const MAX_PADDING: usize = 255;
/// Header and authentication tag around them.
const AROUND: usize = 40;

impl Slot {
    /// Its packets carry transport-wide numbers.
    pub(crate) fn is_numbered(&self) -> bool {
        self.spec.extensions.id(Extension::TransportCc).is_some()
    }

    /// Padding can go by its stream of retransmissions, where no decoder looks at it.
    pub(crate) fn can_pad(&self) -> bool {
        self.is_numbered() && self.spec.ssrc.rtx.is_some() && self.padding_type().is_some()
    }

    fn padding_type(&self) -> Option<u8> {
        self.spec.payloads.iter().find_map(|p| p.rtx_pt)
    }

    /// Sends one packet of padding, at most about `bytes` long: how long it is.
    pub(crate) fn pad(
        &mut self,
        moment: &Moment,
        bytes: usize,
        out: &mut Outlet<'_>,
    ) -> Option<usize> {
        let fields = Fields {
            ssrc: self.spec.ssrc.rtx?,
            pt: self.padding_type()?,
            sequence: self.repair.sequence(),
            timestamp: self
                .last
                .map_or(self.first.timestamp, |last| last.timestamp),
            marker: false,
            original: None,
            frame_shift: 0,
            target: None,
        };
        let padding = bytes.saturating_sub(AROUND).clamp(1, MAX_PADDING);
        let len = out.pad(moment, &self.spec, &fields, padding as u8)?;
        self.repair.skip();
        Some(len)
    }

    /// Forwards from now on what it was given. A source of which nothing comes is waited for.
    pub(crate) fn take_choice(&mut self, now: Instant, want: &Want, choice: &Choice) {
        if choice.reason == Reason::Inactive {
            if self.share.last == Last::Paused {
                self.share.renew();
                self.follow_best();
            }
            return;
        }
        let had = |state: &&crate::layer::LayerState| Last::Layer(state.layer) == want.last;
        let bitrate = want
            .layers
            .iter()
            .find(had)
            .map_or(0, |state| state.bitrate);
        let changed = self.share.take(now, choice, bitrate);
        // The best is what it follows by itself, until it is told something else.
        let follows = self.target == Target::Best && choice.reason == Reason::Best;
        if changed && !(follows && want.last == Last::New) {
            self.set_target(choice.layer.map(|state| state.layer));
        }
    }
}
