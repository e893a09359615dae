// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rooms in which peers connect directly.

use gst_rtc::{Browser, Result, Server, Visitor, check, my_turn};

#[tokio::test]
async fn two_pages_connect_directly_and_the_server_sees_no_media() -> Result {
    let _turn = my_turn().await;
    // Without any media node: nothing here could forward media.
    let server = Server::serve(&[]).await?;
    let browser = Browser::chromium().await?;
    let alice = Visitor::join_with(&browser, &server, "den", "alice", "&mode=p2p").await?;
    let bob = Visitor::join_with(&browser, &server, "den", "bob", "&mode=p2p").await?;
    alice.sees_and_hears("bob").await?;
    bob.sees_and_hears("alice").await?;
    Ok(())
}

#[tokio::test]
async fn a_dev_server_relays_signalling_only_for_a_p2p_room() -> Result {
    let _turn = my_turn().await;
    let mut server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let alice = Visitor::join_with(&browser, &server, "den", "alice", "&mode=p2p").await?;
    let bob = Visitor::join_with(&browser, &server, "den", "bob", "&mode=p2p").await?;
    alice.sees("bob").await?;
    bob.sees("alice").await?;
    let ports = udp_ports_of(server.process().id())?;
    for page in [&alice.page, &bob.page] {
        let remote: Vec<u16> = page.eval(REMOTE_PORTS).await?;
        check!(!remote.is_empty(), "no candidate pair in use");
        let served = remote.iter().any(|port| ports.contains(port));
        check!(
            !served,
            "media goes to {remote:?}; the server has {ports:?}"
        );
    }
    Ok(())
}

/// The ports that the page's connections send to.
const REMOTE_PORTS: &str = "
(async () => {
    const ports = [];
    for (const { receiver } of gstRtc.room.received.values()) {
        const report = await receiver.getStats();
        const transport = [...report.values()].find(s => s.type === 'transport');
        const pair = report.get(transport?.selectedCandidatePairId);
        const remote = report.get(pair?.remoteCandidateId);
        if (remote) ports.push(remote.port);
    }
    return ports;
})()";

/// The UDP ports a process has bound, from `/proc`.
fn udp_ports_of(process: u32) -> Result<Vec<u16>> {
    let mut inodes = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{process}/fd"))? {
        let Ok(target) = std::fs::read_link(entry?.path()) else {
            continue;
        };
        let target = target.to_string_lossy().into_owned();
        if let Some(inode) = target
            .strip_prefix("socket:[")
            .and_then(|s| s.strip_suffix(']'))
        {
            inodes.push(inode.to_owned());
        }
    }
    let mut ports = Vec::new();
    for table in ["udp", "udp6"] {
        let text = std::fs::read_to_string(format!("/proc/{process}/net/{table}"))?;
        for line in text.lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (Some(local), Some(inode)) = (words.get(1), words.get(9)) else {
                continue;
            };
            let port = local
                .rsplit(':')
                .next()
                .and_then(|hex| u16::from_str_radix(hex, 16).ok());
            if inodes.iter().any(|known| known == inode) {
                ports.extend(port);
            }
        }
    }
    Ok(ports)
}
