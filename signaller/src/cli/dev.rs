// SPDX-License-Identifier: MIT OR Apache-2.0
//! `gst-rtc dev`: the server, and a media node that is a pipeline of one element in the same process.

use super::{Fault, ServerArgs, banner, told_to_stop};
use clap::Args;
use futures_util::StreamExt;
use gst::prelude::*;
use gst_rtc_signaller::rooms::RoomName;
use gst_rtc_signaller::server::Server;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// How long the node may take to register before the banner says that it has not.
const REGISTER: Duration = Duration::from_secs(5);
/// How long ending the pipeline may take.
const END: Duration = Duration::from_millis(1500);

/// The options of `dev`.
#[derive(Debug, Args)]
pub(super) struct DevArgs {
    #[command(flatten)]
    server: ServerArgs,

    /// Address for media, UDP and TCP. Default: the address of --listen with a free port; every address of this machine
    /// when that is loopback, because Firefox sends no media to 127.0.0.1.
    #[arg(long, value_name = "ADDRESS:PORT")]
    media_listen: Option<SocketAddr>,

    /// IP address by which others reach this machine behind a 1:1 NAT.
    #[arg(long, value_name = "IP")]
    public_address: Option<IpAddr>,

    /// The room whose address is printed.
    #[arg(long, value_name = "NAME", default_value = "lobby", value_parser = room_name)]
    room: String,

    /// Threads that receive and send media. 0: one per core.
    #[arg(long, value_name = "NUMBER", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=64))]
    workers: u32,
}

fn room_name(text: &str) -> Result<String, String> {
    RoomName::parse(text)
        .map(|name| name.as_str().to_owned())
        .map_err(|refusal| refusal.message)
}

/// Serves, with a media node, until told to stop.
pub(super) async fn dev(args: &DevArgs) -> Result<(), Fault> {
    let server = Server::start(args.server.config(true)?)
        .await
        .map_err(Fault::usage)?;
    let result = with_node(args, &server).await;
    server.stop().await;
    result
}

async fn with_node(args: &DevArgs, server: &Server) -> Result<(), Fault> {
    let node = Node::start(args, server.address())?;
    let registered = tokio::time::timeout(REGISTER, server.wait_for_node());
    let result = tokio::select! {
        registered = registered => {
            if registered.is_err() {
                tracing::warn!("the media node has not registered within 5 s; set GST_DEBUG=rtcsfu:5 to see why");
            }
            banner::print(&banner::dev(server.address(), banner::turn_of(server), &args.room, node.plugin_path.as_deref()));
            tokio::select! {
                () = told_to_stop() => Ok(()),
                fault = node.failed() => Err(fault),
            }
        }
        fault = node.failed() => Err(fault),
        () = told_to_stop() => Ok(()),
    };
    node.stop().await;
    result
}

/// The pipeline.
struct Node {
    pipeline: gst::Pipeline,
    /// Where the plugin is, if GStreamer does not find it by itself.
    plugin_path: Option<PathBuf>,
}

impl Node {
    fn start(args: &DevArgs, server: SocketAddr) -> Result<Node, Fault> {
        gst::init().map_err(|error| {
            Fault::runtime(format!(
                "GStreamer does not start: {error}. Is it installed whole?"
            ))
        })?;
        let plugin_path = register_plugin()?;
        let mut sfu = gst::ElementFactory::make("rtcsfu")
            .name("sfu")
            .property("workers", args.workers);
        let beside_page = Some(args.server.listen.ip()).filter(|ip| !ip.is_loopback());
        let listen = args
            .media_listen
            .or(beside_page.map(|ip| SocketAddr::new(ip, 0)));
        if let Some(listen) = listen {
            sfu = sfu.property("listen", listen.to_string());
        }
        if let Some(address) = args.public_address {
            sfu = sfu.property("public-address", address.to_string());
        }
        let sfu = sfu
            .build()
            .map_err(|error| Fault::runtime(format!("rtcsfu cannot be made: {error}")))?;
        let signaller = sfu.property::<gst::glib::Object>("signaller");
        signaller.set_property("uri", format!("ws://{}", banner::reachable(server)));
        let pipeline = gst::Pipeline::with_name("gst-rtc");
        pipeline.add(&sfu).map_err(|error| {
            Fault::runtime(format!("rtcsfu cannot be added to a pipeline: {error}"))
        })?;
        let node = Node {
            pipeline,
            plugin_path,
        };
        node.play()?;
        Ok(node)
    }

    fn play(&self) -> Result<(), Fault> {
        if self.pipeline.set_state(gst::State::Playing).is_ok() {
            return Ok(());
        }
        let message = self
            .pipeline
            .bus()
            .and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        let fault = message.as_ref().and_then(fault_in);
        let _ = self.pipeline.set_state(gst::State::Null);
        Err(fault.unwrap_or_else(|| {
            Fault::runtime("the media node does not start; set GST_DEBUG=rtcsfu:5 to see why")
        }))
    }

    /// Returns when the pipeline fails, and says why.
    async fn failed(&self) -> Fault {
        let Some(bus) = self.pipeline.bus() else {
            return std::future::pending().await;
        };
        let mut messages =
            bus.stream_filtered(&[gst::MessageType::Error, gst::MessageType::Warning]);
        while let Some(message) = messages.next().await {
            if let gst::MessageView::Warning(warning) = message.view() {
                tracing::warn!("{}", warning.error());
            }
            if let Some(fault) = fault_in(&message) {
                return fault;
            }
        }
        std::future::pending().await
    }

    async fn stop(self) {
        let pipeline = self.pipeline;
        let ending =
            tokio::task::spawn_blocking(move || pipeline.set_state(gst::State::Null).is_ok());
        if tokio::time::timeout(END, ending).await.is_err() {
            tracing::warn!("the media node did not end in time");
        }
    }
}

fn fault_in(message: &gst::Message) -> Option<Fault> {
    let gst::MessageView::Error(error) = message.view() else {
        return None;
    };
    let debug = error
        .debug()
        .map(|debug| format!("\n{debug}"))
        .unwrap_or_default();
    Some(Fault::runtime(format!("{}{debug}", error.error())))
}

/// Makes sure that there is an element `rtcsfu`. Returns where its plugin file is if only this program knows.
fn register_plugin() -> Result<Option<PathBuf>, Fault> {
    if gst::ElementFactory::find("rtcsfu").is_some() {
        return Ok(None);
    }
    gstrtcsfu::plugin_register_static().map_err(|error| {
        Fault::runtime(format!("the plugin rtcsfu cannot be registered: {error}"))
    })?;
    Ok(beside_this_program())
}

/// The directory of this program, if the plugin was built there too.
fn beside_this_program() -> Option<PathBuf> {
    let directory = std::env::current_exe().ok()?.parent()?.to_path_buf();
    directory
        .join("libgstrtcsfu.so")
        .exists()
        .then_some(directory)
}
