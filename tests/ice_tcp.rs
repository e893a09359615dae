// SPDX-License-Identifier: MIT OR Apache-2.0
//! Media over TCP alone (RFC 6544), for clients that no UDP reaches.

use gst_rtc::own_peer::OwnPeer;
use gst_rtc::{Browser, Result, Server, check, my_turn};

const TCP: &str = "{ tcp: true }";

#[tokio::test]
async fn media_flows_both_ways_over_tcp_alone() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let alice = OwnPeer::join(&browser, &server, "lobby", "alice", TCP).await?;
    let bob = OwnPeer::join(&browser, &server, "lobby", "bob", TCP).await?;
    alice.publish().await?;
    bob.subscribe().await?;
    let (sent, received) = (alice.sends().await?, bob.receives().await?);
    check!(
        (sent.protocol.as_str(), received.protocol.as_str()) == ("tcp", "tcp"),
        "sent {sent:?}, received {received:?}"
    );
    // And from TCP to UDP.
    let carol = OwnPeer::join(&browser, &server, "lobby", "carol", "{}").await?;
    carol.subscribe().await?;
    let received = carol.receives().await?;
    check!(received.protocol == "udp", "{received:?}");
    Ok(())
}
