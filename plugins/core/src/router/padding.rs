// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a slot does for the estimate of its peer's path: it sends padding for probes and forwards what it is given.

use super::outlet::{Fields, Outlet};
use super::slot::{Slot, Target};
use crate::bwe::{Choice, Last, Reason, Want};
use crate::engine::Moment;
use crate::id::TrackId;
use crate::media::Extension;
use crate::packet::MediaPacket;
use std::sync::Arc;
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

    /// Sends a packet that went out lately again, over RTX, in place of about `bytes` of padding: if it got lost, it is there
    /// before anybody asked for it. `back`: how many went out after it. How long it is; `None`: there is none that fits.
    pub(crate) fn pad_with_past<'a>(
        &mut self,
        moment: &Moment,
        bytes: usize,
        back: u64,
        held: impl Fn(TrackId, u8, u32, u64) -> Option<&'a Arc<MediaPacket>>,
        out: &mut Outlet<'_>,
    ) -> Option<usize> {
        let sequence = self.last?.sequence.checked_sub(back)?;
        if !self.can_pad() || sequence < self.first.sequence {
            return None;
        }
        let fits = |len: usize, over_rtx| over_rtx && len <= bytes + MAX_PADDING;
        let (_, _, len) = self.resend(moment, sequence, &held, fits, out)?;
        self.repair.skip();
        Some(len)
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
