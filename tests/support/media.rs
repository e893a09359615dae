// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is really in a file, by a demuxer that nobody here wrote.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::{Failure, Result};

/// A file as `ffprobe` reads it.
#[derive(Debug, Deserialize)]
pub struct Recording {
    /// Its streams, in the order of their index.
    pub streams: Vec<Stream>,
    /// Every packet of every stream.
    pub packets: Vec<Packet>,
}

/// One stream of a file.
#[derive(Debug, Deserialize)]
pub struct Stream {
    /// What packets call it.
    pub index: usize,
    /// `vp8`, `h264`, `opus`, …
    pub codec_name: String,
    /// `video` or `audio`.
    pub codec_type: String,
    /// Of the picture, in pixels; zero for audio.
    #[serde(default)]
    pub width: u32,
    /// Of the picture, in pixels; zero for audio.
    #[serde(default)]
    pub height: u32,
}

/// One packet: a frame, or a piece of sound.
#[derive(Debug, Deserialize)]
pub struct Packet {
    /// The [`Stream::index`] it belongs to.
    pub stream_index: usize,
    /// When it is to be shown, in seconds of the file, as text.
    pts_time: Option<String>,
    /// `K` in it marks a keyframe.
    #[serde(default)]
    flags: String,
}

impl Packet {
    /// When it is to be shown, in seconds of the file.
    pub fn time(&self) -> Option<f64> {
        self.pts_time.as_ref()?.parse().ok()
    }

    /// Whether decoding can start here.
    pub fn is_key(&self) -> bool {
        self.flags.contains('K')
    }
}

impl Recording {
    /// Reads a file with `ffprobe`, which must have no complaints.
    pub fn read(path: &Path) -> Result<Recording> {
        let (recording, complaints) = Recording::probe(path)?;
        if complaints.is_empty() {
            return Ok(recording);
        }
        let path = path.display();
        Err(Failure::new(format!("ffprobe {path}: {complaints}")))
    }

    /// Reads what can be read of a file whose writer was killed.
    pub fn read_torn(path: &Path) -> Result<Recording> {
        Ok(Recording::probe(path)?.0)
    }

    fn probe(path: &Path) -> Result<(Recording, String)> {
        let output = Command::new("ffprobe")
            .args([
                "-v",
                "error",
                "-show_streams",
                "-show_packets",
                "-of",
                "json",
            ])
            .arg(path)
            .output()?;
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            return Err(Failure::new(format!(
                "ffprobe {}: {complaints}",
                path.display()
            )));
        }
        Ok((serde_json::from_slice(&output.stdout)?, complaints))
    }

    /// The only stream of that type (`video` or `audio`).
    pub fn only(&self, codec_type: &str) -> Result<&Stream> {
        let mut streams = self
            .streams
            .iter()
            .filter(|stream| stream.codec_type == codec_type);
        match (streams.next(), streams.next()) {
            (Some(stream), None) => Ok(stream),
            _ => Err(Failure::new(format!(
                "not one {codec_type} stream in {:?}",
                self.streams
            ))),
        }
    }

    /// The times of a stream's packets in seconds, in the order of the file.
    pub fn times(&self, stream: &Stream) -> Vec<f64> {
        self.packets
            .iter()
            .filter(|packet| packet.stream_index == stream.index)
            .filter_map(Packet::time)
            .collect()
    }
}
