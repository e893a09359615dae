// SPDX-License-Identifier: MIT OR Apache-2.0
//! The `webrtcbin` elements of a pipeline as participants of rooms.

use super::check::Prepared;
use super::expand::{What, fill};
use super::finding::Finding;
use super::instance::elements;
use super::runner::{Options, RunError};
use super::stage::{Made, Stage};
use crate::client::{Client, ConnectOptions, Event, Events};
use crate::protocol::Mode;
use crate::protocol::peer::{Direction, Joined};
use gst::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

/// Where and as whom to join.
#[derive(Clone, Debug)]
pub(super) struct Membership {
    signaller: String,
    room: String,
    participant: String,
    mode: Option<Mode>,
    token: Option<String>,
    /// The elements of the pipeline that belong to it, by name.
    webrtcbins: Vec<String>,
}

/// The memberships a description asks for: one for `[room]` with a participant, else one for each `webrtcbin`, which
/// then gives it its name.
pub(super) fn memberships(
    prepared: &Prepared,
    options: &Options,
    pipeline: &gst::Pipeline,
) -> Result<Vec<Membership>, Finding> {
    let webrtcbins = elements(pipeline.upcast_ref(), "webrtcbin");
    let names: Vec<String> = webrtcbins
        .iter()
        .map(|bin| bin.name().to_string())
        .collect();
    let description = &prepared.description;
    let setting = |key: &str| {
        let Some((text, offset)) = description.room.get(key) else {
            return Ok(None);
        };
        fill(&description.text, text, *offset, &prepared.values).map(Some)
    };
    let mode = setting("mode")?.map(|mode| mode.parse::<Mode>());
    let mode = mode.transpose().map_err(|error| {
        let offset = description.room["mode"].1;
        Finding::at(
            &description.text,
            offset,
            super::Fault::BadValue,
            error.to_string(),
        )
    })?;
    let member = |participant: String, webrtcbins| -> Result<Membership, Finding> {
        Ok(Membership {
            signaller: setting("signaller")?.unwrap_or_else(|| options.signaller.clone()),
            room: setting("room")?.unwrap_or_else(|| options.room.clone()),
            participant,
            mode,
            token: setting("token")?,
            webrtcbins,
        })
    };
    match setting("participant")? {
        Some(participant) if !names.is_empty() || in_templates(prepared) => {
            Ok(vec![member(participant, names)?])
        }
        Some(_) => Ok(Vec::new()),
        None => {
            let each = names
                .into_iter()
                .map(|name| member(name.clone(), vec![name]));
            each.collect()
        }
    }
}

/// Whether any template has a `webrtcbin`.
fn in_templates(prepared: &Prepared) -> bool {
    let wanted = What::Element("webrtcbin".to_owned());
    let templates = prepared.description.templates.iter();
    templates
        .filter_map(|template| prepared.sampled(template))
        .any(|parts| parts.iter().any(|part| part.what == wanted))
}

impl Membership {
    /// Joins, connects, and stays until the connection is lost for good.
    ///
    /// # Errors
    /// The server or the other side refuses, or is not who it says it is.
    pub(super) async fn keep(self, stage: Arc<Stage>) -> Result<(), RunError> {
        let options = ConnectOptions {
            mode: self.mode,
            token: self.token.clone(),
            ..ConnectOptions::default()
        };
        let uri = self.signaller.trim_end_matches('/');
        let joining = Client::connect_with(uri, &self.room, &self.participant, options);
        let (client, events) = joining.await.map_err(|error| self.failed(error))?;
        stage.tell(format!("joined {} as {}", self.room, self.participant));
        let joined = client.joined();
        let mut member = Member {
            of: &self,
            client,
            stage,
            names: HashMap::new(),
            direct: None,
        };
        let result = member.live(joined, events).await;
        member.client.leave().await;
        result
    }

    fn failed(&self, error: impl std::fmt::Display) -> RunError {
        RunError::Room {
            room: self.room.clone(),
            participant: self.participant.clone(),
            reason: error.to_string(),
        }
    }
}

struct Member<'m> {
    of: &'m Membership,
    client: Client,
    stage: Arc<Stage>,
    /// Names of the others, by id.
    names: HashMap<String, String>,
    /// In a `p2p` room: whom the `webrtcbin` of the pipeline itself is connected to.
    direct: Option<String>,
}

impl Member<'_> {
    async fn live(&mut self, joined: Joined, mut events: Events) -> Result<(), RunError> {
        let p2p = joined.mode == Mode::P2p;
        if !p2p {
            self.connect_to_node().await?;
        }
        for other in joined.participants {
            self.came(&other.id, &other.name, p2p).await?;
        }
        while let Some(event) = events.next().await {
            self.handle(event, p2p).await?;
        }
        Ok(())
    }

    /// Publishes what has sources, receives with what has none.
    async fn connect_to_node(&self) -> Result<(), RunError> {
        for webrtcbin in self.webrtcbins() {
            let name = webrtcbin.name();
            let done = if webrtcbin.sink_pads().is_empty() {
                self.client.receive(&webrtcbin).await
            } else {
                self.client.publish(&webrtcbin).await
            };
            done.map_err(|error| self.of.failed(format!("{name}: {error}")))?;
        }
        Ok(())
    }

    fn webrtcbins(&self) -> Vec<gst::Element> {
        let named = |name: &String| self.stage.pipeline.by_name(name);
        self.of.webrtcbins.iter().filter_map(named).collect()
    }

    async fn handle(&mut self, event: Event, p2p: bool) -> Result<(), RunError> {
        match event {
            Event::Joined(other) => self.came(&other.id, &other.name, p2p).await?,
            Event::Left { participant, .. } => self.went(&participant),
            Event::Connected(direction) => self.stage.tell(match direction {
                Direction::Publish => format!("{} sends", self.of.participant),
                Direction::Subscribe => format!("{} receives", self.of.participant),
            }),
            Event::Verified(_) => self
                .stage
                .tell("the certificate of the other side is right"),
            Event::Interrupted => self.stage.tell("the server is lost; media goes on"),
            Event::Reconnected(_) => self.stage.tell("the server is back"),
            Event::Closed { direction, reason } => {
                return Err(self.of.failed(format!("{direction} ended: {reason}")));
            }
            Event::Failed { leg, reason } => {
                return Err(self.of.failed(format!("{leg:?}: {reason}")));
            }
            Event::Ended { reason } => return Err(self.of.failed(reason)),
            Event::Error(error) => self.stage.tell(format!("the server: {}", error.message)),
            _ => {}
        }
        Ok(())
    }

    async fn came(&mut self, id: &str, name: &str, p2p: bool) -> Result<(), RunError> {
        self.names.insert(id.to_owned(), name.to_owned());
        let stage = self.stage.clone();
        let (room, id, name) = (self.of.room.clone(), id.to_owned(), name.to_owned());
        let who = id.clone();
        let made = tokio::task::spawn_blocking(move || stage.joined(&room, &who, &name)).await;
        if !p2p {
            return Ok(());
        }
        let made = made.unwrap_or_default();
        let mut webrtcbins: Vec<gst::Element> = made
            .into_iter()
            .flat_map(|Made { webrtcbins }| webrtcbins)
            .collect();
        if webrtcbins.is_empty() && self.direct.is_none() {
            webrtcbins = self.webrtcbins();
            self.direct = Some(id.clone());
        }
        for webrtcbin in webrtcbins {
            let connected = self.client.connect_to(&id, &webrtcbin).await;
            connected.map_err(|error| self.of.failed(format!("{}: {error}", webrtcbin.name())))?;
        }
        Ok(())
    }

    fn went(&mut self, id: &str) {
        if let Some(name) = self.names.remove(id) {
            self.stage.left(&self.of.room, &name);
        }
        if self.direct.as_deref() == Some(id) {
            self.direct = None;
        }
    }
}
