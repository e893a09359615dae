// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sound and picture that leave a room together were made together.
//!
//! The picture changes between black and white when there is a beep. How far apart both are in a
//! file that went through the room is compared with a file that did not, so that what encoders and
//! this measurement add falls out.

use std::path::Path;
use std::time::Duration;

use gst_rtc::build::scratch;
use gst_rtc::marks::{Marks, median};
use gst_rtc::{Browser, Failure, GstLaunch, Result, Server, Visitor, check, my_turn};

/// How far sound and picture may be moved against each other, in seconds.
const TOLERANCE: f64 = 0.020;
/// Chromium's recorder, with which a browser's track is compared, stamps by arrival: twice as much.
const BROWSER_TOLERANCE: f64 = 0.040;
/// How long is recorded: several flips.
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
    compare(&straight, &through, TOLERANCE)
}

/// A canvas and an oscillator as camera and microphone; flip and beep together every second, and
/// Chromium's own recorder listens.
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
    const recorder = new MediaRecorder(
        new MediaStream([video, audio]), { mimeType: 'video/webm;codecs=vp8,opus' });
    const parts = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.start();
    window.recording = () => new Promise(done => {
        recorder.onstop = async () => {
            const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
            done(Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join(''));
        };
        recorder.stop();
    });
    return true;
})()";

#[tokio::test]
async fn browser_to_pipeline() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let [straight, through] = ["straight.webm", "browser.mkv"].map(|name| scratch().join(name));
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
    clock.page.eval::<bool>(CLOCK).await?;
    recorder.says("rtcsfu-track-added").await?;
    tokio::time::sleep(LENGTH).await;
    let hex: String = clock.page.eval("recording()").await?;
    recorder.stop().await?;
    let bytes: std::result::Result<Vec<u8>, _> = (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16))
        .collect();
    std::fs::write(&straight, bytes?)?;
    compare(&straight, &through, BROWSER_TOLERANCE)
}

fn compare(straight: &Path, through: &Path, tolerance: f64) -> Result {
    let [straight, through] = [Marks::read(straight)?, Marks::read(through)?];
    let offset = |marks: &Marks| {
        let offsets = marks.offsets();
        check!(offsets.len() >= 3, "too few flips with a beep: {marks:?}");
        median(offsets).ok_or_else(|| Failure::new("no flip has a beep"))
    };
    let moved = offset(&through)? - offset(&straight)?;
    eprintln!(
        "the room moves sound by {:+.1} ms against the picture",
        moved * 1000.0
    );
    check!(
        moved.abs() <= tolerance,
        "sound moved by {moved} s against the picture: {straight:?}, through the room {through:?}"
    );
    Ok(())
}
