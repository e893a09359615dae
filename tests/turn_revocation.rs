// SPDX-License-Identifier: MIT OR Apache-2.0
//! Credentials made for participants, relays made by them, and what becomes of both.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use gst_rtc::http::{request, request_with};
use gst_rtc::raw_peer;
use gst_rtc::uclient::{all_back, uclient, udp_echo};
use gst_rtc::{Browser, DEADLINE, Failure, Page, Result, Server, Visitor, check, my_turn};
use gst_rtc_core::media::Setup;
use gst_rtc_core::session::Certificate;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What administrators know here.
const SECRET: &str = "known to administrators";

/// A page that meets the room through relays only.
async fn through_relays(browser: &Browser, server: &Server, name: &str) -> Result<Page> {
    let url = server.page("lobby", name).replace("&join=1", "");
    let page = browser.open(&url).await?;
    let relays_only = "(() => {
        const Any = window.RTCPeerConnection;
        window.RTCPeerConnection = class extends Any {
            constructor(config) { super({ ...config, iceTransportPolicy: 'relay' }); }
        };
        document.querySelector('#enter').requestSubmit();
        return true;
    })()";
    page.eval::<bool>(relays_only).await?;
    let joined = "document.body.dataset.state === 'joined'";
    page.wait_for::<bool>("joined", joined).await?;
    Ok(page)
}

#[tokio::test]
async fn chromium_meets_a_room_through_relays_only() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let bob = Visitor::join(&browser, &server, "lobby", "bob").await?;
    let page = through_relays(&browser, &server, "alice").await?;
    bob.sees_and_hears("alice").await?;
    let during = relays(&server).await?;
    check!(during.packets > 0, "nothing was relayed");
    page.close().await?;
    let until = Instant::now() + DEADLINE;
    let mut after = relays(&server).await?;
    while after.allocations >= during.allocations && Instant::now() < until {
        sleep(Duration::from_millis(100)).await;
        after = relays(&server).await?;
    }
    check!(
        after.allocations < during.allocations,
        "{} relays while alice was there, {} after",
        during.allocations,
        after.allocations
    );
    Ok(())
}

/// An administrator removes a page that has shared its credentials with another program.
#[tokio::test]
async fn relays_and_credentials_end_when_their_participant_is_removed() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&["--turn-old-channels", "--admin-secret", SECRET]).await?;
    let browser = Browser::chromium().await?;
    let page = through_relays(&browser, &server, "mallory").await?;
    let connected = "gstRtc.room.mediaState === 'connected'";
    page.wait_for::<bool>("media", connected).await?;
    let given: Credentials = page.eval(CREDENTIALS).await?;
    let turn = address_of(&given.url)?;
    let user = ["-u", &given.username, "-w", &given.credential];
    let peer = udp_echo(LOOPBACK)?;
    // It stays after its messages.
    let _client = all_back(turn, peer, &user, &["-c", "-h"]).await?;
    check!(relays(&server).await?.allocations > 0, "no relays");

    let path = "/api/v1/rooms/lobby/participants/mallory";
    let bearer = format!("Bearer {SECRET}");
    let admin = [("Authorization", bearer.as_str())];
    let removed = request_with(server.address(), "DELETE", path, &admin, "").await?;
    check!(removed.status == 204, "{removed:?}");
    no_relays_are_left(&server).await?;
    let told = "gstRtc.room.state === 'left'
        && document.querySelector('#error').textContent.includes('You were removed')";
    page.wait_for::<bool>("mallory told", told).await?;
    let again = uclient(turn, peer, &user, &["-c"]).await;
    check!(again.is_err(), "credentials outlive their participant");
    let rooms = request(server.address(), "GET", "/api/v1/rooms", "text/plain", "").await?;
    check!(rooms.body == r#"{"rooms":[]}"#, "{rooms:?}");
    Ok(())
}

/// What a page has of the server's TURN by UDP.
const CREDENTIALS: &str = "(() => {
    const { urls, username, credential } = gstRtc.room.iceServers.find(({ username }) => username);
    return { url: urls.find((url) => url.endsWith('transport=udp')), username, credential };
})()";

#[derive(Deserialize)]
struct Credentials {
    url: String,
    username: String,
    credential: String,
}

/// What `Link: rel="ice-server"` of WHIP is good for, and how long (RFC 9725 §4.6).
#[tokio::test]
async fn credentials_of_a_whip_session_end_with_it() -> Result {
    let server = Server::dev(&["--turn-old-channels"]).await?;
    let made = published(&server, "camera").await?;
    let (turn, user) = (address_of(&made.link)?, made.user());
    let peer = udp_echo(LOOPBACK)?;
    // It stays after its messages.
    let _client = all_back(turn, peer, &user, &["-c", "-h"]).await?;
    check!(relays(&server).await?.allocations > 0, "no relays");

    let end = request(server.address(), "DELETE", &made.session, "text/plain", "").await?;
    check!(end.status == 200, "{end:?}");
    no_relays_are_left(&server).await?;
    let packets = relays(&server).await?.packets;
    check!(packets >= 20, "only {packets} packets were relayed");
    let again = uclient(turn, peer, &user, &["-c"]).await;
    check!(again.is_err(), "credentials outlive their participant");
    let after = relays(&server).await?;
    check!(
        after.packets == packets && after.allocations == 0,
        "relayed"
    );
    Ok(())
}

/// A WHIP session, and what came with it.
struct Published {
    session: String,
    link: String,
    username: String,
    credential: String,
}

impl Published {
    /// What `turnutils_uclient` is told.
    fn user(&self) -> [&str; 4] {
        ["-u", &self.username, "-w", &self.credential]
    }
}

async fn published(server: &Server, name: &str) -> Result<Published> {
    let here = UdpSocket::bind((LOOPBACK, 0))?.local_addr()?;
    let fingerprint = Certificate::generate()?.fingerprint();
    let offer = raw_peer::offer(here, &fingerprint, Setup::ActPass);
    let path = format!("/whip/lobby?name={name}");
    let made = request(server.address(), "POST", &path, "application/sdp", &offer).await?;
    check!(made.status == 201, "{made:?}");
    let links = made
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("link"));
    let link = links
        .map(|(_, link)| link.clone())
        .find(|link| link.contains("transport=udp"));
    let link = link.ok_or_else(|| Failure::new(format!("no TURN by UDP in {made:?}")))?;
    Ok(Published {
        session: made.header("location").unwrap_or_default().to_owned(),
        username: quoted(&link, "username")?.to_owned(),
        credential: quoted(&link, "credential")?.to_owned(),
        link,
    })
}

/// Whatever is asked for: passwords, what they are made of, and what opens doors.
#[tokio::test]
async fn no_secret_is_logged() -> Result {
    const SHARED: &str = "what passwords are made of";
    let mut server = Server::dev_logging_all(&[
        "--turn-old-channels",
        "--turn-secret",
        SHARED,
        "--admin-secret",
        SECRET,
    ])
    .await?;
    let made = published(&server, "camera").await?;
    let turn = address_of(&made.link)?;
    uclient(turn, udp_echo(LOOPBACK)?, &made.user(), &["-c"]).await?;
    let path = "/api/v1/rooms/lobby/participants/camera";
    for (secret, status) in [("a guess at the secret", 401), (SECRET, 204)] {
        let bearer = format!("Bearer {secret}");
        let admin = [("Authorization", bearer.as_str())];
        let answer = request_with(server.address(), "DELETE", path, &admin, "").await?;
        check!(answer.status == status, "{answer:?}");
    }
    let left = |line: &str| (line.contains("left") && line.contains("camera")).then_some(());
    server.process().line("what was done", left).await?;
    let log = server.process().output();
    let session = made.session.rsplit('/').next().unwrap_or_default();
    for secret in [
        made.credential.as_str(),
        session,
        SHARED,
        SECRET,
        "a guess at the secret",
    ] {
        let line = log.lines().find(|line| line.contains(secret));
        check!(line.is_none(), "{secret} is in the log: {line:?}");
    }
    Ok(())
}

async fn no_relays_are_left(server: &Server) -> Result {
    let until = Instant::now() + DEADLINE;
    loop {
        let count = relays(server).await?.allocations;
        if count == 0 {
            return Ok(());
        }
        check!(Instant::now() < until, "there are {count} relays");
        sleep(Duration::from_millis(50)).await;
    }
}

/// The address in `turn:ADDRESS?…`.
fn address_of(text: &str) -> Result<SocketAddr> {
    let (_, rest) = text.split_once("turn:").unwrap_or_default();
    Ok(rest.split('?').next().unwrap_or_default().parse()?)
}

/// The value of `; name="value"`.
fn quoted<'a>(link: &'a str, name: &str) -> Result<&'a str> {
    let found = link.split_once(&format!("{name}=\""));
    let value = found.and_then(|(_, rest)| rest.split('"').next());
    value.ok_or_else(|| Failure::new(format!("no {name} in {link}")))
}

struct Relays {
    allocations: u64,
    packets: u64,
}

/// By the server's own account.
async fn relays(server: &Server) -> Result<Relays> {
    let answer = request(server.address(), "GET", "/metrics", "text/plain", "").await?;
    let number = |name: &str| {
        let mut lines = answer.body.lines();
        lines.find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    let missing = || Failure::new(format!("a number is missing: {}", answer.body));
    Ok(Relays {
        allocations: number("gst_rtc_turn_allocations ").ok_or_else(missing)?,
        packets: number("gst_rtc_turn_packets_total{direction=\"to_peer\"} ")
            .ok_or_else(missing)?,
    })
}
