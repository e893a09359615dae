// SPDX-License-Identifier: MIT OR Apache-2.0
//! Datagrams through a relay, by `turnsrc` and `turnsink` in the test's own process.

use std::net::{IpAddr, SocketAddr};

use gio::prelude::*;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::embedded::Embedded;
use crate::{DEADLINE, Failure, Result, check};

/// `turnsrc ! appsink` and `appsrc ! turnsink` with one relay.
pub struct RelayClient {
    /// The pipeline, with the elements `source` and `sink`.
    pub pipeline: Embedded,
    /// Its relayed address.
    pub relay: SocketAddr,
    received: tokio::sync::Mutex<mpsc::UnboundedReceiver<Received>>,
}

/// A payload, and who it is said to be from.
pub type Received = (Vec<u8>, Option<SocketAddr>);

impl RelayClient {
    /// Starts, with these properties of `turnsrc`, and waits for a relay.
    pub async fn start(properties: &str) -> Result<RelayClient> {
        let pipeline = Embedded::parse(&format!(
            "turnsrc name=source {properties} ! appsink name=received sync=false async=false
             appsrc name=sent ! turnsink name=sink relay-of=source sync=false async=false
             host=127.0.0.1 port=9"
        ))?;
        let received = tokio::sync::Mutex::new(samples(&pipeline)?);
        pipeline.play().await?;
        let changed = "turnsrc-relayed-address-changed";
        let told = pipeline.message(changed, |_| true).await?;
        let relay = address(&told, "address")?;
        Ok(RelayClient {
            pipeline,
            relay,
            received,
        })
    }

    /// The `turnsrc`.
    pub fn source(&self) -> Result<gst::Element> {
        self.pipeline.element("source")
    }

    /// From now on, to this peer.
    pub fn send_to(&self, peer: SocketAddr) -> Result {
        let sink = self.pipeline.element("sink")?;
        sink.set_property("host", peer.ip().to_string());
        sink.set_property("port", u32::from(peer.port()));
        Ok(())
    }

    /// Sends a datagram.
    pub fn push(&self, data: &[u8]) -> Result {
        push(&self.pipeline, data)
    }

    /// The next datagram that came.
    pub async fn next(&self) -> Result<Received> {
        next(&mut *self.received.lock().await).await
    }
}

/// Pushes a datagram into the element `sent`.
pub fn push(pipeline: &Embedded, data: &[u8]) -> Result {
    let buffer = gst::Buffer::from_slice(data.to_vec());
    let flow = pipeline
        .element("sent")?
        .emit_by_name::<gst::FlowReturn>("push-buffer", &[&buffer]);
    check!(flow == gst::FlowReturn::Ok, "pushing: {flow:?}");
    Ok(())
}

/// What arrives at the element `received`.
pub fn samples(pipeline: &Embedded) -> Result<mpsc::UnboundedReceiver<Received>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let sink = pipeline.element("received")?;
    sink.set_property("emit-signals", true);
    sink.connect("new-sample", false, move |values| {
        let sink = values[0].get::<gst::Element>().ok()?;
        let sample = sink.emit_by_name::<Option<gst::Sample>>("pull-sample", &[])?;
        let buffer = sample.buffer()?;
        let data = buffer.map_readable().ok()?.to_vec();
        let meta = buffer.meta::<gst_net::NetAddressMeta>();
        let from = meta.and_then(|meta| sender_of(&meta));
        // The test may have ended.
        let _ = sender.send((data, from));
        Some(gst::FlowReturn::Ok.to_value())
    });
    Ok(receiver)
}

fn sender_of(meta: &gst_net::NetAddressMeta) -> Option<SocketAddr> {
    let address = meta.addr().downcast::<gio::InetSocketAddress>().ok()?;
    let ip: IpAddr = address.address().to_str().parse().ok()?;
    Some(SocketAddr::new(ip, address.port()))
}

/// The next of those.
pub async fn next(received: &mut mpsc::UnboundedReceiver<Received>) -> Result<Received> {
    let next = timeout(DEADLINE, received.recv()).await?;
    next.ok_or_else(|| Failure::new("the pipeline is gone"))
}

/// An address in a message.
pub fn address(told: &gst::StructureRef, field: &str) -> Result<SocketAddr> {
    Ok(told.get::<&str>(field)?.parse()?)
}
