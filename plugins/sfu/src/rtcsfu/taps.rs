// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which tap feeds which queue.

use super::tap::{Item, TapQueue};
use crate::hub::{RequestError, TapId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// More items than this are not kept for a tap whose id is not known yet.
const EARLY: usize = 256;

#[derive(Debug, Default)]
struct Inner {
    queues: HashMap<TapId, Arc<TapQueue>>,
    /// Requests whose id is still on its way back; events may overtake it.
    opening: usize,
    early: Vec<(TapId, Item)>,
}

/// The queues of all open taps.
#[derive(Debug, Default)]
pub(super) struct Taps {
    inner: Mutex<Inner>,
}

impl Taps {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a tap whose events go to a queue.
    pub(super) fn open(
        &self,
        queue: &Arc<TapQueue>,
        request: impl FnOnce() -> Result<TapId, RequestError>,
    ) -> Result<TapId, RequestError> {
        self.lock().opening += 1;
        let result = request();
        let mut inner = self.lock();
        inner.opening -= 1;
        if let Ok(tap) = result {
            inner.queues.insert(tap, queue.clone());
            for (_, item) in inner.early.extract_if(.., |(id, _)| *id == tap) {
                queue.push(item);
            }
        }
        if inner.opening == 0 {
            inner.early.clear();
        }
        result
    }

    /// Nothing of this tap is wanted any more.
    pub(super) fn close(&self, tap: TapId) {
        self.lock().queues.remove(&tap);
    }

    /// Hands an event to its queue. Never blocks for longer than another thread does the same.
    pub(super) fn push(&self, tap: TapId, item: Item) {
        let mut inner = self.lock();
        match inner.queues.get(&tap) {
            Some(queue) => {
                let queue = queue.clone();
                drop(inner);
                queue.push(item);
            }
            None if inner.opening > 0 && inner.early.len() < EARLY => inner.early.push((tap, item)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst_rtc_core::media::MediaKind;

    #[test]
    fn events_that_overtake_the_id_are_not_lost() {
        let taps = Taps::default();
        let queue = Arc::new(TapQueue::new(MediaKind::Video));
        let tap = taps.open(&queue, || {
            taps.push(TapId(7), Item::Ended);
            taps.push(TapId(8), Item::Ended);
            Ok(TapId(7))
        });
        assert_eq!(tap, Ok(TapId(7)));
        taps.push(TapId(7), Item::Ended);
        assert_eq!(queue.len(), 2);
        taps.close(TapId(7));
        taps.push(TapId(7), Item::Ended);
        assert_eq!(queue.len(), 2);
    }
}
