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
    /// What the encodings are called, or were.
    names: Vec<String>,
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
        rids[0] = Some(rid.clone());
        all.push(Layered {
            hub: hub.clone(),
            track,
            id,
            rids,
            names: vec![rid],
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
        let place = self.place(&rid).ok_or(LayerError::Full)?;
        self.rids[place] = Some(rid.clone());
        match self.names.get_mut(place) {
            Some(name) => *name = rid,
            None => self.names.push(rid),
        }
        self.hub.name_encodings(self.id, self.names.clone());
        Ok(self.id.encoding(place as u8))
    }

    /// The place that it had before, else one that nobody has.
    fn place(&self, rid: &str) -> Option<usize> {
        let is_free = |place: &usize| self.rids[*place].is_none();
        let before = self.names.iter().position(|name| name == rid);
        let mut places = 0..self.rids.len();
        before.filter(is_free).or_else(|| places.find(is_free))
    }
}
