// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table of `docs/nat.md`: which pairs of NATs connect, and how. `cargo xtask natlab` runs it.

use std::fmt::Write;
use std::os::unix::process::parent_id;
use std::process::ExitCode;
use std::time::Duration;

use gst_rtc::build::{program, root};
use gst_rtc::coturn::Coturn;
use gst_rtc::natlab::{
    Cell, Kind, Lab, Method, Outcome, Pages, agent, call, caller, webrtcbin_connects,
};
use gst_rtc::own_turn::OwnTurn;
use gst_rtc::{Failure, Result};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.split_first() {
        Some((verb, rest)) if verb == "agent" => agent(rest),
        Some((verb, rest)) if verb == "caller" => caller(rest),
        Some((verb, rest)) => with_labs(verb, rest).await,
        None => Err(usage()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> Failure {
    Failure::new("usage: natlab table|pages|calls [--write | KIND…]")
}

/// What builds labs. Told to end, it takes down the one that stands.
async fn with_labs(verb: &str, arguments: &[String]) -> Result {
    // What is tested is built before there is a lab: meanwhile nobody would listen.
    program();
    tokio::select! {
        result = labs(verb, arguments) => result,
        ended = told_to_end() => Err(Failure::new(format!("ended: {}", ended?))),
    }
}

async fn labs(verb: &str, arguments: &[String]) -> Result {
    match verb {
        "table" => table(arguments).await,
        "pages" => diagonal(arguments).await,
        "calls" => calls(arguments).await,
        _ => Err(usage()),
    }
}

/// Waits for Ctrl-C, for a polite `kill`, and for the end of who started this program: `cargo xtask` hands no signal on.
async fn told_to_end() -> Result<&'static str> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let parent = parent_id();
    let mut look = tokio::time::interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            _ = interrupted.recv() => return Ok("interrupted"),
            _ = terminated.recv() => return Ok("terminated"),
            _ = look.tick() => if parent_id() != parent {
                return Ok("who started it is gone");
            }
        }
    }
}

/// Tries every pair of the kinds named, or of all, and prints what became of it; with `--write`
/// into the documentation too.
async fn table(arguments: &[String]) -> Result {
    let (kinds, write) = asked_for(arguments)?;
    let mut table = heading(&kinds);
    let mut wrong = Vec::new();
    for (row, &a) in kinds.iter().enumerate() {
        let mut line = format!("| **{a}** |");
        for (column, &b) in kinds.iter().enumerate() {
            let words = if column < row {
                String::new()
            } else {
                pair(a, b, &mut wrong).await?
            };
            write!(line, " {words} |")?;
        }
        table.push_str(&line);
        table.push('\n');
    }
    println!("{table}");
    if write {
        document(&table, START)?;
    }
    as_expected(&wrong)
}

/// Two pages of Chromium, behind NATs of the same kind, with our own server in the middle.
async fn diagonal(arguments: &[String]) -> Result {
    let (kinds, write) = asked_for(arguments)?;
    let mut table = heading(&kinds);
    table.push_str("| **itself** |");
    let mut wrong = Vec::new();
    for kind in kinds {
        let lab = Lab::up(kind, kind)?;
        let _server = OwnTurn::inside(&lab).await?;
        let pages = Pages::start(&lab).await?;
        let mut connected = Vec::new();
        for method in Method::ALL {
            let outcome = pages.outcome(&lab, method).await?;
            eprintln!("{kind:<12} {method:<9} {outcome:?}");
            if outcome != Outcome::expected(&lab, method) {
                wrong.push(format!("{kind} by {method}: {outcome:?}"));
            }
            if outcome == Outcome::Connected {
                connected.push(method.letter());
            }
        }
        write!(table, " {} |", connected.join(" "))?;
    }
    table.push('\n');
    println!("{table}");
    if write {
        document(&table, PAGES)?;
    }
    as_expected(&wrong)
}

/// Two `webrtcbin`, the same way.
async fn calls(arguments: &[String]) -> Result {
    let (kinds, write) = asked_for(arguments)?;
    let program = this_program();
    let mut table = heading(&kinds);
    table.push_str("| **itself** |");
    let mut wrong = Vec::new();
    for kind in kinds {
        let lab = Lab::up(kind, kind)?;
        let _server = OwnTurn::inside(&lab).await?;
        let mut connected = Vec::new();
        for method in Method::ALL {
            let outcome = call(&lab, method, &program).await?;
            eprintln!("{kind:<12} {method:<9} {outcome:?}");
            let is_connected = outcome == Outcome::Connected;
            if is_connected != webrtcbin_connects(&lab, method) {
                wrong.push(format!("{kind} by {method}: {outcome:?}"));
            }
            if is_connected {
                connected.push(method.letter());
            }
        }
        write!(table, " {} |", connected.join(" "))?;
    }
    table.push('\n');
    println!("{table}");
    if write {
        document(&table, CALLS)?;
    }
    as_expected(&wrong)
}

/// This program, even if what it has built meanwhile has replaced its file.
fn this_program() -> String {
    format!("/proc/{}/exe", std::process::id())
}

/// Which kinds, and whether the documentation is to be written.
fn asked_for(arguments: &[String]) -> Result<(Vec<Kind>, bool)> {
    let write = arguments == ["--write"];
    let names = if write { &[] } else { arguments };
    if !Lab::is_possible() {
        return Err(Failure::new(
            "this needs root, ip, nft and conntrack: no network namespace can be made here",
        ));
    }
    let named = |kind: &Kind| names.is_empty() || names.iter().any(|name| name == kind.name());
    Ok((Kind::ALL.into_iter().filter(named).collect(), write))
}

fn as_expected(wrong: &[String]) -> Result {
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "not as expected:\n{}",
        wrong.join("\n")
    )))
}

/// Puts a table where the documentation has its predecessor, after that line.
fn document(table: &str, place: &str) -> Result {
    let path = root().join("docs/nat.md");
    let text = std::fs::read_to_string(&path)?;
    let start = text.find(place);
    let end = start.and_then(|start| Some(start + text[start..].find(END)?));
    let (Some(start), Some(end)) = (start, end) else {
        return Err(Failure::new(format!(
            "{}: no place for the table",
            path.display()
        )));
    };
    let (before, after) = (&text[..start], &text[end..]);
    std::fs::write(&path, format!("{before}{place}\n{table}{after}"))?;
    Ok(())
}

const START: &str = "<!-- table: written by `cargo xtask natlab` -->";
const PAGES: &str = "<!-- pages: written by `cargo xtask natlab` -->";
const CALLS: &str = "<!-- calls: written by `cargo xtask natlab` -->";
const END: &str = "<!-- end of table -->";

fn heading(kinds: &[Kind]) -> String {
    let names: String = kinds.iter().map(|kind| format!(" {kind} |")).collect();
    let dashes = "---|".repeat(kinds.len() + 1);
    format!("| |{names}\n|{dashes}\n")
}

/// The methods by which two kinds connect, the first that does first.
async fn pair(a: Kind, b: Kind, wrong: &mut Vec<String>) -> Result<String> {
    let program = this_program();
    let lab = Lab::up(a, b)?;
    let coturn = Coturn::inside(lab.on_server(), &Lab::server_addresses())?;
    let mut connected = Vec::new();
    for method in Method::ALL {
        let expected = Outcome::expected(&lab, method);
        let mut cell = Cell::start(&lab, &coturn, method, &program)?;
        let outcome = cell.outcome(expected).await?;
        eprintln!("{a:<12} {b:<12} {method:<9} {outcome:?}");
        if outcome != expected {
            let said = cell.output();
            wrong.push(format!("{a} and {b} by {method}: {outcome:?}\n{said}"));
        }
        if outcome == Outcome::Connected {
            connected.push(method.letter());
        }
    }
    Ok(connected.join(" "))
}
