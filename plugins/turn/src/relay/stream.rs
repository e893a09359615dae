// SPDX-License-Identifier: MIT OR Apache-2.0
//! TCP and TLS to the server, without ever waiting.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use mio::net::TcpStream;
use openssl::ssl::{
    ErrorCode, HandshakeError, MidHandshakeSslStream, SslConnector, SslMethod, SslStream,
    SslVerifyMode,
};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

/// Bytes that wait to be sent at most: a second of 8 Mbit/s.
const MOST_WAITING: usize = 1 << 20;

/// How long the other side may leave bytes unacknowledged, and be silent, before it is dead.
const DEAD_AFTER: Duration = Duration::from_secs(3);

/// How the server shows that it is who it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Name or address in its certificate.
    pub host: String,
    /// File with certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether to check its certificate.
    pub verify: bool,
}

/// A connection that is being made, or stands.
pub(super) struct Stream {
    state: State,
    tls: Option<Tls>,
    waiting: Vec<u8>,
}

enum State {
    Connecting(TcpStream),
    Greeting(MidHandshakeSslStream<TcpStream>),
    Plain(TcpStream),
    Tls(SslStream<TcpStream>),
    Broken,
}

impl Stream {
    /// Starts to connect.
    pub(super) fn connect(
        from: SocketAddr,
        server: SocketAddr,
        tls: Option<Tls>,
    ) -> io::Result<Stream> {
        let socket = Socket::new(
            Domain::for_address(server),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_user_timeout(Some(DEAD_AFTER))?;
        let second = Duration::from_secs(1);
        socket.set_tcp_keepalive(
            &TcpKeepalive::new()
                .with_time(second)
                .with_interval(second)
                .with_retries(3),
        )?;
        if from.is_ipv4() == server.is_ipv4() {
            socket.bind(&from.into())?;
        }
        match socket.connect(&server.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        Ok(Stream {
            state: State::Connecting(TcpStream::from_std(socket.into())),
            tls,
            waiting: Vec::new(),
        })
    }

    /// The socket, to be told when it can be read or written.
    pub(super) fn socket(&mut self) -> Option<&mut TcpStream> {
        match &mut self.state {
            State::Connecting(socket) | State::Plain(socket) => Some(socket),
            State::Greeting(greeting) => Some(greeting.get_mut()),
            State::Tls(stream) => Some(stream.get_mut()),
            State::Broken => None,
        }
    }

    /// Goes on as far as it can be gone; true once it stands.
    pub(super) fn advance(&mut self) -> io::Result<bool> {
        loop {
            match std::mem::replace(&mut self.state, State::Broken) {
                State::Connecting(socket) => {
                    if !is_connected(&socket)? {
                        self.state = State::Connecting(socket);
                        return Ok(false);
                    }
                    self.state = match &self.tls {
                        None => State::Plain(socket),
                        Some(tls) => greet(tls, socket)?,
                    };
                }
                State::Greeting(greeting) => {
                    // Without progress this returns what it was given.
                    self.state = greeted(greeting.handshake())?;
                    if let State::Greeting(_) = self.state {
                        return Ok(false);
                    }
                }
                standing @ (State::Plain(_) | State::Tls(_)) => {
                    self.state = standing;
                    return Ok(true);
                }
                State::Broken => return Err(ErrorKind::NotConnected.into()),
            }
        }
    }

    /// The address it comes from.
    pub(super) fn local_address(&mut self) -> io::Result<SocketAddr> {
        match self.socket() {
            Some(socket) => socket.local_addr(),
            None => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// Reads what is there; 0 is the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.state {
            State::Plain(socket) => socket.read(buffer),
            State::Tls(stream) => read_tls(stream, buffer),
            _ => Err(ErrorKind::WouldBlock.into()),
        }
    }

    /// Sends it now or later; false if too much is waiting.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<bool> {
        if self.waiting.len() + bytes.len() > MOST_WAITING {
            return Ok(false);
        }
        self.waiting.extend_from_slice(bytes);
        self.flush().map(|()| true)
    }

    /// Sends what waits, as far as it goes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let mut sent = 0;
        let result = loop {
            let rest = &self.waiting[sent..];
            if rest.is_empty() {
                break Ok(());
            }
            let written = match &mut self.state {
                State::Plain(socket) => socket.write(rest),
                State::Tls(stream) => write_tls(stream, rest),
                _ => break Ok(()),
            };
            match written {
                Ok(0) => break Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.waiting.drain(..sent);
        result
    }
}

fn is_connected(socket: &TcpStream) -> io::Result<bool> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

fn greet(tls: &Tls, socket: TcpStream) -> io::Result<State> {
    let mut connector = SslConnector::builder(SslMethod::tls_client())?;
    if let Some(file) = &tls.ca_file {
        connector.set_ca_file(file).map_err(|error| {
            io::Error::other(format!(
                "cannot read certificates in {}: {error}",
                file.display()
            ))
        })?;
    }
    if !tls.verify {
        connector.set_verify(SslVerifyMode::NONE);
    }
    let mut configuration = connector.build().configure()?;
    configuration.set_verify_hostname(tls.verify);
    greeted(configuration.connect(&tls.host, socket))
}

fn greeted(result: Result<SslStream<TcpStream>, HandshakeError<TcpStream>>) -> io::Result<State> {
    match result {
        Ok(stream) => Ok(State::Tls(stream)),
        Err(HandshakeError::WouldBlock(greeting)) => Ok(State::Greeting(greeting)),
        Err(HandshakeError::SetupFailure(error)) => Err(error.into()),
        Err(HandshakeError::Failure(greeting)) => {
            let verdict = greeting.ssl().verify_result();
            let words = if verdict == openssl::x509::X509VerifyResult::OK {
                greeting.error().to_string()
            } else {
                format!(
                    "its certificate is not trusted ({verdict}); name one that is with tls-ca-file"
                )
            };
            Err(io::Error::new(ErrorKind::InvalidData, words))
        }
    }
}

fn read_tls(stream: &mut SslStream<TcpStream>, buffer: &mut [u8]) -> io::Result<usize> {
    match stream.ssl_read(buffer) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.code() == ErrorCode::ZERO_RETURN => Ok(0),
        Err(error) => Err(io_error(error)),
    }
}

fn write_tls(stream: &mut SslStream<TcpStream>, bytes: &[u8]) -> io::Result<usize> {
    stream.ssl_write(bytes).map_err(io_error)
}

fn io_error(error: openssl::ssl::Error) -> io::Error {
    match error.code() {
        ErrorCode::WANT_READ | ErrorCode::WANT_WRITE => ErrorKind::WouldBlock.into(),
        _ => error.into_io_error().unwrap_or_else(io::Error::other),
    }
}
