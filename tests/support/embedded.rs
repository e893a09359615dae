// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pipelines inside the test's own process, with the plugins as they are installed.

use std::sync::LazyLock;
use std::time::Duration;

use gst::prelude::*;
use tokio::task::spawn_blocking;

use crate::build::{PLUGINS, plugin_path};
use crate::{DEADLINE, Failure, Result, Server};

/// GStreamer with the plugins under test.
static READY: LazyLock<std::result::Result<(), String>> = LazyLock::new(|| {
    gst::init().map_err(|error| error.to_string())?;
    PLUGINS.iter().try_for_each(|name| {
        let loaded = gst::Plugin::load_file(plugin_path().join(name));
        loaded.map(drop).map_err(|error| error.to_string())
    })
});

/// A pipeline of this process. Dropping it stops it.
pub struct Embedded(gst::Pipeline);

/// Makes GStreamer and the plugins under test available.
pub fn init() -> Result {
    READY.clone().map_err(Failure::new)
}

impl Embedded {
    /// A pipeline from its launch description, not yet playing.
    pub fn parse(description: &str) -> Result<Embedded> {
        init()?;
        let parsed = gst::parse::launch(description)?;
        // A description of one element gives that element.
        let pipeline = parsed.downcast().or_else(|element| {
            let pipeline = gst::Pipeline::new();
            pipeline.add(&element).map(|()| pipeline)
        })?;
        Ok(Embedded(pipeline))
    }

    /// An `rtcsfu` that plays as a media node of a server, and the pipeline around it.
    pub async fn node(server: &Server) -> Result<(Embedded, gst::Element)> {
        let node = Embedded::parse(&format!(
            "rtcsfu name=sfu listen=127.0.0.1:0 signaller::uri=ws://{}",
            server.address()
        ))?;
        let sfu = node.element("sfu")?;
        node.play().await?;
        Ok((node, sfu))
    }

    /// Brings it to PLAYING, or tells of the first error.
    pub async fn play(&self) -> Result {
        self.0
            .set_state(gst::State::Playing)
            .map_err(|error| match self.error() {
                Some(words) => Failure::new(words),
                None => error.into(),
            })?;
        let pipeline = self.0.clone();
        let deadline = gst::ClockTime::try_from(DEADLINE).ok();
        let (result, ..) = spawn_blocking(move || pipeline.state(deadline)).await?;
        result?;
        Ok(())
    }

    /// Brings it to NULL.
    pub async fn stop(&self) -> Result {
        let pipeline = self.0.clone();
        spawn_blocking(move || pipeline.set_state(gst::State::Null)).await??;
        Ok(())
    }

    /// The first error on the bus, if there is one; takes all messages before it.
    pub fn error(&self) -> Option<String> {
        let bus = self.0.bus()?;
        let message = bus.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(error) => {
                Some(format!("{} ({:?})", error.error(), error.debug()))
            }
            _ => None,
        }
    }

    /// Waits for an element message of that name which `wanted` takes.
    ///
    /// # Errors
    /// An error message, or none of the wanted within [`DEADLINE`]; with the names of what came.
    pub async fn message(
        &self,
        name: &'static str,
        wanted: impl Fn(&gst::StructureRef) -> bool + Send + 'static,
    ) -> Result<gst::Structure> {
        let bus = self.0.bus().expect("a pipeline has a bus");
        spawn_blocking(move || wait_for(&bus, name, &wanted)).await?
    }

    /// Waits until all its sinks have had their end.
    ///
    /// # Errors
    /// An error message, or no end within that time.
    pub async fn ended(&self, within: Duration) -> Result {
        let bus = self.0.bus().expect("a pipeline has a bus");
        let types = [gst::MessageType::Eos, gst::MessageType::Error];
        let within = gst::ClockTime::try_from(within).ok();
        let wait = move || bus.timed_pop_filtered(within, &types);
        let message = spawn_blocking(wait).await?;
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Eos(_)) => Ok(()),
            _ => crate::fail!("{message:?} instead of the end"),
        }
    }

    /// An element of it.
    pub fn element(&self, name: &str) -> Result<gst::Element> {
        self.0
            .by_name(name)
            .ok_or_else(|| Failure::new(format!("no element {name}")))
    }

    /// The pipeline itself.
    pub fn pipeline(&self) -> &gst::Pipeline {
        &self.0
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Err(error) = self.0.set_state(gst::State::Null) {
            eprintln!("the pipeline does not stop: {error}");
        }
    }
}

/// What the `stats` of an `rtcsfu` tell of each session.
pub fn sessions(stats: &gst::StructureRef) -> Vec<gst::Structure> {
    let workers = structures(stats, "workers");
    let sessions = workers
        .iter()
        .flat_map(|worker| structures(worker, "sessions"));
    sessions.collect()
}

/// The structures in an array of a structure.
pub fn structures(of: &gst::StructureRef, field: &str) -> Vec<gst::Structure> {
    let array = of.get::<gst::Array>(field).unwrap_or_default();
    array.iter().filter_map(|value| value.get().ok()).collect()
}

fn wait_for(
    bus: &gst::Bus,
    name: &str,
    wanted: &dyn Fn(&gst::StructureRef) -> bool,
) -> Result<gst::Structure> {
    let until = std::time::Instant::now() + DEADLINE;
    let types = [gst::MessageType::Element, gst::MessageType::Error];
    let mut seen = Vec::new();
    loop {
        let left = until.saturating_duration_since(std::time::Instant::now());
        let left = gst::ClockTime::try_from(left).ok();
        let Some(message) = bus.timed_pop_filtered(left, &types) else {
            crate::fail!("no message {name} within {DEADLINE:?}, only {seen:?}");
        };
        if let gst::MessageView::Error(error) = message.view() {
            crate::fail!("{} ({:?})", error.error(), error.debug());
        }
        let Some(structure) = message.structure() else {
            continue;
        };
        if structure.name() == name && wanted(structure) {
            return Ok(structure.to_owned());
        }
        seen.push(structure.to_string());
    }
}
