// SPDX-License-Identifier: MIT OR Apache-2.0
//! Credentials made for participants.

use crate::protocol::{IceServer, Secret};
use gst_rtc_core::turn::password_for;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Makes the `RTCIceServer` of the server's own STUN and TURN for each participant.
#[derive(Clone, Debug)]
pub struct Access {
    /// `turn:` and `turns:` URLs.
    pub urls: Vec<String>,
    /// What the passwords are made of.
    pub secret: Secret,
    /// How long they are good for a new relay. Default: 12 hours. A relay that is there lives on.
    pub lifetime: Duration,
}

impl Access {
    /// For a participant, from now on.
    pub fn for_user(&self, user: &str) -> IceServer {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let expiry = (now.unwrap_or_default() + self.lifetime).as_secs();
        let name = format!("{expiry}:{user}");
        let password = password_for(self.secret.as_bytes(), &name);
        IceServer {
            urls: self.urls.clone(),
            username: Some(name),
            credential: Some(password.into()),
        }
    }
}
