// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs a description.

use super::check::Prepared;
use super::finding::Finding;
use super::instance::{elements, ends, sinks};
use super::line::Line;
use super::member::memberships;
use super::stage::Stage;
use futures_util::future::{BoxFuture, select_all};
use futures_util::{FutureExt, StreamExt};
use gst::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long the sinks have to finish their files.
const FINISH: Duration = Duration::from_secs(10);
/// How long ending the pipeline may take.
const END: Duration = Duration::from_secs(5);

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server that `webrtcbin` elements connect to, where the description does not say: `ws://host:port`.
    pub signaller: String,
    /// The room they join, where the description does not say.
    pub room: String,
    /// Where to write the graph of the pipeline, in the format of Graphviz, as soon as it plays.
    pub dot: Option<PathBuf>,
}

/// Why a pipeline ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// GStreamer made nothing of the description after all.
    #[error("the pipeline cannot be made: {0}")]
    Pipeline(String),
    /// Something in `[room]` is wrong.
    #[error("{}", .0.message)]
    Finding(Finding),
    /// An element failed.
    #[error("{element}: {message}{debug}; GST_DEBUG={factory}:5 shows more")]
    Element {
        /// Its name.
        element: String,
        /// Its factory.
        factory: String,
        /// What it says.
        message: String,
        /// What it says to developers.
        debug: String,
    },
    /// A room could not be joined, or was lost.
    #[error("{participant} in room {room}: {reason}")]
    Room {
        /// The room.
        room: String,
        /// As whom.
        participant: String,
        /// Why.
        reason: String,
    },
    /// The graph could not be written.
    #[error("cannot write {}: {error}", file.display())]
    Dot {
        /// Where to.
        file: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
}

/// Runs the pipeline until it ends by itself, fails, or `stop` is ready; then its files are finished.
///
/// `tell` is called for everything worth a line, from any thread.
///
/// # Errors
/// The pipeline cannot be made, an element fails, or a room cannot be joined.
pub async fn run(
    prepared: Prepared,
    options: &Options,
    stop: impl Future<Output = ()>,
    tell: impl Fn(Line) + Send + Sync + 'static,
) -> Result<(), RunError> {
    let pipeline = parse(&prepared.launch())?;
    let members = memberships(&prepared, options, &pipeline).map_err(RunError::Finding)?;
    let stage = Stage::new(pipeline, prepared, Box::new(tell));
    let result = play(&stage, options, members, stop).await;
    let pipeline = stage.pipeline.clone();
    let ending = tokio::task::spawn_blocking(move || pipeline.set_state(gst::State::Null));
    if tokio::time::timeout(END, ending).await.is_err() {
        tracing::warn!("the pipeline did not end within {END:?}");
    }
    result
}

fn parse(launch: &str) -> Result<gst::Pipeline, RunError> {
    if launch.is_empty() {
        return Ok(gst::Pipeline::new());
    }
    let refused = |error: String| RunError::Pipeline(error);
    let flags = gst::ParseFlags::FATAL_ERRORS;
    let parsed = gst::parse::launch_full(launch, None, flags)
        .map_err(|error| refused(error.message().to_owned()))?;
    // A description of one element gives that element.
    parsed.downcast().or_else(|element| {
        let pipeline = gst::Pipeline::new();
        let added = pipeline.add(&element).map(|()| pipeline);
        added.map_err(|error| refused(error.to_string()))
    })
}

async fn play(
    stage: &Arc<Stage>,
    options: &Options,
    members: Vec<super::member::Membership>,
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let bus = stage.pipeline.bus().expect("a pipeline has a bus");
    let mut messages = bus.stream();
    let pipeline = stage.pipeline.clone();
    let playing = tokio::task::spawn_blocking(move || pipeline.set_state(gst::State::Playing));
    if !matches!(playing.await, Ok(Ok(_))) {
        return Err(first_error(&mut messages));
    }
    let mut joined: Vec<BoxFuture<'static, Result<(), RunError>>> =
        vec![Box::pin(std::future::pending())];
    for member in members {
        joined.push(Box::pin(member.keep(stage.clone())));
    }
    let mut rooms = select_all(joined);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            Some(message) = messages.next() => {
                if handle(stage, options, &message).await? {
                    return Ok(());
                }
            }
            (result, _, rest) = &mut rooms => {
                result?;
                rooms = select_all(rest);
            }
            () = &mut stop => break,
        }
    }
    stage.tell("ending");
    stage.finish_sinks().await;
    let finished = finish(stage, &mut messages).await;
    stage.finish().await;
    finished
}

/// The error that kept the pipeline from playing.
fn first_error(messages: &mut gst::bus::BusStream) -> RunError {
    while let Some(Some(message)) = messages.next().now_or_never() {
        if let Some(failure) = failure(&message) {
            return failure;
        }
    }
    RunError::Pipeline("it does not start; GST_DEBUG=3 shows more".to_owned())
}

/// Sends end-of-stream through the pipeline and waits until it has come to the sinks.
async fn finish(stage: &Stage, messages: &mut gst::bus::BusStream) -> Result<(), RunError> {
    let bin = stage.pipeline.upcast_ref::<gst::Bin>();
    if sinks(bin).is_empty() {
        return Ok(());
    }
    // A webrtcbin never lets the pipeline end, so the other sinks are asked themselves; without one the pipeline is,
    // because bins such as hlssink2 still write when their own sinks have had their end.
    let asked = (!elements(bin, "webrtcbin").is_empty())
        .then(|| ends(bin, gst::PadProbeReturn::Ok).boxed());
    let sinks_end = asked.unwrap_or_else(|| std::future::pending().boxed());
    let pipeline = stage.pipeline.clone();
    let sent = tokio::task::spawn_blocking(move || pipeline.send_event(gst::event::Eos::new()));
    let _ = sent.await;
    let ended = async {
        tokio::select! {
            () = sinks_end => Ok(()),
            result = end_of_pipeline(messages) => result,
        }
    };
    match tokio::time::timeout(FINISH, ended).await {
        Ok(result) => result,
        Err(_) => {
            stage.tell(format!("not every sink had its end within {FINISH:?}"));
            Ok(())
        }
    }
}

async fn end_of_pipeline(messages: &mut gst::bus::BusStream) -> Result<(), RunError> {
    while let Some(message) = messages.next().await {
        if matches!(message.view(), gst::MessageView::Eos(_)) {
            return Ok(());
        }
        if let Some(failure) = failure(&message) {
            return Err(failure);
        }
    }
    Ok(())
}

/// Handles a message; true when the pipeline has ended by itself.
async fn handle(
    stage: &Arc<Stage>,
    options: &Options,
    message: &gst::Message,
) -> Result<bool, RunError> {
    use gst::MessageView as View;
    match message.view() {
        View::Error(_) => return failure(message).map_or(Ok(false), Err),
        View::Warning(warning) => {
            let debug = warning.debug().map(|debug| format!(" ({debug})"));
            let text = format!("warning: {}{}", warning.error(), debug.unwrap_or_default());
            stage.tell(text);
        }
        View::Eos(_) if !stage.has_templates() => {
            stage.tell("end of stream");
            return Ok(true);
        }
        View::Latency(_) => {
            let _ = stage.pipeline.recalculate_latency();
        }
        View::StateChanged(change)
            if change.src() == Some(stage.pipeline.upcast_ref())
                && change.current() == gst::State::Playing =>
        {
            stage.tell("playing");
            if let Some(file) = &options.dot {
                write_dot(&stage.pipeline, file)?;
            }
        }
        View::Element(_) => {
            let (stage, message) = (stage.clone(), message.clone());
            // Templates may take a while to start.
            let _ = tokio::task::spawn_blocking(move || notice(&stage, &message)).await;
        }
        _ => {}
    }
    Ok(false)
}

fn write_dot(pipeline: &gst::Pipeline, file: &Path) -> Result<(), RunError> {
    let graph = pipeline.debug_to_dot_data(gst::DebugGraphDetails::all());
    std::fs::write(file, graph.as_str()).map_err(|error| RunError::Dot {
        file: file.to_owned(),
        error,
    })
}

fn failure(message: &gst::Message) -> Option<RunError> {
    let gst::MessageView::Error(error) = message.view() else {
        return None;
    };
    let source = error.src();
    let factory = source
        .and_then(|source| source.downcast_ref::<gst::Element>()?.factory())
        .map_or_else(|| "*".to_owned(), |factory| factory.name().to_string());
    Some(RunError::Element {
        element: source.map_or_else(String::new, |source| source.name().to_string()),
        factory,
        message: error.error().message().to_owned(),
        debug: error
            .debug()
            .map(|debug| format!(" ({debug})"))
            .unwrap_or_default(),
    })
}

/// What an `rtcsfu` of the pipeline tells of its rooms, and where elements behind NATs are reached.
fn notice(stage: &Arc<Stage>, message: &gst::Message) {
    let Some(structure) = message.structure() else {
        return;
    };
    let text = |field: &str| structure.get::<String>(field).unwrap_or_default();
    let room = text("room");
    match structure.name().as_str() {
        "rtcsfu-participant-joined" => drop(stage.joined(&room, &text("id"), &text("name"))),
        "rtcsfu-participant-left" => stage.left(&room, &text("name")),
        "rtcsfu-track-added" => stage.track_added(
            &room,
            &text("participant"),
            &text("track"),
            &text("kind"),
            &text("encoding-name"),
        ),
        "rtcsfu-track-removed" => {
            stage.track_removed(&room, &text("participant"), &text("track"));
        }
        "rtcsfu-signaller-connected" => stage.tell("rtcsfu is connected to its signaller"),
        "rtcsfu-signaller-lost" => {
            stage.tell(format!("rtcsfu has lost its signaller: {}", text("error")));
        }
        "stunsrc-reflexive-address-changed"
        | "turnsink-relayed-address-changed"
        | "turnsrc-relayed-address-changed" => {
            let element = message.src().map(|element| element.name());
            stage.tell(format!(
                "{} is reached at {}",
                element.unwrap_or_default(),
                text("address")
            ));
        }
        "rtcsfu-refused" => stage.tell(format!("refused: {}: {}", text("what"), text("message"))),
        _ => {}
    }
}
