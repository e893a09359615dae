// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sound and picture that leave a room together were made together.
//!
//! The picture changes between black and white when there is a beep. How far apart both are in a
//! file that went through the room is compared with what did not, so that what encoders and this
//! measurement add falls out: a file of the same stream, or what the browser's own sender reports
//! say to another stack.

use std::time::Duration;

use gst_rtc::aiortc::SenderClock;
use gst_rtc::build::scratch;
use gst_rtc::marks::{Marks, median};
use gst_rtc::{Browser, Failure, GstLaunch, Result, Server, Visitor, check, my_turn};
use serde_json::json;

/// How far sound and picture may be moved against each other, in seconds.
const TOLERANCE: f64 = 0.020;
/// How long is recorded at least: several flips.
const LENGTH: Duration = Duration::from_secs(12);

/// Flips every 50 pictures, which is every 2 s, and ticks every second.
const VIDEO: &str = "videotestsrc is-live=true pattern=ball flip=true
    ! video/x-raw,width=160,height=120,framerate=25/1 ! vp8enc deadline=1 keyframe-max-dist=25";
const AUDIO: &str = "audiotestsrc is-live=true wave=ticks samplesperbuffer=960
    ! audio/x-raw,rate=48000 ! opusenc";

#[tokio::test]
async fn pipeline_to_pipeline() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let [straight, through] = ["straight.mkv", "through.mkv"].map(|name| scratch().join(name));
    let sfu = format!(
        "rtcsfu name=sfu room=sync signaller::uri=ws://{}",
        server.address()
    );
    let recorder = GstLaunch::start(&format!(
        "{sfu} sfu.video_clock ! rtpvp8depay ! queue ! matroskamux name=mux
         ! filesink location={} sfu.audio_clock ! rtpopusdepay ! queue ! mux.",
        through.display()
    ))?;
    recorder.says("rtcsfu-signaller-connected").await?;
    // The same encoded stream goes into the room and straight into a file.
    let publisher = GstLaunch::start(&format!(
        "{sfu} sink_0::participant=clock sink_1::participant=clock
         {VIDEO} ! tee name=video ! queue ! rtpvp8pay ! sfu.sink_0
         {AUDIO} ! tee name=audio ! queue ! rtpopuspay ! sfu.sink_1
         matroskamux name=mux ! filesink location={}
         video. ! queue ! mux. audio. ! queue ! mux.",
        straight.display()
    ))?;
    recorder.says("rtcsfu-track-added").await?;
    tokio::time::sleep(LENGTH).await;
    recorder.stop().await?;
    publisher.stop().await?;
    compare(&Marks::read(&straight)?, &Marks::read(&through)?)
}

/// A canvas and an oscillator as camera and microphone; flip and beep together every second. They go into the room, and
/// straight to another peer.
const CLOCK: &str = r"
(async () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 160, height: 120 });
    const paint = canvas.getContext('2d');
    const context = new AudioContext({ sampleRate: 48000 });
    const tone = new OscillatorNode(context, { frequency: 1000 });
    const gain = new GainNode(context, { gain: 0 });
    const out = context.createMediaStreamDestination();
    tone.connect(gain).connect(out);
    tone.start();
    let ticks = 0;
    window.clock = setInterval(() => {
        const bright = ticks % 50 < 25;
        if (ticks++ % 25 === 0) {
            gain.gain.setValueAtTime(0.8, context.currentTime);
            gain.gain.setValueAtTime(0, context.currentTime + 0.1);
        }
        paint.fillStyle = bright ? 'white' : 'black';
        paint.fillRect(0, 0, 160, 120);
    }, 40);
    const video = canvas.captureStream(25).getVideoTracks()[0];
    const audio = out.stream.getAudioTracks()[0];
    await gstRtc.room.publish({ audio, video });
    const peer = window.straight = new RTCPeerConnection();
    const stream = new MediaStream([video, audio]);
    for (const track of stream.getTracks()) peer.addTrack(track, stream);
    await peer.setLocalDescription();
    await new Promise((resolve) => {
        peer.onicegatheringstatechange = () => peer.iceGatheringState === 'complete' && resolve();
        peer.onicegatheringstatechange();
    });
    return peer.localDescription.sdp;
})()";

/// Load makes a browser's reports late, some by more than others; what the room adds is the same each time.
const ATTEMPTS: usize = 3;

#[tokio::test]
async fn browser_to_pipeline() -> Result {
    let _turn = my_turn().await;
    for _ in 1..ATTEMPTS {
        let (straight, through) = record_browser().await?;
        if compare(&straight, &through).is_ok() {
            return Ok(());
        }
    }
    let (straight, through) = record_browser().await?;
    compare(&straight, &through)
}

/// By the reports of the browser, and through the room.
async fn record_browser() -> Result<(Marks, Marks)> {
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let through = scratch().join("browser.mkv");
    let recorder = GstLaunch::start(&format!(
        "rtcsfu name=sfu room=sync signaller::uri=ws://{}
         sfu.video_clock ! rtpvp8depay ! queue ! matroskamux name=mux
         ! filesink location={} sfu.audio_clock ! rtpopusdepay ! queue ! mux.",
        server.address(),
        through.display()
    ))?;
    recorder.says("rtcsfu-signaller-connected").await?;
    let none = "&camera=0&microphone=0";
    let clock = Visitor::join_with(&browser, &server, "sync", "clock", none).await?;
    let offer: String = clock.page.eval(CLOCK).await?;
    let (straight, answer) = SenderClock::answer(&offer).await?;
    let answer = json!({ "type": "answer", "sdp": answer });
    let accept = format!("straight.setRemoteDescription({answer}).then(() => true)");
    clock.page.eval::<bool>(&accept).await?;
    recorder.says("rtcsfu-track-added").await?;
    tokio::time::sleep(2 * LENGTH).await;
    let straight = straight.marks().await?;
    recorder.stop().await?;
    Ok((straight, Marks::read(&through)?))
}

fn compare(straight: &Marks, through: &Marks) -> Result {
    let offset = |marks: &Marks| {
        let mut offsets = marks.offsets();
        check!(offsets.len() >= 3, "too few flips with a beep: {marks:?}");
        // A browser reports on sound for the first time after five seconds or so.
        let settled = offsets.split_off(offsets.len() / 2);
        median(settled).ok_or_else(|| Failure::new("no flip has a beep"))
    };
    let (before, after) = (offset(straight)?, offset(through)?);
    let moved = after - before;
    eprintln!(
        "sound after picture by {:.1} ms, through the room by {:.1} ms",
        before * 1000.0,
        after * 1000.0
    );
    check!(
        moved.abs() <= TOLERANCE,
        "sound moved by {moved} s against the picture: {straight:?}, through the room {through:?}"
    );
    Ok(())
}
