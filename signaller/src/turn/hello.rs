// SPDX-License-Identifier: MIT OR Apache-2.0
//! The door for DTLS: who knocks gets a cookie, and only who brings it back is remembered.

use super::cookie::{Baker, Pair};
use super::error::TurnError;
use super::session::Session;
use super::tls::TlsFiles;
use foreign_types::ForeignTypeRef;
use gst_rtc_core::datagrams::Datagrams;
use gst_rtc_core::turn::FiveTuple;
use openssl::error::ErrorStack;
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslFiletype, SslMethod, SslOptions, SslRef,
    SslSessionCacheMode, SslStream, SslVersion,
};
use std::ffi::{c_int, c_void};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The largest datagram of a handshake, without IP and UDP; it fits any path.
const MTU: u32 = 1200;
/// With forward secrecy and authenticated encryption.
const CIPHERS: &str = "ECDHE+AESGCM:ECDHE+CHACHA20";

/// Bytes of a record header (RFC 6347 §4.1), and of that of a handshake message (§4.2.2) with the version after it.
const BEFORE_RANDOM: usize = 13 + 12 + 2;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// Greets clients.
pub(super) struct Door {
    context: SslContext,
    baker: Baker,
    /// Of whoever is looked at.
    cookies: Arc<Mutex<Pair>>,
    /// Waits for a hello with a cookie, and then becomes a session.
    listening: SslStream<Datagrams>,
    /// OpenSSL wants to write down who came, which it cannot know.
    nobody: Address,
}

/// What becomes of a hello.
pub(super) enum Greeting {
    /// Nothing.
    Ignored,
    /// To be sent back: a cookie, or why there will be no session.
    Answer(Vec<u8>),
    /// It is from where it says.
    Welcome(Box<Session>),
}

impl Door {
    /// `key` must be random and known to nobody: cookies are made of it.
    pub(super) fn new(now: Instant, files: &TlsFiles, key: &[u8; 32]) -> Result<Door, TurnError> {
        let cookies = Arc::new(Mutex::new(Pair::default()));
        let context = context(files, &cookies).map_err(|error| {
            TurnError::Config(format!(
                "the certificate in {} and the key in {} cannot be used for DTLS: {error}",
                files.certificates.display(),
                files.key.display()
            ))
        })?;
        let system = |error: ErrorStack| TurnError::System(error.into());
        Ok(Door {
            listening: listening(&context).map_err(system)?,
            baker: Baker::new(now, key).map_err(system)?,
            context,
            cookies,
            nobody: Address::new().map_err(system)?,
        })
    }

    /// Takes a datagram of somebody unknown.
    pub(super) fn knock(&mut self, now: Instant, path: &FiveTuple, data: &[u8]) -> Greeting {
        let Some(random) = random_of_hello(data) else {
            return Greeting::Ignored;
        };
        let Ok(cookies) = self.baker.pair(now, path) else {
            return Greeting::Ignored;
        };
        *self.cookies.lock().unwrap_or_else(PoisonError::into_inner) = cookies;
        // Nothing is encrypted yet.
        self.listening.get_mut().arrive(data, 0);
        if !listen(self.listening.ssl(), &self.nobody) {
            drop(ErrorStack::get());
            let answer = self.listening.get_mut().drain_written().next();
            return answer.map_or(Greeting::Ignored, Greeting::Answer);
        }
        let Ok(next) = listening(&self.context) else {
            return Greeting::Ignored;
        };
        let stream = std::mem::replace(&mut self.listening, next);
        let mut session = Session::new(now, stream, *path, random);
        // Its hello is looked at now, as long as its cookie is known.
        match session.shake_hands() {
            Ok(()) => Greeting::Welcome(Box::new(session)),
            // Why not.
            Err(_) => match session.poll_transmit() {
                Some(alert) => Greeting::Answer(alert),
                None => Greeting::Ignored,
            },
        }
    }
}

/// The random bytes of a ClientHello in the clear.
pub(super) fn random_of_hello(data: &[u8]) -> Option<[u8; 32]> {
    let hello = data.first() == Some(&HANDSHAKE)
        && data.get(3..5) == Some(&[0, 0])
        && data.get(13) == Some(&CLIENT_HELLO);
    let rest = data.get(BEFORE_RANDOM..).filter(|_| hello)?;
    rest.first_chunk().copied()
}

fn context(files: &TlsFiles, cookies: &Arc<Mutex<Pair>>) -> Result<SslContext, ErrorStack> {
    let mut builder = SslContext::builder(SslMethod::dtls())?;
    builder.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    builder.set_cipher_list(CIPHERS)?;
    builder.set_options(
        SslOptions::NO_TICKET | SslOptions::NO_RENEGOTIATION | SslOptions::NO_QUERY_MTU,
    );
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_certificate_chain_file(&files.certificates)?;
    builder.set_private_key_file(&files.key, SslFiletype::PEM)?;
    builder.check_private_key()?;
    set_cookies(&mut builder, cookies);
    Ok(builder.build())
}

fn set_cookies(builder: &mut SslContextBuilder, cookies: &Arc<Mutex<Pair>>) {
    let known = cookies.clone();
    builder.set_cookie_generate_cb(move |_, buffer| {
        let cookies = known.lock().unwrap_or_else(PoisonError::into_inner);
        let cookie = cookies.fresh();
        buffer[..cookie.len()].copy_from_slice(cookie);
        Ok(cookie.len())
    });
    let known = cookies.clone();
    builder.set_cookie_verify_cb(move |_, cookie| {
        let cookies = known.lock().unwrap_or_else(PoisonError::into_inner);
        cookies.accepts(cookie)
    });
}

fn listening(context: &SslContext) -> Result<SslStream<Datagrams>, ErrorStack> {
    let mut ssl = Ssl::new(context)?;
    ssl.set_mtu(MTU)?;
    ssl.set_accept_state();
    SslStream::new(ssl, Datagrams::default())
}

unsafe extern "C" {
    fn DTLSv1_listen(ssl: *mut openssl_sys::SSL, peer: *mut c_void) -> c_int;
    fn BIO_ADDR_new() -> *mut c_void;
    fn BIO_ADDR_free(address: *mut c_void);
}

/// OpenSSL's kind of address.
struct Address(*mut c_void);

impl Address {
    fn new() -> Result<Address, ErrorStack> {
        // SAFETY: it takes nothing, and gives memory that we own, or null.
        let address = unsafe { BIO_ADDR_new() };
        match address.is_null() {
            true => Err(ErrorStack::get()),
            false => Ok(Address(address)),
        }
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        // SAFETY: ours, from `BIO_ADDR_new`, and freed once.
        unsafe { BIO_ADDR_free(self.0) }
    }
}

// SAFETY: it is plain memory that no thread knows but the one that has the value.
unsafe impl Send for Address {}

/// Looks at a hello without keeping anything of it; true when its cookie is good. Else a cookie may have been written.
fn listen(ssl: &SslRef, peer: &Address) -> bool {
    // SAFETY: both pointers are live, and not shared: the caller has borrowed the stream and the address for itself.
    unsafe { DTLSv1_listen(ssl.as_ptr(), peer.0) == 1 }
}

#[cfg(test)]
mod tests;
