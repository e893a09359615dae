// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is printed when all is up: addresses to click, lines to paste.

use gst_rtc_signaller::server::Server;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
#[cfg(feature = "dev-node")]
use std::path::Path;

/// Prints to standard output. That nobody may read it is no reason to end.
pub(super) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// The address by which this machine reaches what listens there.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// For `serve`.
pub(super) fn server(listen: SocketAddr, turn: Turn) -> String {
    let at = reachable(listen);
    let turn = turn_line(turn);
    format!(
        "gst-rtc serves\n\
         \n\
         \x20 page        http://{at}/\n\
         \x20 room        http://{at}/r/lobby\n\
         \x20 WHIP        http://{at}/whip/lobby?name=NAME\n\
         \x20 media node  gst-launch-1.0 rtcsfu signaller::uri=ws://{at}\n\
         {turn}\n\
         {}Rooms of mode sfu need a media node. Ctrl-C ends.\n",
        notice(listen)
    )
}

/// For `dev`.
#[cfg(feature = "dev-node")]
pub(super) fn dev(
    listen: SocketAddr,
    turn: Turn,
    room: &str,
    plugin_path: Option<&Path>,
) -> String {
    let at = reachable(listen);
    let turn = turn_line(turn);
    let prefix = plugin_path
        .map(|path| format!("GST_PLUGIN_PATH={} ", quoted(&path.to_string_lossy())))
        .unwrap_or_default();
    format!(
        "gst-rtc is ready\n\
         \n\
         \x20 page    http://{at}/\n\
         \x20 room    http://{at}/r/{room}     open it in two windows\n\
         \x20 WHIP    http://{at}/whip/{room}?name=NAME\n\
         {turn}\n\
         Put a test picture and a tone into the room:\n\
         \n\
         {prefix}gst-launch-1.0 rtcsfu name=sfu room={room} signaller::uri=ws://{at} sink_0::participant=bars sink_1::participant=bars \
         videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=30/1 ! vp8enc deadline=1 keyframe-max-dist=60 ! rtpvp8pay ! sfu.sink_0 \
         audiotestsrc is-live=true wave=ticks ! opusenc ! rtpopuspay ! sfu.sink_1\n\
         \n\
         Record the participant alice, without encoding again (Ctrl-C ends the file):\n\
         \n\
         {prefix}gst-launch-1.0 -e rtcsfu name=sfu room={room} signaller::uri=ws://{at} \
         sfu.video_alice ! rtpvp8depay ! queue ! mux. sfu.audio_alice ! rtpopusdepay ! opusparse ! queue ! mux. \
         matroskamux name=mux ! filesink location=alice.mkv\n\
         \n\
         {}Ctrl-C ends.\n",
        notice(listen)
    )
}

/// Where STUN and TURN are, and where by TLS.
pub(super) type Turn = (Option<SocketAddr>, Option<SocketAddr>);

pub(super) fn turn_of(server: &Server) -> Turn {
    (server.turn_address(), server.turn_tls_address())
}

fn turn_line((turn, tls): Turn) -> String {
    let lines = [
        turn.map(|at| {
            format!("\x20 TURN        {at}, by UDP and TCP; every participant gets credentials\n")
        }),
        tls.map(|at| format!("\x20 TURN TLS    {at}, by TCP, and DTLS by UDP\n")),
    ];
    lines.into_iter().flatten().collect()
}

/// What everybody must know who opens the server to the network.
fn notice(listen: SocketAddr) -> String {
    if listen.ip().is_loopback() {
        return String::new();
    }
    format!(
        "NOTICE: {listen} is open to the network. There are no access tokens yet: whoever reaches it may join any room,\n\
         watch, publish, and register as a media node. Browsers give camera and microphone only to pages of https:// or\n\
         localhost: put a proxy with TLS in front, or use an SSH tunnel.\n\n"
    )
}

/// A word a shell reads as one.
#[cfg(feature = "dev-node")]
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_server_says_so() {
        assert!(server(SocketAddr::from(([0, 0, 0, 0], 8080)), (None, None)).contains("NOTICE"));
        assert!(!server(SocketAddr::from(([127, 0, 0, 1], 8080)), (None, None)).contains("NOTICE"));
        assert!(
            server(SocketAddr::from(([0, 0, 0, 0], 8080)), (None, None))
                .contains("http://127.0.0.1:8080/")
        );
    }

    #[cfg(feature = "dev-node")]
    #[test]
    fn lines_can_be_pasted_from_any_directory() {
        let text = dev(
            SocketAddr::from(([127, 0, 0, 1], 8080)),
            (None, None),
            "lobby",
            Some(Path::new("/a b/c")),
        );
        assert!(text.contains("GST_PLUGIN_PATH='/a b/c' gst-launch-1.0 "));
    }
}
