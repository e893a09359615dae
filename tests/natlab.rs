// SPDX-License-Identifier: MIT OR Apache-2.0
//! The elements behind NATs: a diagonal of the table that `cargo xtask natlab` makes in full, and
//! what happens when a NAT or the server forgets.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use gst_rtc::build::program;
use gst_rtc::coturn::Coturn;
use gst_rtc::natlab::{Cell, Kind, Lab, Method, Outcome, Pages, Side, call, webrtcbin_connects};
use gst_rtc::own_turn::OwnTurn;
use gst_rtc::{DEADLINE, Process, Result, check, my_turn};

const AGENT: &str = env!("CARGO_BIN_EXE_natlab");

/// A lab with a server in it.
fn up(a: Kind, b: Kind) -> Result<(Lab, Coturn)> {
    let lab = Lab::up(a, b)?;
    let coturn = Coturn::inside(lab.on_server(), &Lab::server_addresses())?;
    Ok((lab, coturn))
}

#[tokio::test]
async fn pairs_connect_or_not_as_theory_says() -> Result {
    let _turn = my_turn().await;
    if !Lab::is_here()? {
        return Ok(());
    }
    let diagonal = [
        (Kind::Open, Kind::Symmetric, Method::Direct),
        (Kind::FullCone, Kind::Symmetric, Method::Direct),
        (Kind::Address, Kind::AddressSymmetric, Method::Direct),
        (Kind::PortOtherPort, Kind::Carrier, Method::Direct),
        (Kind::Port, Kind::Symmetric, Method::Direct),
        (Kind::Symmetric, Kind::Symmetric, Method::Direct),
        (Kind::Symmetric, Kind::Symmetric, Method::TurnUdp),
        (Kind::UdpBlocked, Kind::Carrier, Method::TurnUdp),
        (Kind::UdpBlocked, Kind::Carrier, Method::TurnTcp),
        (Kind::OnlyTcp443, Kind::FullConeOtherPort, Method::TurnTls),
    ];
    for (a, b, method) in diagonal {
        let (lab, coturn) = up(a, b)?;
        let expected = Outcome::expected(&lab, method);
        let mut cell = Cell::start(&lab, &coturn, method, AGENT)?;
        let outcome = cell.outcome(expected).await?;
        let said = cell.output();
        check!(
            outcome == expected,
            "{a} and {b} by {method}: {outcome:?}\n{said}"
        );
    }
    Ok(())
}

/// Real browsers, with our own server in the middle.
#[tokio::test]
async fn pages_of_chromium_connect_or_not_as_theory_says() -> Result {
    let _turn = my_turn().await;
    if !Lab::is_here()? {
        return Ok(());
    }
    let diagonal = [
        (Kind::Port, &[Method::Direct] as &[Method]),
        (
            Kind::Symmetric,
            &[Method::Direct, Method::TurnUdp, Method::TurnTcp],
        ),
        (Kind::OnlyTcp443, &[Method::TurnTls]),
    ];
    for (kind, methods) in diagonal {
        let lab = Lab::up(kind, kind)?;
        let _server = OwnTurn::inside(&lab).await?;
        let pages = Pages::start(&lab).await?;
        for &method in methods {
            let started = Instant::now();
            let outcome = pages.outcome(&lab, method).await?;
            println!(
                "{kind} by {method}: {outcome:?} after {:?}",
                started.elapsed()
            );
            let expected = Outcome::expected(&lab, method);
            check!(outcome == expected, "{kind} by {method}: {outcome:?}");
        }
    }
    Ok(())
}

/// `webrtcbin`, with our own server in the middle too.
#[tokio::test]
async fn webrtcbins_connect_or_not_as_theory_says() -> Result {
    let _turn = my_turn().await;
    if !Lab::is_here()? {
        return Ok(());
    }
    let diagonal = [
        (Kind::Port, &[Method::Direct, Method::TurnTcp] as &[Method]),
        (Kind::Symmetric, &[Method::Direct, Method::TurnUdp]),
    ];
    for (kind, methods) in diagonal {
        let lab = Lab::up(kind, kind)?;
        let _server = OwnTurn::inside(&lab).await?;
        for &method in methods {
            let outcome = call(&lab, method, AGENT).await?;
            let expected = match webrtcbin_connects(&lab, method) {
                true => Outcome::Connected,
                false => Outcome::Refused,
            };
            check!(outcome == expected, "{kind} by {method}: {outcome:?}");
        }
    }
    Ok(())
}

/// Two peers that hear each other.
async fn connected(lab: &Lab, coturn: &Coturn, method: Method) -> Result<Cell> {
    let mut cell = Cell::start(lab, coturn, method, AGENT)?;
    let outcome = cell.outcome(Outcome::Connected).await?;
    check!(outcome == Outcome::Connected, "no start: {outcome:?}");
    Ok(cell)
}

#[tokio::test]
async fn media_is_back_when_a_nat_moves_or_a_server_restarts() -> Result {
    let _turn = my_turn().await;
    if !Lab::is_here()? {
        return Ok(());
    }
    for method in [Method::Direct, Method::TurnUdp] {
        let (lab, coturn) = up(Kind::Port, Kind::Port)?;
        let mut cell = connected(&lab, &coturn, method).await?;
        lab.rebind(Side::A)?;
        back_again(&mut cell, method).await?;
    }
    let (lab, mut coturn) = up(Kind::Port, Kind::Symmetric)?;
    let mut cell = connected(&lab, &coturn, Method::TurnUdp).await?;
    coturn.restart().await?;
    // Both have lost their relays.
    let (a, b) = tokio::join!(cell.a.address(), cell.b.address());
    let (Some(a), Some(b)) = (a?, b?) else {
        gst_rtc::fail!("no other relays after a restart\n{}", cell.output());
    };
    cell.a.tell(b)?;
    cell.b.tell(a)?;
    let silence = (cell.a.hears_from(b).await?, cell.b.hears_from(a).await?);
    println!("a restart, TURN/UDP: back after {silence:?}");
    Ok(())
}

/// The first host has another address now and tells it; the second one hears it from there.
async fn back_again(cell: &mut Cell, method: Method) -> Result {
    let Some(address) = cell.a.address().await? else {
        gst_rtc::fail!("no other address after rebinding\n{}", cell.output());
    };
    cell.b.tell(address)?;
    let silence = cell.b.hears_from(address).await?;
    // What is measured is printed, not asserted: the machine may be busy.
    println!("rebinding, {method}: back after {silence:?}");
    Ok(())
}

#[tokio::test]
async fn a_mapping_that_is_kept_outlives_the_patience_of_the_nat() -> Result {
    let _turn = my_turn().await;
    if !Lab::is_here()? {
        return Ok(());
    }
    let (lab, coturn) = up(Kind::Port, Kind::Open)?;
    lab.set_timeout(Side::A, 3)?;
    let mut cell = Cell::start(&lab, &coturn, Method::Direct, AGENT)?;
    let (a, b) = tokio::join!(cell.a.address(), cell.b.address());
    let (Some(a), Some(b)) = (a?, b?) else {
        gst_rtc::fail!("no addresses");
    };
    // Only the keep-alive of the mapping keeps it: the peers are introduced much later.
    tokio::time::sleep(Duration::from_secs(8)).await;
    cell.a.tell(b)?;
    cell.b.tell(a)?;
    check!(cell.b.hears(DEADLINE).await?, "b does not hear a");
    check!(cell.a.hears(DEADLINE).await?, "a does not hear b");
    Ok(())
}

/// By Ctrl-C, by `kill`, by force, and when who started it is gone.
#[tokio::test]
async fn a_lab_that_is_ended_leaves_nothing_behind() -> Result {
    let _turn = my_turn().await;
    if !Lab::is_here()? {
        return Ok(());
    }
    let build = program().with_file_name("");
    let by_itself = "exec \"$0\" table port";
    let with_parent = "\"$0\" table port & wait";
    for (script, end, tidies) in [
        (by_itself, Process::interrupt as fn(&Process), true),
        (by_itself, Process::terminate, true),
        (by_itself, Process::kill, false),
        (with_parent, Process::kill, true),
    ] {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new("sh");
        command
            .args(["-c", script, AGENT])
            .env("TMPDIR", folder.path())
            .env("GST_RTC_TEST_BUILD", &build);
        let mut process = Process::start(&mut command)?;
        let spaces = inhabited_spaces(&process).await?;
        end(&process);
        process.exit().await?;
        eventually("namespaces", || {
            spaces.iter().filter(|s| s.path.exists()).count()
        })
        .await?;
        eventually("processes", || inhabitants(&spaces)).await?;
        if tidies {
            let files = || std::fs::read_dir(folder.path()).map_or(0, Iterator::count);
            eventually("temporary files", files).await?;
        }
    }
    Ok(())
}

/// A network namespace as the kernel knows it.
struct SpaceOf {
    path: PathBuf,
    inode: u64,
}

/// The namespaces of a lab, once programs run on its server and both of its hosts.
async fn inhabited_spaces(lab: &Process) -> Result<Vec<SpaceOf>> {
    let until = Instant::now() + DEADLINE;
    loop {
        let spaces = spaces_of(lab.id())?;
        let lives = |name: &str| {
            let ends = |space: &&SpaceOf| space.path.to_string_lossy().ends_with(name);
            spaces
                .iter()
                .find(ends)
                .is_some_and(|space| inhabitants(std::slice::from_ref(space)) > 0)
        };
        if ["-srv", "-a", "-b"].into_iter().all(lives) {
            return Ok(spaces);
        }
        check!(Instant::now() < until, "no lab stands: {}", lab.output());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Those that a process made, or a child of it.
fn spaces_of(process: u32) -> Result<Vec<SpaceOf>> {
    let mut spaces = Vec::new();
    for entry in std::fs::read_dir("/run/netns")? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let maker = name
            .strip_prefix("natlab-")
            .and_then(|rest| rest.split('-').next());
        let Some(maker) = maker.and_then(|maker| maker.parse::<u32>().ok()) else {
            continue;
        };
        if maker == process || parent_of(maker) == Some(process) {
            // It may be gone by now.
            let Ok(metadata) = entry.path().metadata() else {
                continue;
            };
            spaces.push(SpaceOf {
                path: entry.path(),
                inode: metadata.ino(),
            });
        }
    }
    Ok(spaces)
}

fn parent_of(process: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // After the name, which may hold anything: state, parent.
    stat.rsplit_once(')')?
        .1
        .split_ascii_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

/// How many processes run inside.
fn inhabitants(spaces: &[SpaceOf]) -> usize {
    let is_inside = |entry: std::fs::DirEntry| {
        let inside = std::fs::metadata(entry.path().join("ns/net")).ok()?.ino();
        spaces
            .iter()
            .any(|space| space.inode == inside)
            .then_some(())
    };
    let entries = std::fs::read_dir("/proc").expect("procfs");
    entries.filter_map(|entry| is_inside(entry.ok()?)).count()
}

/// Waits until nothing is left.
async fn eventually(what: &str, left: impl Fn() -> usize) -> Result {
    let until = Instant::now() + DEADLINE;
    while left() > 0 {
        check!(Instant::now() < until, "{} {what} are left", left());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
