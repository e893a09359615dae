// SPDX-License-Identifier: MIT OR Apache-2.0
//! `gst-rtc check` and `gst-rtc run` as a user meets them: exit codes, places, advice, and proper ends.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use gst_rtc::build::root;
use gst_rtc::described::{folder, grows, gst_rtc};
use gst_rtc::media::Recording;
use gst_rtc::{Described, Result, check};
use serde_json::Value;

/// Runs the program with a description on standard input.
fn with_input(arguments: &[&str], text: &str) -> Result<Output> {
    let (verb, rest) = arguments.split_first().expect("there is a verb");
    let mut child = gst_rtc(verb)
        .args(rest)
        .env("RUNNER_TEST_KEY", "from-the-environment")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(text.as_bytes())?;
    drop(input);
    Ok(child.wait_with_output()?)
}

/// The exit code of `check`, and its only finding.
fn checked(text: &str) -> Result<(i32, Value)> {
    let output = with_input(&["check", "-", "--json"], text)?;
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    check!(findings.len() == 1, "{report:#}");
    let code = output.status.code().unwrap_or(-1);
    Ok((code, findings[0].clone()))
}

#[tokio::test]
async fn every_fault_has_its_code_its_place_and_advice() -> Result {
    // Text, exit code, kind, line:column, advice.
    let cases = [
        (
            "videotestsrc ! x264ecn ! fakesink",
            4,
            "missing-element",
            "1:16",
            "x264enc",
        ),
        (
            "fakesrc !\n zzqqxx",
            4,
            "missing-element",
            "2:2",
            "gst-inspect-1.0",
        ),
        (
            "# a\nvideotestsrc patern=ball ! fakesink",
            3,
            "unknown-property",
            "2:14",
            "\"pattern\"",
        ),
        (
            "videotestsrc pattern=bal ! fakesink",
            3,
            "bad-value",
            "1:14",
            "\"ball\"",
        ),
        (
            "fakesrc num-buffers=-7 ! fakesink",
            3,
            "bad-value",
            "1:9",
            "-1 to",
        ),
        (
            "rtcsfu signaller::url=x",
            3,
            "unknown-property",
            "1:8",
            "\"uri\"",
        ),
        (
            "rtcsfu sink_0::participan=x",
            3,
            "unknown-property",
            "1:8",
            "\"participant\"",
        ),
        ("videotestsrc ! opusdec ! fakesink", 3, "link", "1:16", ""),
        (
            "audiotestsrc ! rtpopuspay ! fakesink",
            3,
            "link",
            "1:16",
            "opusenc",
        ),
        (
            "videotestsrc ! video/x-raw,width= ! fakesink",
            3,
            "syntax",
            "1:16",
            "FIELD=VALUE",
        ),
        (
            "fakesrc ! mux. funnel name=mxu ! fakesink",
            3,
            "unknown-reference",
            "1:11",
            "\"mxu\"",
        ),
        (
            "fakesrc name=\"a ! fakesink",
            3,
            "syntax",
            "1:14",
            "close it",
        ),
        ("fakesrc ! fakesink !", 3, "syntax", "1:20", "ELEMENT"),
        (
            "fakesrc ! fakesink name=${n}",
            2,
            "argument",
            "1:25",
            "--set n=",
        ),
        (
            "[pipline]\nlaunch = 'a'",
            3,
            "format",
            "1:2",
            "\"pipeline\"",
        ),
        (
            "[pipeline]\nlaunch = '''\nfakesrc\n  ! ${sonk}'''\n[params]\nsink = { type = \"string\", default = \"fakesink\" }",
            3,
            "parameter",
            "4:5",
            "\"sink\"",
        ),
        (
            "[params]\nn = { type = \"int\", max = 5, default = 9 }\n[pipeline]\nlaunch = 'fakesrc num-buffers=${n} ! fakesink'",
            2,
            "argument",
            "2:5",
            "",
        ),
        (
            "[pipeline]\nlaunch = 'rtcsfu name=sfu'\n[on.participant]\nlaunch = 'suf.video_${participant} ! fakesink'",
            3,
            "unknown-reference",
            "4:11",
            "\"sfu\"",
        ),
    ];
    for (text, code, fault, place, advice) in cases {
        let (seen, finding) = checked(text)?;
        let at = format!("{}:{}", finding["line"], finding["column"]);
        let help = finding["help"].as_str().unwrap_or_default();
        check!(
            seen == code && finding["fault"] == fault && at == place && help.contains(advice),
            "{text}\nexit code {seen}, {finding:#}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_link_that_fails_is_told_with_both_caps_and_what_would_mend_it() -> Result {
    for (text, gives, takes, advice) in [
        (
            "videotestsrc ! opusdec ! fakesink",
            "video/x-raw",
            "audio/x-opus",
            "",
        ),
        (
            "audiotestsrc ! rtpopuspay ! fakesink",
            "audio/x-raw",
            "audio/x-opus",
            "put opusenc between them",
        ),
        (
            "videotestsrc ! video/x-raw,format=I420 ! rtpvp8pay ! fakesink",
            "video/x-raw, format=(string)I420",
            "video/x-vp8",
            "put vp8enc between them",
        ),
        (
            "videotestsrc ! audio/x-raw ! fakesink",
            "video/x-raw",
            "audio/x-raw",
            "",
        ),
    ] {
        let (_, finding) = checked(text)?;
        let message = finding["message"].as_str().unwrap_or_default();
        let help = finding["help"].as_str().unwrap_or_default();
        check!(
            message.contains(gives) && message.contains(takes) && help.contains(advice),
            "{text}\n{finding:#}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_missing_element_comes_with_its_package() -> Result {
    // With no plugins but those of the core, everything else is missing.
    let empty = folder("no-plugins")?;
    let mut command = gst_rtc("check");
    command
        .args(["--json", "/dev/stdin"])
        .env("GST_PLUGIN_SYSTEM_PATH_1_0", &empty)
        .env("GST_REGISTRY", empty.join("registry"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(b"x264enc")?;
    drop(input);
    let output = child.wait_with_output()?;
    let report: Value = serde_json::from_slice(&output.stdout)?;
    check!(
        output.status.code() == Some(4)
            && report["findings"][0]["package"] == "gstreamer1.0-plugins-ugly",
        "{report:#}"
    );
    Ok(())
}

const SECRETIVE: &str = r#"
[params]
key = { type = "secret", env = "RUNNER_TEST_KEY" }
[pipeline]
launch = 'fakesrc num-buffers=1 name="a b" ! video/x-raw, width=320 ! fakesink name="to ${key}"'
"#;

#[tokio::test]
async fn the_printed_command_does_the_same_and_hides_secrets() -> Result {
    let output = with_input(&["run", "-", "--print"], SECRETIVE)?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    check!(
        printed.contains("***") && !printed.contains("from-the-environment"),
        "{printed}"
    );
    let shell = Command::new("sh").args(["-c", printed.trim()]).output()?;
    check!(
        shell.status.success(),
        "{printed}{}",
        String::from_utf8_lossy(&shell.stderr)
    );
    Ok(())
}

#[tokio::test]
async fn what_ends_by_itself_ends_well_and_what_fails_says_why() -> Result {
    let graph = folder("graph")?.join("pipeline.dot");
    let dot = format!("--dot={}", graph.display());
    let ended = with_input(
        &["run", "-", &dot],
        "fakesrc num-buffers=5 ! fakesink name=end",
    )?;
    let said = String::from_utf8_lossy(&ended.stdout);
    check!(
        ended.status.success() && said.contains("playing") && said.contains("end of stream"),
        "{ended:?}"
    );
    let graph = std::fs::read_to_string(graph)?;
    check!(
        graph.starts_with("digraph") && graph.contains("end"),
        "{graph}"
    );

    let failed = with_input(&["run", "-"], "filesrc location=/nowhere ! fakesink")?;
    let said = String::from_utf8_lossy(&failed.stderr);
    check!(
        failed.status.code() == Some(5) && said.contains("/nowhere") && said.contains("filesrc"),
        "{failed:?}"
    );
    Ok(())
}

#[tokio::test]
async fn ctrl_c_finishes_files() -> Result {
    let path = folder("interrupted")?.join("a b.mp4");
    let text = path.with_file_name("file.gst");
    std::fs::write(
        &text,
        "videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=30/1
         ! x264enc tune=zerolatency speed-preset=ultrafast ! h264parse ! mp4mux ! filesink location=${file}",
    )?;
    let file = format!("--set=file={}", path.display());
    let running = Described::with(gst_rtc("run").arg(&text).arg(file))?;
    running.says("playing").await?;
    grows(&path, 10_000).await?;
    running.stop().await?;
    // An MP4 without its end cannot be read at all.
    let recording = Recording::read(&path)?;
    check!(
        recording.only("video")?.codec_name == "h264",
        "{recording:?}"
    );
    Ok(())
}

#[tokio::test]
async fn editors_know_by_the_schema_what_a_description_may_hold() -> Result {
    let folder = folder("schema")?;
    let schema = folder.join("gst-rtc.schema.json");
    std::fs::write(&schema, gst_rtc("schema").output()?.stdout)?;
    let validate = |files: &[PathBuf]| {
        let script = root().join("tests/peers/validate.py");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).arg(&schema).args(files).output()
    };
    let mut ours = Vec::new();
    for file in std::fs::read_dir(root().join("pipelines"))? {
        let path = file?.path();
        ours.extend(
            path.extension()
                .is_some_and(|ending| ending == "toml")
                .then_some(path),
        );
    }
    check!(ours.len() > 15, "{ours:?}");
    let valid = validate(&ours)?;
    check!(valid.status.success(), "{valid:?}");
    // What the runner refuses as a slip, the editor underlines.
    for (slip, place) in [
        ("[pipline]\nlaunch = 'a'", "pipline"),
        ("[pipeline]\nlaunch = 3", "$.pipeline"),
        ("[params]\nn = { type = 'itn' }", "$.params.n.type"),
        ("[on.track]\nmatch = 'a'", "$.on.track"),
    ] {
        let file = folder.join("slip.toml");
        std::fs::write(&file, slip)?;
        let refused = validate(&[file])?;
        let said = String::from_utf8_lossy(&refused.stdout);
        check!(
            refused.status.code() == Some(1) && said.contains(place),
            "{slip}: {refused:?}"
        );
        let (code, _) = checked(slip)?;
        check!(code == 3, "{slip}: exit code {code}");
    }
    Ok(())
}
