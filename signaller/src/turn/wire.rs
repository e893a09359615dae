// SPDX-License-Identifier: MIT OR Apache-2.0
//! A TCP connection that never blocks: what waits to be written, and what may still be read.

use mio::net::TcpStream;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::sync::Arc;

/// Most bytes that wait to be written; what comes beyond is for the caller to hold back, or to drop.
const MOST: usize = 256 * 1024;
/// Most bytes read in one go.
const READ: usize = 64 * 1024;

/// One end of a connection.
pub(super) struct Wire {
    socket: Socket,
    outgoing: Vec<u8>,
    /// The socket may have something to read.
    pub(super) readable: bool,
    /// The other side has said that there will be no more.
    pub(super) ended: bool,
}

enum Socket {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    pub(super) fn plain(socket: TcpStream) -> Wire {
        Wire::new(Socket::Plain(socket))
    }

    /// The server's end of a TLS connection; the handshake goes on with reading and flushing.
    pub(super) fn tls(socket: TcpStream, config: Arc<ServerConfig>) -> Result<Wire, rustls::Error> {
        let session = ServerConnection::new(config)?;
        let stream = StreamOwned::new(session, socket);
        Ok(Wire::new(Socket::Tls(Box::new(stream))))
    }

    fn new(socket: Socket) -> Wire {
        let mut wire = Wire {
            socket,
            outgoing: Vec::new(),
            readable: true,
            ended: false,
        };
        let _ = wire.tcp().set_nodelay(true);
        wire
    }

    /// The socket itself.
    pub(super) fn tcp(&mut self) -> &mut TcpStream {
        match &mut self.socket {
            Socket::Plain(socket) => socket,
            Socket::Tls(stream) => &mut stream.sock,
        }
    }

    /// Appends what there is to read to `into`, up to a limit; [`Wire::readable`] tells whether there may be more.
    pub(super) fn read(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        let before = into.len();
        while self.readable && !self.ended && into.len() - before < READ {
            let start = into.len();
            into.resize(start + READ / 4, 0);
            let read = self.socket.read(&mut into[start..]);
            into.truncate(start + read.as_ref().copied().unwrap_or(0));
            match read {
                Ok(0) => self.ended = true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether more may be written without too much waiting.
    pub(super) fn has_room(&self) -> bool {
        self.outgoing.len() < MOST
    }

    /// Whether everything has been written.
    pub(super) fn is_flushed(&self) -> bool {
        let encrypted = match &self.socket {
            Socket::Plain(_) => true,
            Socket::Tls(stream) => !stream.conn.wants_write(),
        };
        self.outgoing.is_empty() && encrypted
    }

    /// Writes, now or when the socket lets it. Look at [`Wire::has_room`] before.
    pub(super) fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.outgoing.extend_from_slice(data);
        self.flush()
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let mut written = 0;
        let result = loop {
            if written == self.outgoing.len() {
                break self.socket.flush();
            }
            match self.socket.write(&self.outgoing[written..]) {
                // Of TLS: its own buffer is full.
                Ok(0) => break Ok(()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.outgoing.drain(..written);
        match result {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(socket) => socket.read(into),
            Socket::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(socket) => socket.write(data),
            Socket::Tls(stream) => stream.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Socket::Plain(_) => Ok(()),
            Socket::Tls(stream) => stream.flush(),
        }
    }
}
