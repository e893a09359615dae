// SPDX-License-Identifier: MIT OR Apache-2.0
//! What pages wrote to their consoles, to be read when a test fails.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The consoles of all pages of one browser, by the protocol's name of the page.
#[derive(Clone, Default)]
pub(super) struct Consoles(Arc<Mutex<HashMap<String, Vec<String>>>>);

impl Consoles {
    /// Remembers a line of that page.
    pub(super) fn push(&self, page: &str, line: String) {
        let mut consoles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        consoles.entry(page.to_owned()).or_default().push(line);
    }

    /// Everything that page wrote.
    pub(super) fn of(&self, page: &str) -> Vec<String> {
        let consoles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        consoles.get(page).cloned().unwrap_or_default()
    }
}
