// SPDX-License-Identifier: MIT OR Apache-2.0
//! Accepts TCP connections and speaks HTTP/1.1 on them, with limits against slow and large requests.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long the head of a request may take. Also how long an idle connection is kept.
const HEAD: Duration = Duration::from_secs(15);
/// How large the head of a request may be, in bytes.
const HEAD_SIZE: usize = 64 * 1024;
/// How many headers a request may have.
const HEADERS: usize = 100;
/// How many connections there may be at once.
const CONNECTIONS: usize = 20_000;
/// How long to wait when the system has no file descriptor left.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);

/// Serves until told to stop, then gives open connections the chance to end.
pub(super) async fn accept(
    listener: TcpListener,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < CONNECTIONS => {
                    connections.spawn(serve(stream, router.clone(), stopped.clone()));
                }
                Ok(_) => tracing::warn!("refused a connection: {CONNECTIONS} are open"),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            _ = stopped.changed() => break,
        }
    }
    drop(listener);
}

async fn serve(stream: TcpStream, router: Router, mut stopped: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_SIZE)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        result = connection.as_mut() => {
            if let Err(error) = result {
                tracing::debug!(%error, "an HTTP connection ended");
            }
        }
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
