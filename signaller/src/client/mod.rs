// SPDX-License-Identifier: MIT OR Apache-2.0
//! A participant made of `webrtcbin` elements: joins a room over the WebSocket and does their negotiation.
//!
//! In an `sfu` room one `webrtcbin` publishes ([`Client::publish`]) and another one receives ([`Client::receive`]). In a
//! `p2p` room there is one for each other participant ([`Client::connect_to`]). What comes in and goes out at their pads
//! is the application's; this module does offers, answers, candidates, and what `webrtcbin` leaves undone:
//!
//! - **It compares fingerprints.** `webrtcbin` before 1.28.5 accepts any DTLS certificate. Here no packet passes the pads,
//!   in either direction, before the certificate of the other side has the hash that its description says
//!   (RFC 8827 §6.5). If it has not, nothing ever passes, and [`Event::Failed`] says so.
//! - **It presents an ECDSA P-256 certificate**, where `webrtcbin` before 1.28 has RSA, which some peers refuse.
//! - `bundle-policy` is `max-bundle`, UPnP is off, STUN and TURN servers of the room are set.
//!
//! ```no_run
//! # use gst::prelude::*;
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use gst_rtc_signaller::client::{Client, Event};
//! gst::init()?;
//! let (client, mut events) = Client::connect("ws://127.0.0.1:8080", "lobby", "camera").await?;
//! let pipeline = gst::parse::launch(
//!     "videotestsrc is-live=true ! vp8enc deadline=1 ! rtpvp8pay ! webrtcbin name=send",
//! )?;
//! let webrtcbin = pipeline.downcast_ref::<gst::Bin>().and_then(|bin| bin.by_name("send")).ok_or("no element")?;
//! pipeline.set_state(gst::State::Playing)?;
//! client.publish(&webrtcbin).await?;
//! while let Some(event) = events.next().await {
//!     if let Event::Joined(participant) = event {
//!         println!("{} is here", participant.name);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod certificate;
mod error;
mod event;
mod fingerprint;
mod gate;
mod leg;
mod link;
mod negotiation;
mod slots;
mod socket;
mod task;

pub use error::ClientError;
pub use event::{Event, Events};
pub use fingerprint::Fingerprint;
pub use slots::mid_of;

use crate::protocol::peer::{ClientMessage, Direction, Join, Joined};
use crate::protocol::{Kind, Mode};
use leg::{Leg, LegKey};
use link::Link;
use std::sync::Arc;

/// How to join.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// The mode of the room, if it is new. Default: the server's.
    pub mode: Option<Mode>,
    /// An access token. Default: none.
    pub token: Option<String>,
    /// Leave `webrtcbin` the certificate of its own making: RSA before 1.28. Default: no, it gets an ECDSA one.
    pub keep_certificate: bool,
}

/// A participant in a room. Leaves when dropped.
#[derive(Debug)]
pub struct Client {
    link: Arc<Link>,
    keep_certificate: bool,
}

impl Client {
    /// Joins a room of the server at `uri` (`ws://host:port`), under that name.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses; [`ClientError`] says why.
    pub async fn connect(
        uri: &str,
        room: &str,
        name: &str,
    ) -> Result<(Client, Events), ClientError> {
        Client::connect_with(uri, room, name, ConnectOptions::default()).await
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn connect_with(
        uri: &str,
        room: &str,
        name: &str,
        options: ConnectOptions,
    ) -> Result<(Client, Events), ClientError> {
        let join = Join {
            request: None,
            name: name.to_owned(),
            mode: options.mode,
            token: options.token.map(Into::into),
            resume: None,
        };
        let (link, events) = Link::open(uri, room, join).await?;
        Ok((
            Client {
                link,
                keep_certificate: options.keep_certificate,
            },
            Events::new(events),
        ))
    }

    /// The id others see.
    pub fn id(&self) -> String {
        self.link.joined().id
    }

    /// What the server said at the last joining: the mode, the ICE servers, who was there.
    pub fn joined(&self) -> Joined {
        self.link.joined()
    }

    /// Publishes what flows into the sink pads of this `webrtcbin`. They must be linked, each with a payload type of its
    /// own; the pipeline must run, or be about to: the offer is made when every pad has its caps. Called again, it
    /// renegotiates, after pads were added.
    ///
    /// # Errors
    /// No caps within 10 s, a refusal of the server, or of `webrtcbin`.
    pub async fn publish(&self, webrtcbin: &gst::Element) -> Result<(), ClientError> {
        let leg = self.leg(LegKey::Publish, webrtcbin)?;
        negotiation::publish(&self.link, &leg).await
    }

    /// Receives the others through this `webrtcbin`, whose src pads come and go with them. At first one slot for audio and
    /// one for video are offered; when the room has more tracks, more are added. [`mid_of`] a pad says which slot it is,
    /// and [`Event::Slots`] whose track that slot shows.
    ///
    /// # Errors
    /// A refusal of the server, or of `webrtcbin`.
    pub async fn receive(&self, webrtcbin: &gst::Element) -> Result<(), ClientError> {
        let leg = self.leg(LegKey::Subscribe, webrtcbin)?;
        slots::add(&leg, Kind::Audio, 1)?;
        slots::add(&leg, Kind::Video, 1)?;
        negotiation::subscribe(&self.link, &leg).await
    }

    /// Connects this `webrtcbin` to one other participant of a `p2p` room. Whoever joined later offers: for those who
    /// were there before, this returns when the answer is set; for others at once, and their offers are answered.
    /// Sink pads must be linked before, in a pipeline that runs or is about to.
    ///
    /// # Errors
    /// As [`Client::publish`]; and the room is not `p2p`.
    pub async fn connect_to(
        &self,
        participant: &str,
        webrtcbin: &gst::Element,
    ) -> Result<(), ClientError> {
        let joined = self.link.joined();
        if joined.mode != Mode::P2p {
            return Err(ClientError::WrongMode);
        }
        let leg = self.leg(LegKey::Peer(participant.to_owned()), webrtcbin)?;
        let was_there = joined.participants.iter().any(|p| p.id == participant);
        negotiation::direct(&self.link, &leg, was_there).await
    }

    /// Tells the others that a track is (not) muted.
    ///
    /// # Errors
    /// The connection is lost for good.
    pub async fn mute(&self, track: &str, muted: bool) -> Result<(), ClientError> {
        self.link
            .send(ClientMessage::Mute {
                request: None,
                track: track.to_owned(),
                muted,
            })
            .await
    }

    /// Shows a track in a slot; without one, the server chooses again.
    ///
    /// # Errors
    /// The connection is lost for good.
    pub async fn assign(&self, mid: &str, track: Option<(&str, &str)>) -> Result<(), ClientError> {
        let message = ClientMessage::Assign {
            request: None,
            mid: mid.to_owned(),
            participant: track.map(|(participant, _)| participant.to_owned()),
            track: track.map(|(_, track)| track.to_owned()),
            speaker: false,
        };
        self.link.send(message).await
    }

    /// Shows in a slot whoever speaks, or spoke last.
    ///
    /// # Errors
    /// The connection is lost for good.
    pub async fn follow_speaker(&self, mid: &str) -> Result<(), ClientError> {
        let message = ClientMessage::Assign {
            request: None,
            mid: mid.to_owned(),
            participant: None,
            track: None,
            speaker: true,
        };
        self.link.send(message).await
    }

    /// Ends one direction. The `webrtcbin` is the application's to dispose of.
    ///
    /// # Errors
    /// There is no such session.
    pub async fn end(&self, direction: Direction) -> Result<(), ClientError> {
        let (key, message) = match direction {
            Direction::Publish => (LegKey::Publish, ClientMessage::Unpublish { request: None }),
            Direction::Subscribe => (
                LegKey::Subscribe,
                ClientMessage::Unsubscribe { request: None },
            ),
        };
        self.link.forget(&key);
        self.link.request(message).await.map(drop)
    }

    /// Leaves the room and returns when the server knows.
    pub async fn leave(self) {
        self.link.leave().await;
    }

    fn leg(&self, key: LegKey, webrtcbin: &gst::Element) -> Result<Arc<Leg>, ClientError> {
        if let Some(leg) = self.link.leg(&key).filter(|leg| leg.is_of(webrtcbin)) {
            return Ok(leg);
        }
        let leg = Leg::new(
            key,
            webrtcbin,
            &self.link.joined().ice_servers,
            self.link.leg_events(),
        )?;
        if !self.keep_certificate {
            leg.set_certificate()?;
        }
        self.link.remember(leg.clone());
        Ok(leg)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.link.hang_up();
    }
}
