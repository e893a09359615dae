// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guide and the README, done as they say: every `sh` block is run by a shell, and what stands in the `text` block
//! below it must be said. What does not end by itself runs on to the end of its page. What installs, `cargo xtask fresh` runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use gst_rtc::build::{plugin_path, program, root, scratch};
use gst_rtc::described::folder;
use gst_rtc::port::free_port;
use gst_rtc::{Process, Result, check, my_turn};

/// A command of a page, and what it says.
#[derive(Debug, Default)]
struct Step {
    command: String,
    says: Vec<String>,
    /// It says so long after the page is through; that it does, other tests show.
    later: bool,
}

/// The blocks of a page: what kind they say they are, and their text.
fn blocks(page: &str) -> impl Iterator<Item = (&str, &str)> {
    let blocks = page.split("```").skip(1).step_by(2);
    blocks
        .map(|block| block.split_once('\n').unwrap_or((block, "")))
        .map(|(kind, text)| (kind.trim(), text))
}

/// The steps of a page, in order.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut after_command = false;
    for (kind, text) in blocks(page) {
        match (kind, steps.last_mut()) {
            ("sh", _) => steps.push(Step {
                command: text.to_owned(),
                ..Step::default()
            }),
            (kind @ ("text" | "text later"), Some(step)) if after_command => {
                step.says = text.lines().map(str::to_owned).collect();
                step.later = kind.ends_with("later");
            }
            _ => {}
        }
        after_command = kind == "sh";
    }
    steps
}

/// Where a page is tried out: a folder of its own, and addresses that are free.
struct Trial {
    folder: PathBuf,
    replacements: Vec<(&'static str, String)>,
    camera: Option<Process>,
}

impl Trial {
    async fn new(name: &str, page: &str) -> Result<Trial> {
        let folder = folder(&format!("guide-{name}"))?;
        for part in ["pipelines", "examples"] {
            std::os::unix::fs::symlink(root().join(part), folder.join(part))?;
        }
        let mut replacements = Vec::new();
        for port in [
            "127.0.0.1:8080",
            "127.0.0.1:8000",
            "127.0.0.1:1935",
            "127.0.0.1:7002",
        ] {
            replacements.push((port, format!("127.0.0.1:{}", free_port()?)));
        }
        replacements.push(("0.0.0.0:5004", format!("0.0.0.0:{}", free_port()?)));
        let http = replacements[1].1.replace("127.0.0.1:", "http.server ");
        replacements.push(("http.server 8000", http));
        let mut camera = None;
        if page.contains("rtsp://camera/stream") {
            let script = root().join("tests/peers/rtsp_camera.py");
            let process = Process::start(Command::new("/usr/bin/python3").arg(script))?;
            let address = |line: &str| line.starts_with("rtsp://").then(|| line.to_owned());
            replacements.push((
                "rtsp://camera/stream",
                process.line("address", address).await?,
            ));
            camera = Some(process);
        }
        Ok(Trial {
            folder,
            replacements,
            camera,
        })
    }

    fn address(&self) -> &str {
        &self.replacements[0].1
    }

    fn command(&self, text: &str) -> Command {
        let mut text = text.to_owned();
        for (from, to) in &self.replacements {
            text = text.replace(from, to);
        }
        let port = |of: usize| {
            self.replacements[of]
                .1
                .rsplit(':')
                .next()
                .unwrap_or_default()
        };
        let speech = format!("--set port={} --set participant=bars", port(3));
        text = text.replace(
            "speech-tap.toml --set participant=bars",
            &format!("speech-tap.toml {speech}"),
        );
        let program = program();
        let programs = program.parent().unwrap_or(Path::new("/"));
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("bash");
        command
            .args(["-e", "-c", &text])
            .current_dir(&self.folder)
            .env("PATH", format!("{}:/usr/bin:{path}", programs.display()))
            .env("GST_RTC_LISTEN", self.address())
            .env("GST_RTC_SIGNALLER", format!("ws://{}", self.address()))
            .env("GST_PLUGIN_PATH", plugin_path())
            .env("GST_REGISTRY", scratch().join("launch.registry"));
        command
    }

    /// Does what the page says.
    async fn follow(self, page: &str) -> Result {
        let steps = steps(page);
        check!(!steps.is_empty(), "no command in it");
        let mut running: Vec<Process> = Vec::new();
        for step in &steps {
            let mut process = Process::start(&mut self.command(&step.command))?;
            if step.says.is_empty() {
                let status = process.exit().await?;
                check!(status.success(), "{}\n{}", step.command, process.output());
                continue;
            }
            if !step.later {
                says(&process, step).await?;
            }
            running.push(process);
        }
        drop(running);
        drop(self.camera);
        Ok(())
    }
}

async fn says(process: &Process, step: &Step) -> Result {
    for line in &step.says {
        process
            .line(line, |said| said.contains(line.as_str()).then_some(()))
            .await
            .map_err(|failure| failure.with(&step.command))?;
    }
    Ok(())
}

async fn page_works(name: &str) -> Result {
    let _turn = my_turn().await;
    let page = std::fs::read_to_string(root().join(format!("docs/guide/{name}.md")))?;
    Trial::new(name, &page).await?.follow(&page).await
}

/// The page whose blocks `cargo xtask fresh` runs, which a test of xtask sees to.
const INSTALLING: &str = "installing";

/// The pages of the guide: names and texts.
fn guide() -> Result<Vec<(String, String)>> {
    let mut pages = Vec::new();
    for file in std::fs::read_dir(root().join("docs/guide"))? {
        let path = file?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        pages.push((name.into_owned(), std::fs::read_to_string(&path)?));
    }
    Ok(pages)
}

#[test]
fn every_block_of_the_guide_is_done_or_looked_for() -> Result {
    for (name, page) in guide()? {
        let mut before = "";
        for (kind, text) in blocks(&page).filter(|_| name != INSTALLING) {
            let said = matches!(kind, "text" | "text later") && before == "sh";
            check!(kind == "sh" || said, "{name}: nobody runs {kind}\n{text}");
            before = kind;
        }
    }
    Ok(())
}

macro_rules! pages {
    ($($test:ident $name:literal)*) => {
        $(#[tokio::test]
        async fn $test() -> Result {
            page_works($name).await
        })*

        #[test]
        fn every_page_of_the_guide_is_run() -> Result {
            let done = [$($name),*, "README", INSTALLING];
            for (name, _) in guide()? {
                check!(done.contains(&&*name), "nobody runs {name}");
            }
            Ok(())
        }
    };
}

pages! {
    first_room "first-room"
    record_everyone "record-everyone"
    rtsp_camera "rtsp-camera"
    stream_to_rtmp "stream-to-rtmp"
    behind_a_firewall "behind-a-firewall"
    thousand_viewers "thousand-viewers"
    described_pipelines "described-pipelines"
    webrtcbin "webrtcbin"
    speech "speech"
    own_page "own-page"
}

#[tokio::test]
async fn the_lines_of_the_readme_play() -> Result {
    let _turn = my_turn().await;
    let readme = std::fs::read_to_string(root().join("README.md"))?;
    let steps = steps(&readme);
    let lines: Vec<&str> = steps
        .iter()
        .map(|step| step.command.trim())
        .filter(|command| command.starts_with("gst-"))
        .collect();
    check!(lines.len() > 4, "only {lines:?}");
    let trial = Trial::new("readme", &readme).await?;
    let server = Process::start(&mut trial.command("gst-rtc dev"))?;
    server
        .line("banner", |line| line.contains("is ready").then_some(()))
        .await?;
    for line in lines {
        let mut process = Process::start(&mut trial.command(&format!("exec {line}")))?;
        if !line.starts_with("gst-inspect") && !line.starts_with("gst-rtc") {
            process
                .line("PLAYING", |said| said.contains("PLAYING").then_some(()))
                .await?;
            process.interrupt();
        }
        let status = process.exit().await?;
        check!(status.success(), "{line}\n{}", process.output());
    }
    Ok(())
}
