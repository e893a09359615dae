// SPDX-License-Identifier: MIT OR Apache-2.0
//! A TCP connection that never blocks: what waits to be written, and what may still be read.

use mio::net::TcpStream;
use std::io::{self, Read, Write};

/// Most bytes that wait to be written; what comes beyond is for the caller to hold back, or to drop.
const MOST: usize = 256 * 1024;
/// Most bytes read in one go.
const READ: usize = 64 * 1024;

/// One end of a connection.
pub(super) struct Wire {
    pub(super) socket: TcpStream,
    outgoing: Vec<u8>,
    /// The socket may have something to read.
    pub(super) readable: bool,
    /// The other side has said that there will be no more.
    pub(super) ended: bool,
}

impl Wire {
    pub(super) fn new(socket: TcpStream) -> Wire {
        let _ = socket.set_nodelay(true);
        Wire {
            socket,
            outgoing: Vec::new(),
            readable: true,
            ended: false,
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
        self.outgoing.is_empty()
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
                break Ok(());
            }
            match self.socket.write(&self.outgoing[written..]) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.outgoing.drain(..written);
        result
    }
}
