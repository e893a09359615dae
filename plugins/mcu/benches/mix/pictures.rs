// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nine participants in one picture, against the sum of what cannot be avoided.
//!
//! The parts are nine decoders, one compositor that scales to the same tiles, and one encoder, each measured alone in this run,
//! with the same pictures at the same pace. What the element spends beyond them is its overhead; its budget is 15 %.

use super::{Result, median, run};
use gst::prelude::*;
use std::path::{Path, PathBuf};

const PARTICIPANTS: u32 = 9;
/// Eight seconds at 30 pictures a second.
const PICTURES: u32 = 240;
/// Each measures everything, one after the other, so that what else goes on is in all of them.
const ROUNDS: usize = 3;
/// As the element sets its own, with one thread on whatever machine.
const ENCODER: &str = "vp8enc deadline=1 cpu-used=-6 end-usage=cbr error-resilient=default threads=1 keyframe-max-dist=60 \
     lag-in-frames=0 target-bitrate=2000000";
/// Where pictures are counted, as they come in a call.
const OUT: &str = "identity sync=true ! fakesink name=out";
/// A picture of the same size that costs nothing after the first.
const STILL: &str =
    "videotestsrc num-buffers=1 ! video/x-raw,format=I420,width=640,height=360,framerate=30/1";
const CANVAS: &str = "width=1280 height=720 framerate=30/1";

/// CPU time for each picture of the mix, in milliseconds.
struct Round {
    decode: f64,
    compose: f64,
    encode: f64,
    whole: f64,
}

pub(super) fn report() -> Result {
    let clip = Clip::make()?;
    let rounds: Vec<Round> = (0..ROUNDS).map(|_| clip.round()).collect::<Result<_>>()?;
    println!(
        "{PARTICIPANTS} participants, 640×360 to 1280×720, 30 pictures a second; CPU per picture of the mix, of {ROUNDS} rounds \
         the median:"
    );
    print("nine decoders", &rounds, |round| round.decode);
    print("scale and compose", &rounds, |round| round.compose);
    print("encoder", &rounds, |round| round.encode);
    print("sum of the parts", &rounds, Round::parts);
    print("rtcmcu", &rounds, |round| round.whole);
    let overheads = rounds.iter().map(|round| round.whole / round.parts() - 1.0);
    let overhead = 100.0 * median(overheads.collect());
    println!("  overhead           {overhead:7.1} %  (budget 15 %)");
    Ok(())
}

fn print(name: &str, rounds: &[Round], value: impl Fn(&Round) -> f64) {
    let milliseconds = median(rounds.iter().map(value).collect());
    println!("  {name:<18} {milliseconds:7.2} ms");
}

impl Round {
    fn parts(&self) -> f64 {
        self.decode + self.compose + self.encode
    }
}

/// A participant's picture, encoded; the file goes with it.
struct Clip(PathBuf);

impl Clip {
    fn make() -> Result<Clip> {
        let path = std::env::temp_dir().join(format!("rtcmcu-bench-{}.mkv", std::process::id()));
        let clip = Clip(path);
        run::cost(&run::pipeline(&format!(
            "videotestsrc num-buffers={PICTURES} horizontal-speed=3 ! video/x-raw,format=I420,width=640,height=360,framerate=30/1
             ! vp8enc deadline=1 cpu-used=4 target-bitrate=800000 keyframe-max-dist=60 ! matroskamux
             ! filesink name=out location={}",
            clip.path().display()
        ))?)?;
        Ok(clip)
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn source(&self) -> String {
        format!("filesrc location={} ! matroskademux", self.path().display())
    }

    fn round(&self) -> Result<Round> {
        Ok(Round {
            decode: self.decode()?,
            compose: compose()?,
            encode: self.encode()?,
            whole: self.mix()?,
        })
    }

    fn decode(&self) -> Result<f64> {
        let decoder = format!("{} ! vp8dec ! identity sync=true ", self.source());
        let others = format!("{decoder} ! fakesink ").repeat(PARTICIPANTS as usize - 1);
        run::cost(&run::pipeline(&format!(
            "{decoder} ! fakesink name=out {others}"
        ))?)
    }

    /// Encoding alone cannot be fed for nothing: what feeds it is measured without it and taken off.
    fn encode(&self) -> Result<f64> {
        let decoded = format!("{} ! vp8dec", self.source());
        let without = run::cost(&grid(&decoded, OUT)?)?;
        let with = grid(
            &decoded,
            &format!("identity sync=true ! {ENCODER} ! fakesink name=out"),
        )?;
        Ok(run::cost(&with)? - without)
    }

    /// The element, live, with all that belongs to it.
    fn mix(&self) -> Result<f64> {
        let inputs: String = (0..PARTICIPANTS)
            .map(|n| format!("{} ! mcu.sink_{n} ", self.source()))
            .collect();
        let pipeline = run::pipeline(&format!(
            "rtcmcu name=mcu {CANVAS} {inputs} mcu.video ! video/x-vp8 ! fakesink name=out"
        ))?;
        let mcu = pipeline.by_name("mcu").ok_or("no mcu")?;
        mcu.connect("encoder-setup", false, |args| {
            let encoder = args[1].get::<gst::Element>();
            let encoder = encoder.expect("the second argument is the encoder");
            encoder.set_property("threads", 1i32);
            None
        });
        run::cost(&pipeline)
    }
}

impl Drop for Clip {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn compose() -> Result<f64> {
    let still = format!("{STILL} ! imagefreeze num-buffers={PICTURES}");
    run::cost(&grid(&still, OUT)?)
}

/// The pictures of nine such sources in the tiles of a grid.
fn grid(source: &str, then: &str) -> Result<gst::Pipeline> {
    let (width, height) = (1280 / 3, 720 / 3);
    let tiles: String = (0..PARTICIPANTS)
        .map(|n| {
            let (x, y) = (n % 3 * width, n / 3 * height);
            format!("sink_{n}::xpos={x} sink_{n}::ypos={y} sink_{n}::width={width} sink_{n}::height={height} ")
        })
        .collect();
    let inputs: String = (0..PARTICIPANTS)
        .map(|n| format!("{source} ! mix.sink_{n} "))
        .collect();
    run::pipeline(&format!(
        "compositor name=mix {tiles} {inputs} mix.src
         ! video/x-raw,format=I420,width=1280,height=720,framerate=30/1 ! {then}"
    ))
}
