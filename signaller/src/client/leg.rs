// SPDX-License-Identifier: MIT OR Apache-2.0
//! One PeerConnection: a `webrtcbin`, prepared and watched.

use super::certificate::{Certificate, with_fingerprint};
use super::error::ClientError;
use super::event;
use super::fingerprint::Fingerprint;
use super::gate::Gate;
use crate::protocol::IceServer;
use crate::protocol::peer::Direction;
use gst::glib;
use gst::prelude::*;
use gst_sdp::SDPMessageRef;
use gst_webrtc::{WebRTCDTLSTransport, WebRTCPeerConnectionState, WebRTCRTPTransceiver};
use openssl::x509::X509;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Which PeerConnection it is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum LegKey {
    Publish,
    Subscribe,
    Peer(String),
}

impl LegKey {
    /// Its public name.
    pub(super) fn public(&self) -> event::Leg {
        match self {
            LegKey::Publish => event::Leg::Direction(Direction::Publish),
            LegKey::Subscribe => event::Leg::Direction(Direction::Subscribe),
            LegKey::Peer(id) => event::Leg::Peer(id.clone()),
        }
    }
}

/// What a leg tells, from GStreamer's threads.
#[derive(Debug)]
pub(super) enum LegEvent {
    /// A candidate of ours.
    Candidate {
        key: LegKey,
        line: u32,
        candidate: String,
    },
    /// The peer is who it says.
    Verified(LegKey),
    /// The peer is not, or the connection failed.
    Failed { key: LegKey, reason: String },
}

/// A `webrtcbin` and what we know of its peer.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) key: LegKey,
    pub(super) element: gst::Element,
    /// One negotiation at a time.
    pub(super) negotiating: tokio::sync::Mutex<()>,
    watch: Arc<Watch>,
    signals: Mutex<Vec<glib::SignalHandlerId>>,
}

/// What the signal handlers share. They hold no reference to the element.
#[derive(Debug)]
struct Watch {
    key: LegKey,
    gate: Gate,
    state: Mutex<State>,
    events: mpsc::UnboundedSender<LegEvent>,
}

#[derive(Debug, Default)]
struct State {
    /// The fingerprints of the peer's description.
    expected: Vec<Fingerprint>,
    /// The fingerprint of our own certificate, if it is not `webrtcbin`'s.
    own: Option<Fingerprint>,
    /// The mids of the m-lines, in order.
    mids: Vec<String>,
    /// A description of the peer is set: its candidates can be taken.
    has_remote: bool,
    /// Candidates that came before it.
    early: Vec<(u32, String)>,
}

/// Most candidates kept before the description they belong to.
const MAX_EARLY: usize = 64;

impl Leg {
    pub(super) fn new(
        key: LegKey,
        element: &gst::Element,
        ice: &[IceServer],
        events: mpsc::UnboundedSender<LegEvent>,
    ) -> Result<Arc<Leg>, ClientError> {
        if !(element.is::<gst::Bin>() && element.has_property("bundle-policy")) {
            let reason = "it is no webrtcbin".to_owned();
            return Err(ClientError::Element {
                element: element.name().into(),
                reason,
            });
        }
        element.set_property_from_str("bundle-policy", "max-bundle");
        no_upnp(element);
        set_ice_servers(element, ice);
        let watch = Arc::new(Watch {
            key: key.clone(),
            gate: Gate::default(),
            state: Mutex::default(),
            events,
        });
        watch.gate.guard(element);
        let leg = Leg {
            key,
            element: element.clone(),
            negotiating: Default::default(),
            watch,
            signals: Mutex::default(),
        };
        leg.connect_signals();
        Ok(Arc::new(leg))
    }

    /// Gives it a certificate of ours, if it has not made its own yet.
    pub(super) fn set_certificate(&self) -> Result<(), ClientError> {
        if let Some(bin) = self.element.downcast_ref::<gst::Bin>() {
            let certificate = Certificate::generate()?;
            self.watch.state().own = Some(Fingerprint::of(&certificate.x509)?);
            certificate.give_to(bin);
        }
        Ok(())
    }

    /// A description of ours as it is sent.
    pub(super) fn as_sent(&self, sdp: String) -> String {
        match &self.watch.state().own {
            Some(fingerprint) => with_fingerprint(&sdp, fingerprint),
            None => sdp,
        }
    }

    pub(super) fn is_of(&self, element: &gst::Element) -> bool {
        self.element == *element
    }

    fn connect_signals(&self) {
        let watch = self.watch.clone();
        let candidate = self
            .element
            .connect("on-ice-candidate", false, move |values| {
                let line = values.get(1).and_then(|v| v.get::<u32>().ok());
                let candidate = values.get(2).and_then(|v| v.get::<String>().ok());
                if let (Some(line), Some(candidate)) = (line, candidate) {
                    watch.tell(LegEvent::Candidate {
                        key: watch.key.clone(),
                        line,
                        candidate,
                    });
                }
                None
            });
        let watch = self.watch.clone();
        let state = self
            .element
            .connect_notify(Some("connection-state"), move |element, _| {
                watch.look(element)
            });
        self.signals().extend([candidate, state]);
    }

    fn signals(&self) -> MutexGuard<'_, Vec<glib::SignalHandlerId>> {
        self.signals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a description of the peer says. The check of its certificate follows.
    pub(super) fn expect_peer(&self, sdp: &SDPMessageRef) -> Result<(), ClientError> {
        let expected = Fingerprint::all_in(sdp);
        if expected.is_empty() {
            return Err(ClientError::Sdp(
                "it has no a=fingerprint of sha-256, sha-384 or sha-512".to_owned(),
            ));
        }
        self.watch.state().expected = expected;
        Ok(())
    }

    /// The description of the peer is set: candidates that waited for it go in, and a certificate that is there is checked.
    pub(super) fn peer_is_set(&self) {
        let early = {
            let mut state = self.watch.state();
            state.has_remote = true;
            std::mem::take(&mut state.early)
        };
        for (line, candidate) in early {
            self.element
                .emit_by_name::<()>("add-ice-candidate", &[&line, &candidate]);
        }
        self.watch.look(&self.element);
    }

    /// Notes the mids of our own description.
    pub(super) fn note_mids(&self, sdp: &SDPMessageRef) {
        self.watch.state().mids = sdp
            .medias()
            .map(|m| m.attribute_val("mid").unwrap_or_default().to_owned())
            .collect();
    }

    /// The mid of an m-line.
    pub(super) fn mid(&self, line: u32) -> Option<String> {
        self.watch
            .state()
            .mids
            .get(line as usize)
            .filter(|mid| !mid.is_empty())
            .cloned()
    }

    /// A candidate of the peer; an empty one ends.
    pub(super) fn add_candidate(&self, mid: Option<&str>, line: Option<u32>, candidate: &str) {
        if candidate.is_empty() || candidate.contains(char::is_control) {
            return;
        }
        let line = {
            let mut state = self.watch.state();
            let by_mid = state
                .mids
                .iter()
                .position(|m| Some(m.as_str()) == mid)
                .and_then(|at| u32::try_from(at).ok());
            let line = by_mid.or(line).unwrap_or(0);
            if !state.has_remote {
                if state.early.len() < MAX_EARLY {
                    state.early.push((line, candidate.to_owned()));
                }
                return;
            }
            line
        };
        self.element
            .emit_by_name::<()>("add-ice-candidate", &[&line, &candidate]);
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        let signals = std::mem::take(&mut *self.signals());
        signals
            .into_iter()
            .for_each(|id| self.element.disconnect(id));
    }
}

impl Watch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, event: LegEvent) {
        let _ = self.events.send(event);
    }

    fn fail(&self, element: &gst::Element, reason: String) {
        if self.gate.shut(element) {
            self.tell(LegEvent::Failed {
                key: self.key.clone(),
                reason,
            });
        }
    }

    /// Looks at the connection, and opens or shuts the gate.
    fn look(&self, element: &gst::Element) {
        match element.property::<WebRTCPeerConnectionState>("connection-state") {
            WebRTCPeerConnectionState::Connected => self.verify(element),
            WebRTCPeerConnectionState::Failed => self.fail(
                element,
                "ICE or DTLS failed: the peer cannot be reached, or refused our certificate"
                    .to_owned(),
            ),
            _ => {}
        }
    }

    /// Compares every certificate there is with the description. All must fit.
    fn verify(&self, element: &gst::Element) {
        let expected = self.state().expected.clone();
        let certificates = remote_certificates(element);
        if expected.is_empty() || certificates.is_empty() {
            return;
        }
        let fits = |pem: &String| {
            X509::from_pem(pem.as_bytes()).is_ok_and(|x509| expected.iter().any(|f| f.is_of(&x509)))
        };
        if certificates.iter().all(fits) {
            if self.gate.open(element) {
                self.tell(LegEvent::Verified(self.key.clone()));
            }
        } else {
            let expected = expected
                .iter()
                .map(Fingerprint::to_string)
                .collect::<Vec<_>>()
                .join(" or ");
            self.fail(element, format!("the peer's DTLS certificate is not the one its description announces ({expected}): somebody may sit between"));
        }
    }
}

/// The certificates of all peers this element has a DTLS connection with, as PEM. With `max-bundle` there is one.
fn remote_certificates(element: &gst::Element) -> Vec<String> {
    let mut certificates: Vec<String> = transceivers(element)
        .iter()
        .flat_map(transports)
        .filter_map(|t| t.remote_certificate())
        .map(String::from)
        .collect();
    certificates.retain(|pem| !pem.is_empty());
    certificates.dedup();
    certificates
}

fn transports(transceiver: &WebRTCRTPTransceiver) -> Vec<WebRTCDTLSTransport> {
    let receiver = transceiver.receiver().and_then(|r| r.transport());
    let sender = transceiver.sender().and_then(|s| s.transport());
    receiver.into_iter().chain(sender).collect()
}

/// All transceivers, in order.
pub(super) fn transceivers(element: &gst::Element) -> Vec<WebRTCRTPTransceiver> {
    (0..)
        .map_while(|index: i32| {
            element.emit_by_name::<Option<WebRTCRTPTransceiver>>("get-transceiver", &[&index])
        })
        .collect()
}

/// A server or a kiosk has no business opening ports of a router.
fn no_upnp(element: &gst::Element) {
    if !element.has_property("ice-agent") {
        return;
    }
    let Some(ice) = element.property::<Option<glib::Object>>("ice-agent") else {
        return;
    };
    if !ice.has_property("agent") {
        return;
    }
    if let Some(agent) = ice
        .property::<Option<glib::Object>>("agent")
        .filter(|agent| agent.has_property("upnp"))
    {
        agent.set_property("upnp", false);
    }
}

/// Sets the servers of the room, unless the application has set its own.
fn set_ice_servers(element: &gst::Element, servers: &[IceServer]) {
    for server in servers {
        for url in &server.urls {
            let Some((scheme, host)) = url.split_once(':') else {
                continue;
            };
            match (scheme, &server.username, &server.credential) {
                ("stun", _, _) if element.property::<Option<String>>("stun-server").is_none() => {
                    element.set_property("stun-server", format!("stun://{host}"));
                }
                ("turn" | "turns", Some(user), Some(password)) => {
                    let url = format!("{scheme}://{}:{}@{host}", escaped(user), escaped(password));
                    element.emit_by_name::<bool>("add-turn-server", &[&url]);
                }
                _ => {}
            }
        }
    }
}

/// For the user part of a URI.
fn escaped(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes()
        .map(|b| {
            if plain(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}
