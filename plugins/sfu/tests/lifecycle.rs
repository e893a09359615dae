// SPDX-License-Identifier: MIT OR Apache-2.0
//! Starting and stopping a node leaves nothing behind. Alone in its process, since it counts what the process has.

use gstrtcsfu::hub::{Hub, HubConfig, HubObserver, NodeEvent, StartError};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;

struct Nobody;

impl HubObserver for Nobody {
    fn event(&self, _event: NodeEvent) {}
}

fn count(what: &str) -> usize {
    std::fs::read_dir(format!("/proc/self/{what}"))
        .expect("procfs")
        .count()
}

fn start(config: HubConfig) -> Result<Hub, StartError> {
    Hub::start(config, Arc::new(Nobody))
}

#[test]
fn twenty_starts_and_stops_leave_no_thread_descriptor_or_port() {
    gst::init().expect("GStreamer");
    let listen: Vec<SocketAddr> = ["127.0.0.1:0", "[::1]:0"]
        .map(|a| a.parse().expect("an address"))
        .into();
    // Nothing listens on the port of a dropped listener: the client tries in vain all the time.
    let nobody = TcpListener::bind("127.0.0.1:0")
        .expect("a free port")
        .local_addr()
        .expect("an address");
    let config = HubConfig {
        listen,
        workers: 3,
        room: Some("lobby".into()),
        signaller_uri: Some(format!("ws://{nobody}")),
        ..HubConfig::default()
    };
    // What libraries open once, they keep.
    drop(start(config.clone()).expect("a hub"));
    let before = (count("fd"), count("task"));
    for _ in 0..20 {
        let hub = start(config.clone()).expect("a hub");
        assert_eq!(count("task"), before.1 + 4);
        let ports: Vec<SocketAddr> = hub
            .stats()
            .workers
            .into_iter()
            .flat_map(|worker| worker.local)
            .collect();
        assert_eq!(ports.len(), 6);
        drop(hub);
        assert_eq!((count("fd"), count("task")), before);
        for port in ports {
            UdpSocket::bind(port).expect("the port is free again");
            TcpListener::bind(port).expect("the port is free again");
        }
    }
    // A start that fails half-way leaves nothing either: the port of the second worker is taken.
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port();
    let listen = vec![SocketAddr::from(([127, 0, 0, 1], port - 1))];
    let before = (count("fd"), count("task"));
    let error = start(HubConfig { listen, ..config })
        .map(drop)
        .expect_err("a taken port");
    assert!(matches!(error, StartError::Bind { .. }), "{error}");
    assert_eq!((count("fd"), count("task")), before);
}
