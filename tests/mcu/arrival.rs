// SPDX-License-Identifier: MIT OR Apache-2.0
//! Somebody whose streams come without sender reports: nothing tells when picture and sound were made, but when they come.

use super::speaker::FORMAT;
use gst::prelude::*;
use gst_rtc::embedded::Embedded;
use gst_rtc::marks::median;
use gst_rtc::{DEADLINE, Failure, Result, check};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const WIDTH: usize = 320;
const HEIGHT: usize = 120;
/// How far a flip may be from its tick, in seconds: some pictures, for what encoders and a busy machine add. Times of RTP begin
/// anywhere, so what went by them would be off by hours.
const TOLERANCE: f64 = 0.15;
const FLIPS: usize = 5;
/// Silence after which a loud sample begins another tick, in seconds.
const PAUSE: f64 = 0.2;

/// When the left half changed between dark and bright, and when a tick began, in running time.
#[derive(Default)]
struct Seen {
    bright: Option<bool>,
    flips: Vec<f64>,
    loud: f64,
    ticks: Vec<f64>,
}

impl Seen {
    fn handle_picture(&mut self, at: f64, luma: &[u8]) {
        let left = luma.chunks_exact(WIDTH).take(HEIGHT);
        let sum: usize = left
            .flat_map(|row| &row[..WIDTH / 2])
            .map(|y| usize::from(*y))
            .sum();
        let bright = sum > 127 * HEIGHT * WIDTH / 2;
        if self.bright.replace(bright) == Some(!bright) {
            self.flips.push(at);
        }
    }

    fn handle_sound(&mut self, at: f64, samples: &[u8]) {
        for (n, sample) in samples.as_chunks::<4>().0.iter().enumerate() {
            let at = at + n as f64 / 48_000.0;
            if f32::from_le_bytes(*sample).abs() > 0.1 {
                if at - self.loud > PAUSE {
                    self.ticks.push(at);
                }
                self.loud = at;
            }
        }
    }

    /// How far each flip is from the nearest tick. There is a tick a second, so it says nothing before there are ticks.
    fn offsets(&self) -> Vec<f64> {
        let first = self.ticks.first().copied().unwrap_or(f64::INFINITY);
        let last = self.ticks.last().copied().unwrap_or_default();
        let between = self
            .flips
            .iter()
            .filter(|flip| (first..last).contains(*flip));
        let nearest = |flip: &f64| {
            let offsets = self.ticks.iter().map(|tick| (flip - tick).abs());
            offsets.fold(f64::INFINITY, f64::min)
        };
        between.map(nearest).collect()
    }
}

/// Tells of each buffer that a sink gets.
fn watch(
    pipeline: &Embedded,
    sink: &str,
    seen: &Arc<Mutex<Seen>>,
    handle: fn(&mut Seen, f64, &[u8]),
) -> Result {
    let seen = seen.clone();
    pipeline
        .element(sink)?
        .connect("handoff", false, move |args| {
            let buffer = args[1].get::<gst::Buffer>();
            let buffer = buffer.expect("the second argument is the buffer");
            let at = buffer.pts()?.nseconds() as f64 / 1e9;
            let bytes = buffer.map_readable().ok()?;
            handle(&mut seen.lock().expect("no panic"), at, &bytes);
            None
        });
    Ok(())
}

#[tokio::test]
async fn without_sender_reports_picture_and_sound_are_placed_as_they_arrive() -> Result {
    let rtp = |name: &str, caps: &str| {
        format!(
            "udpsrc name={name} address=127.0.0.1 port=0 caps=\"application/x-rtp,{caps}\"
             ! rtpjitterbuffer latency=200"
        )
    };
    let video = rtp(
        "video",
        "media=video,encoding-name=VP8,clock-rate=90000,payload=96",
    );
    let audio = rtp(
        "audio",
        "media=audio,encoding-name=OPUS,clock-rate=48000,payload=97",
    );
    let mix = Embedded::parse(&format!(
        "rtcmcu name=mcu width={WIDTH} height={HEIGHT} framerate=25/1 names=false latency=500
         sink_0::participant=alice sink_0::width=160 sink_0::height={HEIGHT} sink_1::participant=alice
         sink_2::participant=bob sink_2::xpos=160 sink_2::width=160 sink_2::height={HEIGHT}
         {video} ! mcu.sink_0 {audio} ! mcu.sink_1
         videotestsrc is-live=true ! video/x-raw,width=160,height={HEIGHT},framerate=25/1 ! mcu.sink_2
         mcu.video ! video/x-raw,format=I420 ! fakesink name=screen signal-handoffs=true
         mcu.audio ! {FORMAT} ! fakesink name=all signal-handoffs=true"
    ))?;
    let seen = Arc::new(Mutex::new(Seen::default()));
    watch(&mix, "screen", &seen, Seen::handle_picture)?;
    watch(&mix, "all", &seen, Seen::handle_sound)?;
    mix.play().await?;
    let port = |name| Ok::<_, Failure>(mix.element(name)?.property::<i32>("port"));
    // Flips every two seconds, ticks every second. RTP times of both begin anywhere.
    let sender = Embedded::parse(&format!(
        "videotestsrc is-live=true pattern=ball flip=true ! video/x-raw,width=160,height={HEIGHT},framerate=25/1
         ! vp8enc deadline=1 keyframe-max-dist=25 ! rtpvp8pay pt=96 ! udpsink host=127.0.0.1 port={} sync=false
         audiotestsrc is-live=true wave=ticks samplesperbuffer=480 ! audio/x-raw,rate=48000
         ! opusenc ! rtpopuspay pt=97 ! udpsink host=127.0.0.1 port={} sync=false",
        port("video")?,
        port("audio")?
    ))?;
    sender.play().await?;
    let until = Instant::now() + DEADLINE;
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let offsets = seen.lock().expect("no panic").offsets();
        if offsets.len() >= FLIPS {
            let offset = median(offsets.clone()).unwrap_or(f64::INFINITY);
            check!(offset < TOLERANCE, "{offset} s apart: {offsets:?}");
            break;
        }
        check!(Instant::now() < until, "only {offsets:?}");
    }
    let error = mix.error();
    check!(error.is_none(), "{error:?}");
    Ok(())
}
