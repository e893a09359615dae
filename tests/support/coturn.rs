// SPDX-License-Identifier: MIT OR Apache-2.0
//! Debian's `turnserver`: a STUN and TURN server that nobody here wrote.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use tempfile::TempDir;

use crate::port::free_port;
use crate::{DEADLINE, Failure, Process, Result};

/// User name that every [`Coturn`] knows.
pub const USER: &str = "ann";

/// Its password.
pub const PASSWORD: &str = "s3cret";

/// A running `turnserver` on the loopback interface, which relays to there too.
pub struct Coturn {
    /// None only in between two.
    process: Option<Process>,
    folder: TempDir,
    place: Place,
}

/// Where it runs.
struct Place {
    /// Start of the command line, to run it elsewhere than here.
    inside: Vec<String>,
    addresses: Vec<IpAddr>,
    port: u16,
    tls_port: u16,
}

impl Coturn {
    /// On 127.0.0.1.
    pub async fn start() -> Result<Coturn> {
        Coturn::on(&[[127, 0, 0, 1].into()]).await
    }

    /// On these addresses; two make it tell kinds of NAT (RFC 5780).
    pub async fn on(addresses: &[IpAddr]) -> Result<Coturn> {
        let coturn = Coturn::run(Place {
            inside: Vec::new(),
            addresses: addresses.to_vec(),
            port: free_port()?,
            tls_port: free_port()?,
        })?;
        coturn.answers().await?;
        Ok(coturn)
    }

    /// In a network namespace, on the ports that it has everywhere, with TLS on that of the web.
    /// Whether it answers already, only those inside can see.
    pub fn inside(command: Vec<String>, addresses: &[IpAddr]) -> Result<Coturn> {
        Coturn::run(Place {
            inside: command,
            addresses: addresses.to_vec(),
            port: 3478,
            tls_port: 443,
        })
    }

    fn run(place: Place) -> Result<Coturn> {
        let folder = tempfile::tempdir()?;
        write_certificate(folder.path())?;
        let process = place.run(folder.path())?;
        Ok(Coturn {
            process: Some(process),
            folder,
            place,
        })
    }

    /// Kills it, and starts another that knows nothing of the first one's allocations.
    pub async fn restart(&mut self) -> Result {
        // The new one is started only when the old one is dead and has let go of its ports.
        drop(self.process.take());
        self.process = Some(self.place.run(self.folder.path())?);
        if self.place.inside.is_empty() {
            self.answers().await?;
        }
        Ok(())
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.place.addresses[0], self.place.port)
    }

    /// `turn://…` by UDP, or with a query by something else.
    pub fn turn_uri(&self, query: &str) -> String {
        format!("turn://{USER}:{PASSWORD}@{}{query}", self.address())
    }

    /// `turns://…`.
    pub fn turns_uri(&self) -> String {
        let address = SocketAddr::new(self.place.addresses[0], self.place.tls_port);
        format!("turns://{USER}:{PASSWORD}@{address}")
    }

    /// What makes an element use it by UDP, TCP and TLS.
    pub fn ways(&self) -> [String; 3] {
        let tls_ca_file = self.ca_file();
        [
            format!("turn-server={}", self.turn_uri("")),
            format!("turn-server={}", self.turn_uri("?transport=tcp")),
            format!(
                "turn-server={} tls-ca-file={}",
                self.turns_uri(),
                tls_ca_file.display()
            ),
        ]
    }

    /// `stun://…`.
    pub fn stun_uri(&self) -> String {
        format!("stun://{}", self.address())
    }

    /// The certificate that makes `turns://` trustworthy.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// Waits until it answers a Binding request.
    async fn answers(&self) -> Result {
        let socket = tokio::net::UdpSocket::bind((self.place.addresses[0], 0)).await?;
        socket.connect(self.address()).await?;
        let mut request = [0; 20];
        request[..8].copy_from_slice(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
        let until = Instant::now() + DEADLINE;
        let mut answer = [0; 256];
        while Instant::now() < until {
            // Refused as long as nobody is there.
            let _ = socket.send(&request).await;
            let wait = Duration::from_millis(50);
            match tokio::time::timeout(wait, socket.recv(&mut answer)).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(_)) => tokio::time::sleep(wait).await,
                Err(_) => {}
            }
        }
        Err(match &self.process {
            Some(process) => process.failure("does not answer"),
            None => Failure::new("turnserver does not run"),
        })
    }
}

impl Place {
    fn run(&self, folder: &Path) -> Result<Process> {
        let mut words = self.inside.iter().map(String::as_str).chain(["turnserver"]);
        let mut command = Command::new(words.next().unwrap_or("turnserver"));
        command.args(words);
        command.args(["-n", "--lt-cred-mech", "--realm=test", "--no-cli"]);
        command.args(["--allow-loopback-peers", "--log-file=stdout", "--no-dtls"]);
        command.arg(format!("--user={USER}:{PASSWORD}"));
        command.arg(format!("--listening-port={}", self.port));
        command.arg(format!("--tls-listening-port={}", self.tls_port));
        for address in &self.addresses {
            command.arg(format!("--listening-ip={address}"));
        }
        command.arg(format!("--relay-ip={}", self.addresses[0]));
        for (option, file) in [
            ("cert", "cert.pem"),
            ("pkey", "key.pem"),
            ("userdb", "users.db"),
            ("pidfile", "pid"),
        ] {
            command.arg(format!("--{option}={}", folder.join(file).display()));
        }
        Process::start(&mut command)
    }
}

/// A self-signed certificate for the loopback addresses, in `cert.pem` and `key.pem`.
pub fn write_certificate(folder: &Path) -> Result {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("CN", "gst-rtc tests")?;
    let name = name.build();
    let mut certificate = X509::builder()?;
    certificate.set_version(2)?;
    certificate.set_serial_number(&*BigNum::from_u32(1)?.to_asn1_integer()?)?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(&name)?;
    certificate.set_pubkey(&key)?;
    certificate.set_not_before(&*Asn1Time::days_from_now(0)?)?;
    certificate.set_not_after(&*Asn1Time::days_from_now(2)?)?;
    let context = certificate.x509v3_context(None, None);
    let names = SubjectAlternativeName::new()
        .dns("localhost")
        .ip("127.0.0.1")
        .ip("203.0.113.2")
        .build(&context)?;
    certificate.append_extension(names)?;
    certificate.append_extension(BasicConstraints::new().critical().ca().build()?)?;
    certificate.sign(&key, MessageDigest::sha256())?;
    let certificate = certificate.build();
    std::fs::write(folder.join("cert.pem"), certificate.to_pem()?)?;
    std::fs::write(folder.join("key.pem"), key.private_key_to_pem_pkcs8()?)?;
    Ok(())
}
