// SPDX-License-Identifier: MIT OR Apache-2.0
//! Starting a node: check, bind, spawn; what was begun is undone when something fails.

use super::input::{self, Reporter};
use super::network::Network;
use super::outlets::Outlets;
use super::state::{Settings, State, TrackIds};
use super::{Hub, HubConfig, HubObserver, LOCAL_ROOM, StartError, name};
use crate::io::{Command, Listening, Mailbox, TcpLimits, Worker, WorkerConfig, WorkerObserver};
use crate::node::SignallerAddress;
use gst_rtc_core::engine::{self, EngineConfig};
use gst_rtc_core::session::Certificate;
use rand::RngExt;
use std::io;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::{self, Runtime};
use tokio::sync::mpsc::unbounded_channel;

/// Most workers: other parts keep one bit for each.
const MOST_WORKERS: usize = 64;
/// How long stopping waits for a name look-up.
const LOOK_UP: Duration = Duration::from_millis(100);
/// Seconds from the beginning of NTP time (1900) to that of Unix time (1970) (RFC 5905 §6).
const NTP_TO_UNIX: u64 = 2_208_988_800;

pub(super) fn start(config: HubConfig, observer: Arc<dyn HubObserver>) -> Result<Hub, StartError> {
    let count = worker_count(&config)?;
    let only_room = config
        .room
        .clone()
        .filter(|_| config.signaller_uri.is_some());
    if let Some(room) = config.room.as_ref().filter(|room| !name::is_room(room)) {
        return Err(StartError::Room(room.clone()));
    }
    let signaller = config.signaller_uri.as_deref();
    let signaller = signaller
        .map(|uri| SignallerAddress::parse(uri, only_room.as_deref()))
        .transpose()?;
    let listening = bind(&config, count)?;
    let certificate =
        Certificate::generate().map_err(|e| StartError::Certificate(e.to_string()))?;
    let certificate = Arc::new(certificate);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("runtime of the hub"))?;

    let boxes = (0..count)
        .map(|_| Mailbox::new())
        .collect::<io::Result<Vec<_>>>()
        .map_err(system("eventfd of a worker"))?;
    let (mailboxes, commands): (Vec<_>, Vec<_>) = boxes.into_iter().unzip();
    let workers: Arc<[Arc<Mailbox>]> = mailboxes.into();
    let (input, inputs) = unbounded_channel();
    let reporter: Arc<dyn WorkerObserver> = Arc::new(Reporter {
        input: input.clone(),
        observer: observer.clone(),
    });
    let bound = listening.iter().map(Listening::addresses).collect();
    let mut threads = Threads {
        list: Vec::new(),
        workers: workers.clone(),
    };
    for (index, (listening, commands)) in listening.into_iter().zip(commands).enumerate() {
        let config = WorkerConfig {
            engine: engine_config(index as u8, certificate.clone()),
            listening,
            tcp: TcpLimits {
                connections: config.limits.tcp_connections,
                first_packet: config.limits.tcp_first_packet,
            },
            commands,
            workers: workers.clone(),
            observer: reporter.clone(),
        };
        let worker = Worker::new(config).map_err(system("epoll of a worker"))?;
        threads.spawn(format!("rtcsfu-w{index}"), move || worker.run())?;
    }

    let track_ids = TrackIds::default();
    let settings = Settings {
        token: config.token,
        limits: config.limits,
        network: Network {
            bound,
            public: config.public_address,
        },
        fingerprint: certificate.fingerprint(),
    };
    let out = Outlets {
        workers: workers.clone(),
        observer,
        signaller: None,
    };
    let state = State::new(settings, out, track_ids.clone());
    let to_self = input.clone();
    threads.spawn("rtcsfu-hub".into(), move || {
        block(runtime, input::run(state, inputs, to_self, signaller))
    })?;
    let mut list = threads.finish();
    list.rotate_right(1);
    Ok(Hub {
        workers,
        input,
        track_ids,
        next_tap: AtomicU32::new(0),
        only: only_room.is_some(),
        room: config.room.or_else(|| {
            config
                .signaller_uri
                .is_none()
                .then(|| LOCAL_ROOM.to_owned())
        }),
        threads: Mutex::new(list),
    })
}

fn block(runtime: Runtime, task: impl Future<Output = ()>) {
    runtime.block_on(task);
    // A name look-up runs on a thread of its own and cannot be interrupted; it is not waited for long.
    runtime.shutdown_timeout(LOOK_UP);
}

fn system(what: &'static str) -> impl Fn(io::Error) -> StartError {
    move |source| StartError::System { what, source }
}

fn worker_count(config: &HubConfig) -> Result<usize, StartError> {
    match config.workers {
        0 => Ok(thread::available_parallelism()
            .map_or(1, usize::from)
            .min(MOST_WORKERS)),
        count if count <= MOST_WORKERS => Ok(count),
        count => Err(StartError::Workers(count)),
    }
}

fn bind(config: &HubConfig, workers: usize) -> Result<Vec<Listening>, StartError> {
    if config.listen.is_empty() {
        return Err(StartError::NoAddress);
    }
    for port in config.listen.iter().map(|address| address.port()) {
        if port != 0 && usize::from(port) + workers > 65_536 {
            return Err(StartError::Ports { port, workers });
        }
    }
    (0..workers)
        .map(|worker| Listening::bind(&config.listen, worker as u16))
        .collect()
}

fn engine_config(worker: u8, certificate: Arc<Certificate>) -> EngineConfig {
    EngineConfig {
        seed: rand::rng().random(),
        certificate,
        worker,
        ntp: ntp_now(),
        limits: engine::Limits::default(),
    }
}

/// The time of day as NTP has it, 32.32 fixed point.
fn ntp_now() -> u64 {
    // A clock before 1970 is wrong anyway; only differences matter.
    let unix = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
    unix.as_secs().wrapping_add(NTP_TO_UNIX) << 32 | fraction
}

/// Threads of a node that is starting; stopped when it does not come to that.
struct Threads {
    list: Vec<JoinHandle<()>>,
    workers: Arc<[Arc<Mailbox>]>,
}

impl Threads {
    fn spawn(
        &mut self,
        name: String,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), StartError> {
        let thread = thread::Builder::new()
            .name(name)
            .spawn(run)
            .map_err(system("thread"))?;
        self.list.push(thread);
        Ok(())
    }

    fn finish(mut self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut self.list)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if self.list.is_empty() {
            return;
        }
        self.workers
            .iter()
            .for_each(|worker| worker.send(Command::Stop));
        for thread in self.list.drain(..) {
            // A worker that has only just begun has nothing to panic about; if it does, the start has failed already.
            let _ = thread.join();
        }
    }
}
