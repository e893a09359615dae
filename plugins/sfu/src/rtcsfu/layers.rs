// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pads that feed one track together: each an encoding of the same source (simulcast, RFC 8853).

use crate::hub::{Hub, LocalTrack, LocalTrackId, RequestError};
use gst_rtc_core::layer::MAX_ENCODINGS;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Why a pad cannot feed a track.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LayerError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("another pad is its encoding {0:?}; give this one another rid")]
    Taken(String),
    #[error("it has {MAX_ENCODINGS} encodings already; set another track on the pad")]
    Full,
    #[error(
        "its encodings share codec, payload type, clock rate, encryption and audience, and these differ; make them alike"
    )]
    Differs,
}

/// The tracks that several pads may feed.
#[derive(Default)]
pub(super) struct Layers(Mutex<Vec<Layered>>);

/// A track, and its encodings by number.
struct Layered {
    hub: Arc<Hub>,
    track: LocalTrack,
    id: LocalTrackId,
    rids: [Option<String>; MAX_ENCODINGS as usize],
}

impl Layers {
    /// Makes a pad an encoding of its track, which comes with its first pad. Called from the threads of all of them.
    pub(super) fn publish(
        &self,
        hub: &Arc<Hub>,
        track: LocalTrack,
        rid: String,
    ) -> Result<LocalTrackId, LayerError> {
        let mut all = self.lock();
        if let Some(layered) = all.iter_mut().find(|layered| layered.is_of(hub, &track)) {
            return layered.join(&track, rid);
        }
        let id = hub.publish(track.clone())?;
        let mut rids: [Option<String>; MAX_ENCODINGS as usize] = Default::default();
        rids[0] = Some(rid);
        all.push(Layered {
            hub: hub.clone(),
            track,
            id,
            rids,
        });
        Ok(id)
    }

    /// Takes an encoding out of its track, and the track out of its room with the last one.
    pub(super) fn unpublish(&self, hub: &Arc<Hub>, id: LocalTrackId) {
        let mut all = self.lock();
        let found = (0..MAX_ENCODINGS).find_map(|encoding| {
            let place = all.iter().position(|layered| {
                Arc::ptr_eq(&layered.hub, hub) && layered.id.encoding(encoding) == id
            })?;
            Some((place, usize::from(encoding)))
        });
        let Some((place, encoding)) = found else {
            return;
        };
        let rids = &mut all[place].rids;
        rids[encoding] = None;
        if rids.iter().all(Option::is_none) {
            hub.unpublish(all.swap_remove(place).id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Layered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Layered {
    fn is_of(&self, hub: &Arc<Hub>, track: &LocalTrack) -> bool {
        let names = |track: &LocalTrack| {
            (
                track.room.clone(),
                track.participant.clone(),
                track.track.clone(),
            )
        };
        Arc::ptr_eq(&self.hub, hub) && names(&self.track) == names(track)
    }

    fn join(&mut self, track: &LocalTrack, rid: String) -> Result<LocalTrackId, LayerError> {
        let shared = |track: &LocalTrack| {
            let payload = &track.payload;
            let format = (payload.codec, payload.pt, payload.clock_rate);
            (format, track.encrypted, track.audience.clone())
        };
        if shared(&self.track) != shared(track) {
            return Err(LayerError::Differs);
        }
        if self.rids.iter().flatten().any(|taken| *taken == rid) {
            return Err(LayerError::Taken(rid));
        }
        let mut places = (0..).zip(&mut self.rids);
        let (encoding, place) = places
            .find(|(_, place)| place.is_none())
            .ok_or(LayerError::Full)?;
        *place = Some(rid);
        Ok(self.id.encoding(encoding))
    }
}
