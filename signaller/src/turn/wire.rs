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

    fn is_shaking_hands(&self) -> bool {
        match &self.socket {
            Socket::Plain(_) => false,
            Socket::Tls(stream) => stream.conn.is_handshaking(),
        }
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
        // To write, TLS has to shake hands, and reads for that: what comes right behind is with it then, and not in the socket, which
        // will not say that there is something.
        self.readable |= self.is_shaking_hands();
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

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore};
    use std::net::{Ipv4Addr, SocketAddr};
    use std::thread::{JoinHandle, sleep, spawn};
    use std::time::{Duration, Instant};

    const DEADLINE: Duration = Duration::from_secs(60);

    fn configs() -> (ServerConfig, ClientConfig) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let made = made.expect("a certificate");
        let certificate = CertificateDer::from(made.cert.der().to_vec());
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let mut trusted = RootCertStore::empty();
        trusted.add(certificate.clone()).expect("a certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("known versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("they belong together");
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("known versions")
            .with_root_certificates(trusted)
            .with_no_client_auth();
        (server, client)
    }

    /// A client that says something with the last message of its handshake.
    fn client(config: ClientConfig, server: SocketAddr) -> JoinHandle<std::net::TcpStream> {
        spawn(move || {
            let name = ServerName::try_from("localhost").expect("a name");
            let mut session = ClientConnection::new(Arc::new(config), name).expect("a session");
            session.writer().write_all(b"hello").expect("room");
            let mut socket = std::net::TcpStream::connect(server).expect("a server");
            while session.is_handshaking() || session.wants_write() {
                session.complete_io(&mut socket).expect("a handshake");
            }
            socket
        })
    }

    /// Writing shakes hands, and so takes from the socket what is right behind: no event tells of it any more.
    #[test]
    fn what_comes_with_the_end_of_a_handshake_is_read() {
        let (server, config) = configs();
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let client = client(config, listener.local_addr().expect("an address"));
        let (socket, _) = listener.accept().expect("a client");
        socket.set_nonblocking(true).expect("a socket");
        let mut wire = Wire::tls(TcpStream::from_std(socket), Arc::new(server)).expect("a session");
        let until = Instant::now() + DEADLINE;
        while wire.is_shaking_hands() {
            wire.readable = false;
            wire.flush().expect("a handshake");
            assert!(Instant::now() < until, "no handshake");
            sleep(Duration::from_millis(1));
        }
        assert!(wire.readable, "there may be something");
        let mut data = Vec::new();
        while data.is_empty() {
            wire.read(&mut data).expect("data");
            assert!(Instant::now() < until, "no data");
            // An event would say so of what came later.
            wire.readable = true;
        }
        assert_eq!(data, b"hello");
        drop(client.join());
    }
}
