// SPDX-License-Identifier: MIT OR Apache-2.0
//! `gst-rtc load`.

use super::{Fault, banner};
use clap::Args;
use gst_rtc_signaller::load::{LoadConfig, LoadError, Target, Video, measure_floor, run};
use std::time::Duration;

/// The options of `load`.
#[derive(Debug, Args)]
pub(super) struct LoadArgs {
    /// Server to test; the endpoints are URL/whip/ROOM and URL/whep/ROOM.
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:8080",
        conflicts_with = "spawn"
    )]
    url: String,

    /// Room to meet in.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "load",
        conflicts_with = "spawn"
    )]
    room: String,

    /// WHIP endpoint of a server with other paths; {n} becomes the number of the publisher.
    #[arg(long, value_name = "URL", conflicts_with = "spawn")]
    whip: Option<String>,

    /// WHEP endpoint of a server with other paths.
    #[arg(long, value_name = "URL", conflicts_with = "spawn")]
    whep: Option<String>,

    /// Start `gst-rtc dev` on the first CPU and test that, with the load on the other CPUs.
    #[arg(long)]
    spawn: bool,

    /// Participants that send.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    publishers: u16,

    /// Participants that receive everything.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    subscribers: u16,

    /// Bit/s of each video, for example 800k or 1.5M.
    #[arg(long, value_name = "RATE", default_value = "1500k", value_parser = bitrate)]
    bitrate: u64,

    /// Time between keyframes, besides those that are asked for. Browsers' encoders: 100s; those of broadcast software: 2s.
    #[arg(long, value_name = "TIME", default_value = "100s", value_parser = duration)]
    keyframe_interval: Duration,

    /// Video only.
    #[arg(long)]
    no_audio: bool,

    /// Subscribers do not tell when packets arrive: the server has no bandwidth to estimate.
    #[arg(long)]
    no_estimation: bool,

    /// How long to measure, for example 10s.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    duration: Duration,

    /// Time over which subscribers join, evenly; 0s: all at once.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    join_within: Duration,

    /// Process of the server, if it runs here, to report its CPU time and memory.
    #[arg(long, value_name = "PID", conflicts_with = "spawn")]
    server_pid: Option<u32>,

    /// CPU for the load. May be repeated. Default: all; with --spawn all but the first.
    #[arg(long = "cpu", value_name = "NUMBER")]
    cpus: Vec<usize>,

    /// Keep CPUs from halting: on virtual machines halting costs more than anything measured here.
    #[arg(long)]
    spinners: bool,

    /// Measure the floor, one seal and one system call per packet, before and after.
    #[arg(long)]
    floor: bool,

    /// Measure the floor and nothing else.
    #[arg(long, conflicts_with_all = ["spawn", "server_pid", "whip", "whep"])]
    floor_only: bool,

    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Tests a server and prints the report.
pub(super) async fn load(args: &LoadArgs) -> Result<(), Fault> {
    gst::init().map_err(|error| {
        Fault::runtime(format!(
            "GStreamer does not start: {error}. Is it installed whole?"
        ))
    })?;
    if args.floor_only {
        return floor_only(args);
    }
    let report = run(args.config()).await.map_err(fault)?;
    print(args.json, &report)
}

fn floor_only(args: &LoadArgs) -> Result<(), Fault> {
    let others = if args.cpus.is_empty() {
        vec![1]
    } else {
        args.cpus.clone()
    };
    let floor = measure_floor(0, &others, usize::from(args.subscribers)).map_err(Fault::runtime)?;
    print(args.json, &floor)
}

fn print<T: serde::Serialize + std::fmt::Display>(json: bool, value: &T) -> Result<(), Fault> {
    let text = match json {
        true => serde_json::to_string(value).map_err(Fault::runtime)?,
        false => value.to_string(),
    };
    banner::print(&format!("{}\n", text.trim_end()));
    Ok(())
}

fn fault(error: LoadError) -> Fault {
    match error {
        LoadError::Address(_) | LoadError::Process(..) => Fault::usage(error),
        error => Fault::runtime(error),
    }
}

impl LoadArgs {
    fn config(&self) -> LoadConfig {
        LoadConfig {
            target: self.target(),
            publishers: usize::from(self.publishers),
            subscribers: usize::from(self.subscribers),
            video: Video {
                bitrate: self.bitrate,
                keyframe_interval: self.keyframe_interval,
            },
            audio: !self.no_audio,
            estimation: !self.no_estimation,
            duration: self.duration,
            join_within: self.join_within,
            cpus: self.cpus.clone(),
            spinners: self.spinners,
            floor: self.floor,
        }
    }

    fn target(&self) -> Target {
        if self.spawn {
            return Target::Spawn;
        }
        let (url, room) = (self.url.trim_end_matches('/'), &self.room);
        Target::Running {
            whip: self
                .whip
                .clone()
                .unwrap_or_else(|| format!("{url}/whip/{room}?name=publisher-{{n}}")),
            whep: self
                .whep
                .clone()
                .unwrap_or_else(|| format!("{url}/whep/{room}")),
            pid: self.server_pid,
        }
    }
}

fn bitrate(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.strip_suffix(['k', 'K']) {
        Some(number) => (number, 1e3),
        None => text
            .strip_suffix('M')
            .map_or((text, 1.0), |number| (number, 1e6)),
    };
    let rate = number
        .parse::<f64>()
        .map_err(|_| "write bit/s as 800000, 800k or 0.8M".to_owned())?
        * unit;
    if (10e3..=100e6).contains(&rate) {
        Ok(rate as u64)
    } else {
        Err("the bitrate is not from 10k to 100M".to_owned())
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let seconds = number
        .parse::<f64>()
        .map_err(|_| "write a time as 10s, 0.5s or 500ms".to_owned())?
        * unit;
    if (0.0..=86_400.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("the time is not from 0s to a day".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_times_are_read() {
        assert_eq!(
            (bitrate("1500k"), bitrate("1.5M"), bitrate("1500000")),
            (Ok(1_500_000), Ok(1_500_000), Ok(1_500_000))
        );
        assert!(bitrate("fast").is_err() && bitrate("1").is_err());
        assert_eq!(
            (duration("10s"), duration("500ms"), duration("0.5")),
            (
                Ok(Duration::from_secs(10)),
                Ok(Duration::from_millis(500)),
                Ok(Duration::from_millis(500))
            )
        );
        assert!(duration("-1s").is_err() && duration("soon").is_err());
    }
}
