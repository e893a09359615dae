// SPDX-License-Identifier: MIT OR Apache-2.0
//! One cell of the table: two hosts, one method.

use std::fmt;
use std::time::Duration;

use super::{Lab, Peer, SERVER, Side, connects};
use crate::Result;
use crate::coturn::{Coturn, PASSWORD, USER};

/// How long two hosts that can hear each other may take. It is long, as it is only waited for by
/// those that should.
const SHOULD: Duration = Duration::from_secs(45);

/// How long those that cannot are listened to.
const CANNOT: Duration = Duration::from_secs(3);

/// How two hosts try to reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `stunsrc` and `udpsink` on both sides.
    Direct,
    /// A relay for each side, reached by UDP at port 3478.
    TurnUdp,
    /// The same by TCP, at port 3478.
    TurnTcp,
    /// The same by TLS, at port 443.
    TurnTls,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 4] = [
        Method::Direct,
        Method::TurnUdp,
        Method::TurnTcp,
        Method::TurnTls,
    ];

    /// One letter for tables: what comes first is best.
    pub fn letter(self) -> &'static str {
        match self {
            Method::Direct => "S",
            Method::TurnUdp => "U",
            Method::TurnTcp => "T",
            Method::TurnTls => "L",
        }
    }

    /// The properties of the source.
    pub fn properties(self, coturn: &Coturn) -> Vec<String> {
        let turn = format!("{USER}:{PASSWORD}@{SERVER}");
        let words = match self {
            Method::Direct => format!("stun-server=stun://{SERVER}:3478 classify-nat=false"),
            Method::TurnUdp => format!("turn-server=turn://{turn}:3478 timeout=5000"),
            Method::TurnTcp => {
                format!("turn-server=turn://{turn}:3478?transport=tcp timeout=5000")
            }
            Method::TurnTls => format!(
                "turn-server=turns://{turn}:443 timeout=5000 tls-ca-file={}",
                coturn.ca_file().display()
            ),
        };
        words.split(' ').map(str::to_owned).collect()
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Method::Direct => "STUN",
            Method::TurnUdp => "TURN/UDP",
            Method::TurnTcp => "TURN/TCP",
            Method::TurnTls => "TURN/TLS",
        })
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Both hear each other.
    Connected,
    /// They do not.
    Refused,
}

impl Outcome {
    /// What theory says.
    pub fn expected(lab: &Lab, method: Method) -> Outcome {
        match connects(method, lab.kind(Side::A), lab.kind(Side::B)) {
            true => Outcome::Connected,
            false => Outcome::Refused,
        }
    }
}

/// Two peers in a lab.
pub struct Cell {
    /// On host a.
    pub a: Peer,
    /// On host b.
    pub b: Peer,
}

impl Cell {
    /// Starts both.
    pub fn start(lab: &Lab, coturn: &Coturn, method: Method, program: &str) -> Result<Cell> {
        let properties = method.properties(coturn);
        Ok(Cell {
            a: Peer::start(lab, Side::A, program, &properties)?,
            b: Peer::start(lab, Side::B, program, &properties)?,
        })
    }

    /// What both said, for whoever wants to know why.
    pub fn output(&self) -> String {
        format!("-- a:\n{}\n-- b:\n{}", self.a.output(), self.b.output())
    }

    /// Introduces them to each other; false if one has no address to tell.
    pub async fn introduce(&mut self, within: Duration) -> Result<bool> {
        let both = async { tokio::join!(self.a.address(), self.b.address()) };
        let Ok((a, b)) = tokio::time::timeout(within, both).await else {
            return Ok(false);
        };
        let (Some(a), Some(b)) = (a?, b?) else {
            return Ok(false);
        };
        self.a.tell(b)?;
        self.b.tell(a)?;
        Ok(true)
    }

    /// Tries whether they hear each other.
    pub async fn outcome(&mut self, expected: Outcome) -> Result<Outcome> {
        let within = match expected {
            Outcome::Connected => SHOULD,
            Outcome::Refused => CANNOT,
        };
        if !self.introduce(within).await? {
            return Ok(Outcome::Refused);
        }
        let (a, b) = tokio::join!(self.a.hears(within), self.b.hears(within));
        Ok(match a? && b? {
            true => Outcome::Connected,
            false => Outcome::Refused,
        })
    }
}
