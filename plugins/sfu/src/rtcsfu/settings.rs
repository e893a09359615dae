// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the properties of the element say.

use crate::hub::{HubConfig, Limits};
use gst::glib;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Which tracks get a pad without being asked for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstRtcSfuExpose")]
pub enum Expose {
    /// No track.
    #[default]
    #[enum_value(name = "Only pads that are requested", nick = "none")]
    None,
    /// Every track of the other participants.
    #[enum_value(name = "A pad for every track of the other participants", nick = "all")]
    All,
}

/// What a requested src pad does when its track ends.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstRtcSfuOnLeave")]
pub enum OnLeave {
    /// It waits for the track to come back.
    #[default]
    #[enum_value(name = "Send gap events until the track comes back", nick = "keep")]
    Keep,
    /// It sends end-of-stream.
    #[enum_value(name = "Send end-of-stream", nick = "eos")]
    Eos,
}

/// See the properties of the element.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) room: Option<String>,
    pub(super) listen: String,
    pub(super) public_address: Option<String>,
    pub(super) workers: u32,
    pub(super) limits: Limits,
    pub(super) latency: Duration,
    pub(super) sync_timeout: Duration,
    pub(super) on_leave: OnLeave,
    pub(super) expose: Expose,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            room: None,
            listen: Settings::LISTEN.to_owned(),
            public_address: None,
            workers: 0,
            limits: Limits::default(),
            latency: Duration::from_millis(100),
            sync_timeout: Duration::from_secs(3),
            on_leave: OnLeave::default(),
            expose: Expose::default(),
        }
    }
}

/// A property that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SettingsError {
    /// Not an address.
    #[error(
        "listen: {0:?} is not address:port; write for example 0.0.0.0:10000 or [::]:10000, several separated by commas"
    )]
    Listen(String),
    /// Not an address.
    #[error(
        "public-address: {0:?} is not an IP address; write for example 203.0.113.7, without a port"
    )]
    PublicAddress(String),
}

impl Settings {
    /// Default of `listen`: all addresses, a port chosen by the system.
    pub(super) const LISTEN: &'static str = "0.0.0.0:0,[::]:0";

    /// What the hub is started with.
    pub(super) fn hub_config(
        &self,
        uri: Option<String>,
        token: Option<String>,
    ) -> Result<HubConfig, SettingsError> {
        Ok(HubConfig {
            listen: self.listen_addresses()?,
            public_address: self.public_ip()?,
            workers: self.workers as usize,
            room: self.room.clone(),
            signaller_uri: uri,
            token,
            limits: self.limits,
        })
    }

    fn listen_addresses(&self) -> Result<Vec<SocketAddr>, SettingsError> {
        let entries = self
            .listen
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty());
        entries
            .map(|entry| {
                entry
                    .parse()
                    .map_err(|_| SettingsError::Listen(entry.to_owned()))
            })
            .collect()
    }

    fn public_ip(&self) -> Result<Option<IpAddr>, SettingsError> {
        let parse = |text: &String| {
            text.trim()
                .parse()
                .map_err(|_| SettingsError::PublicAddress(text.clone()))
        };
        self.public_address
            .as_ref()
            .filter(|text| !text.trim().is_empty())
            .map(parse)
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_takes_a_list() {
        let settings = Settings {
            listen: "127.0.0.1:5000, [::1]:5000".into(),
            ..Settings::default()
        };
        let config = settings.hub_config(None, None).expect("valid");
        assert_eq!(config.listen.len(), 2);
    }

    #[test]
    fn wrong_addresses_name_the_property_and_the_remedy() {
        let settings = Settings {
            listen: "localhost".into(),
            ..Settings::default()
        };
        let error = settings.hub_config(None, None).expect_err("no port");
        assert!(
            error.to_string().starts_with("listen: \"localhost\""),
            "{error}"
        );
        let settings = Settings {
            public_address: Some("1.2.3.4:80".into()),
            ..Settings::default()
        };
        let error = settings.hub_config(None, None).expect_err("has a port");
        assert!(error.to_string().contains("public-address"), "{error}");
    }

    #[test]
    fn an_empty_public_address_is_none() {
        let settings = Settings {
            public_address: Some(" ".into()),
            ..Settings::default()
        };
        assert_eq!(
            settings
                .hub_config(None, None)
                .expect("valid")
                .public_address,
            None
        );
    }
}
