// SPDX-License-Identifier: MIT OR Apache-2.0
//! A load tester: publishers and subscribers over real sockets against any WHIP and WHEP server.
//!
//! Each connection is a full client: ICE, DTLS, SRTP, receiver reports, NACKs, keyframe requests. One thread moves all media, so that on a
//! second CPU it is not what is measured. [`run`] joins, measures, and reports; [`floor`](measure_floor) is what any server must spend.

mod dial;
mod driver;
mod floor;
mod http;
mod peer;
mod process;
mod publisher;
mod report;
mod spawn;
mod spinners;
mod stamp;
mod subscriber;
mod sys;

pub use dial::DialError;
pub use floor::{Floor, measure as measure_floor};
pub use http::HttpError;
pub use report::{Joins, Media, Report, ServerCost, Spread};
pub use spawn::SpawnError;

use dial::Purpose;
use driver::{Driver, Joining, Progress};
use gst_rtc_core::session::{Certificate, SessionError};
use hyper::Uri;
use peer::Peer;
use process::Usage;
use spawn::Server;
use spinners::Spinners;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use subscriber::Counts;

/// How long media may take to flow after everybody has joined.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often to look how far everybody is.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long publishers send before memory is looked at: until a server's history of their streams is full.
const WARM_UP: Duration = Duration::from_secs(7);
/// From when everybody has caught up to measuring.
const SETTLE: Duration = Duration::from_secs(1);
/// How long packets under way, and repairs, may take after measuring.
const GRACE: Duration = Duration::from_millis(500);

/// Whom to test.
#[derive(Clone, Debug)]
pub enum Target {
    /// A `gst-rtc dev` that is started for this, on the first CPU; the load runs on the others.
    Spawn,
    /// A running server.
    Running {
        /// WHIP endpoint, asked once per publisher. `{n}` in it becomes the number of the publisher.
        whip: String,
        /// WHEP endpoint, asked once per subscriber.
        whep: String,
        /// Its process, if it runs on this machine: then its CPU time and memory are reported.
        pid: Option<u32>,
    },
}

/// A video track.
#[derive(Clone, Copy, Debug)]
pub struct Video {
    /// Bit/s.
    pub bitrate: u64,
    /// A keyframe comes so often, besides those that are asked for. It is four times as large as another frame, and sent at once.
    pub keyframe_interval: Duration,
}

/// What to do.
#[derive(Clone, Debug)]
pub struct LoadConfig {
    /// Whom to test.
    pub target: Target,
    /// Participants that send, each one video track and one of audio.
    pub publishers: usize,
    /// Participants that receive everything.
    pub subscribers: usize,
    /// Each video track.
    pub video: Video,
    /// Audio too.
    pub audio: bool,
    /// Subscribers tell when each packet arrived, so that the server estimates what each path carries.
    pub estimation: bool,
    /// How long to measure.
    pub duration: Duration,
    /// The time over which subscribers join, evenly; zero: all at once.
    pub join_within: Duration,
    /// CPUs for the load; empty: any. With [`Target::Spawn`] all but the first by default.
    pub cpus: Vec<usize>,
    /// Keep CPUs from halting, with threads that give way to everything.
    pub spinners: bool,
    /// Measure the floor before and after.
    pub floor: bool,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// An endpoint is no address.
    #[error("{0:?} is not an address of the form http://HOST[:PORT]/PATH")]
    Address(String),
    /// There is no server.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// A publisher got no connection.
    #[error("a publisher is refused: {0}")]
    Publish(DialError),
    /// A publisher's connection does not come about.
    #[error("not all publishers connected within 20 s: {0}")]
    Silent(String),
    /// The process to measure is not there.
    #[error("process {0} cannot be read: {1}; is --server-pid right?")]
    Process(u32, io::Error),
    /// No certificate.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The system refuses something.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs a test. GStreamer must be initialised.
///
/// # Errors
/// When there is no server, or its publishers are refused. What happens to subscribers is in the report.
pub async fn run(config: LoadConfig) -> Result<Report, LoadError> {
    let _spinners = config.spinners.then(|| Spinners::start(cpu_count()));
    let cpus = load_cpus(&config);
    let before = measure_if(&config, &cpus)?;
    let server = match config.target {
        Target::Spawn => Some(Server::start(0)?),
        Target::Running { .. } => None,
    };
    if !cpus.is_empty() {
        pin_this_process(&cpus)?;
    }
    let mut report = Run::new(&config, server.as_ref())?.run(&config).await?;
    drop(server);
    report.floor = before
        .zip(measure_if(&config, &cpus)?)
        .map(|(before, after)| [before, after]);
    Ok(report)
}

fn cpu_count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn load_cpus(config: &LoadConfig) -> Vec<usize> {
    match config.target {
        Target::Spawn if config.cpus.is_empty() && cpu_count() > 1 => (1..cpu_count()).collect(),
        _ => config.cpus.clone(),
    }
}

fn measure_if(config: &LoadConfig, cpus: &[usize]) -> io::Result<Option<Floor>> {
    let others = if cpus.is_empty() {
        (0..cpu_count()).collect()
    } else {
        cpus.to_vec()
    };
    config
        .floor
        .then(|| measure_floor(0, &others, config.subscribers.max(1)))
        .transpose()
}

/// Threads made later follow those that made them.
fn pin_this_process(cpus: &[usize]) -> io::Result<()> {
    for thread in std::fs::read_dir("/proc/self/task")? {
        let thread = thread?;
        // The spinners have their own; threads may end meanwhile.
        let name = std::fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        if let (false, Some(id)) = (
            name.starts_with("load-spinner"),
            thread.file_name().to_str().and_then(|id| id.parse().ok()),
        ) {
            sys::pin(id, cpus)?;
        }
    }
    Ok(())
}

/// A test under way.
struct Run {
    driver: Arc<Driver>,
    certificate: Arc<Certificate>,
    whip: String,
    whep: String,
    pid: Option<u32>,
    sessions: Vec<Uri>,
    failures: Vec<String>,
}

impl Run {
    fn new(config: &LoadConfig, server: Option<&Server>) -> Result<Run, LoadError> {
        let (whip, whep, pid) = match (&config.target, server) {
            (Target::Running { whip, whep, pid }, _) => (whip.clone(), whep.clone(), *pid),
            (Target::Spawn, Some(server)) => (
                format!("{}/whip/load?name=publisher-{{n}}", server.url),
                format!("{}/whep/load", server.url),
                Some(server.pid()),
            ),
            (Target::Spawn, None) => return Err(LoadError::Spawn(SpawnError::Ended)),
        };
        Ok(Run {
            driver: Arc::new(Driver::start()?),
            certificate: Arc::new(Certificate::generate()?),
            whip,
            whep,
            pid,
            sessions: Vec::new(),
            failures: Vec::new(),
        })
    }

    async fn run(mut self, config: &LoadConfig) -> Result<Report, LoadError> {
        self.publish(config).await?;
        if self.pid.is_some() {
            tokio::time::sleep(WARM_UP).await;
        }
        let rest = self.usage()?;
        let joining = Instant::now();
        self.subscribe(config).await?;
        let tracks = config.publishers * if config.audio { 2 } else { 1 };
        let progress = self.wait_for_pictures(config.subscribers, tracks).await;
        tokio::time::sleep(SETTLE).await;

        self.driver.begin();
        let (began, before) = (Instant::now(), self.usage()?);
        tokio::time::sleep(config.duration).await;
        let after = self.usage()?;
        self.driver.end();
        let seconds = began.elapsed().as_secs_f64();
        tokio::time::sleep(GRACE).await;

        let joins = joins(joining, config.subscribers, tracks, &progress);
        self.failures.extend(self.driver.progress(tracks).failures);
        for session in &self.sessions {
            // The server may have ended it.
            let _ = http::end(session).await;
        }
        let driver = Arc::into_inner(self.driver).expect("everybody who joins has joined");
        let media = media(driver.finish());
        let server = before.zip(after).zip(rest).map(|((before, after), rest)| {
            server_cost(
                after.since(before),
                rest,
                media.packets,
                config.subscribers,
                seconds,
            )
        });
        Ok(Report {
            publishers: config.publishers,
            subscribers: config.subscribers,
            seconds,
            media,
            joins,
            server,
            floor: None,
            failures: self.failures,
        })
    }

    fn usage(&self) -> Result<Option<Usage>, LoadError> {
        self.pid
            .map(|pid| Usage::of_tree(pid).map_err(|error| LoadError::Process(pid, error)))
            .transpose()
    }

    async fn publish(&mut self, config: &LoadConfig) -> Result<(), LoadError> {
        for n in 0..config.publishers {
            let endpoint = address(&self.whip.replace("{n}", &n.to_string()))?;
            let purpose = Purpose::Publish {
                audio: config.audio,
            };
            let mut call = dial::dial(&endpoint, purpose, &self.certificate)
                .await
                .map_err(LoadError::Publish)?;
            self.sessions.extend(call.resource.take());
            self.driver
                .add(Peer::new(Instant::now(), call, config.video));
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let progress = self.driver.progress(0);
            if progress.publishing == config.publishers {
                return Ok(());
            }
            if Instant::now() > deadline || !progress.failures.is_empty() {
                return Err(LoadError::Silent(progress.failures.join("; ")));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn subscribe(&mut self, config: &LoadConfig) -> Result<(), LoadError> {
        let endpoint = address(&self.whep)?;
        let audio = if config.audio { config.publishers } else { 0 };
        let purpose = Purpose::Receive {
            audio,
            video: config.publishers,
            arrivals: config.estimation,
        };
        let (began, video) = (Instant::now(), config.video);
        let join = |n: usize| {
            let (endpoint, certificate, driver) = (
                endpoint.clone(),
                self.certificate.clone(),
                self.driver.clone(),
            );
            let at = began
                + config
                    .join_within
                    .mul_f64(n as f64 / config.subscribers.max(1) as f64);
            async move {
                tokio::time::sleep_until(at.into()).await;
                let mut call = dial::dial(&endpoint, purpose, &certificate).await?;
                let session = call.resource.take();
                driver.add(Peer::new(Instant::now(), call, video));
                Ok(session)
            }
        };
        let joins: Vec<_> = (0..config.subscribers)
            .map(|n| tokio::spawn(join(n)))
            .collect();
        for join in joins {
            let joined: Result<Option<Uri>, DialError> = join.await.map_err(io::Error::other)?;
            match joined {
                Ok(session) => self.sessions.extend(session),
                Err(error) => self.failures.push(error.to_string()),
            }
        }
        Ok(())
    }

    /// Waits until everybody has pictures, and none of the past any more.
    async fn wait_for_pictures(&self, subscribers: usize, tracks: usize) -> Progress {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let progress = self.driver.progress(tracks);
            let ready =
                |joining: &&Joining| joining.playing >= tracks && joining.caught_up.is_some();
            let ready = progress.subscribers.iter().filter(ready).count();
            let lost = self.failures.len() + progress.failures.len();
            if ready + lost >= subscribers || Instant::now() > deadline {
                return progress;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

fn address(text: &str) -> Result<Uri, LoadError> {
    text.parse()
        .map_err(|_| LoadError::Address(text.to_owned()))
}

fn joins(joining: Instant, wanted: usize, tracks: usize, progress: &Progress) -> Joins {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let spread = |time: fn(&Joining) -> Option<Duration>| {
        Spread::of(
            progress
                .subscribers
                .iter()
                .filter_map(time)
                .map(ms)
                .collect(),
        )
    };
    let pictures = progress
        .subscribers
        .iter()
        .filter_map(|j| Some(j.began? + j.first_picture?));
    let all = pictures.clone().count() == wanted;
    Joins {
        playing: progress
            .subscribers
            .iter()
            .filter(|joining| joining.playing >= tracks)
            .count(),
        connected: spread(|joining| joining.connected),
        first_packet: spread(|joining| joining.first_packet),
        first_picture: spread(|joining| joining.first_picture),
        caught_up: spread(|joining| joining.caught_up),
        all_receiving: pictures
            .max()
            .filter(|_| all)
            .map(|last| ms(last - joining)),
    }
}

fn media(counts: Vec<Counts>) -> Media {
    let mut media = Media::default();
    let mut delays = Vec::new();
    for counts in counts {
        media.packets += counts.unique;
        media.lost += counts.expected.saturating_sub(counts.unique);
        media.duplicates += counts.duplicates;
        media.requested += counts.requested;
        delays.extend(counts.delays.into_iter().map(|us| f64::from(us) / 1e3));
    }
    media.delay = Spread::of(delays);
    media
}

fn server_cost(
    used: Usage,
    rest: Usage,
    packets: u64,
    subscribers: usize,
    seconds: f64,
) -> ServerCost {
    let per_packet = |time: Duration| time.as_secs_f64() * 1e6 / packets.max(1) as f64;
    let kib = |bytes: u64| bytes as f64 / 1024.0;
    ServerCost {
        cpu_per_packet: per_packet(used.cpu),
        user_per_packet: per_packet(used.user_time()),
        load: used.cpu.as_secs_f64() / seconds,
        kib_per_subscriber: kib(used.resident.saturating_sub(rest.resident))
            / subscribers.max(1) as f64,
        mib: kib(used.resident) / 1024.0,
        threads: [rest.threads, used.threads],
    }
}
