// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two pages of real browsers in the lab, which the test introduces to each other as a signaller would.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Lab, Method, Outcome, SERVER, Side, connects};
use crate::browser::Kind as BrowserKind;
use crate::coturn::{PASSWORD, USER};
use crate::{Browser, Page, Result};

/// How long each step of two that can connect may take.
const SHOULD: Duration = Duration::from_secs(45);

/// How long those that cannot are watched.
const CANNOT: Duration = Duration::from_secs(3);

/// The lab's certificate is not one that browsers know.
const FLAGS: &[&str] = &["--ignore-certificate-errors"];

/// A connection with one data channel; each side says hello to the other.
const START: &str = r"
config => {
    const pc = window.pc = new RTCPeerConnection(config);
    window.hello = false;
    const channel = pc.createDataChannel('lab', { negotiated: true, id: 0 });
    channel.onopen = () => channel.send('hello');
    channel.onmessage = () => { window.hello = true; };
    const all = new Promise(gathered => {
        pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && gathered();
    });
    window.described = async within => {
        await pc.setLocalDescription();
        // A connection to a server that is not let out is tried for minutes.
        await Promise.race([all, new Promise(late => setTimeout(late, within))]);
        return pc.localDescription.sdp;
    };
    return true;
}";

/// A Chromium on each host.
pub struct Pages {
    a: (Page, Browser),
    b: (Page, Browser),
}

impl Pages {
    /// Starts both, for any number of methods.
    pub async fn start(lab: &Lab) -> Result<Pages> {
        let (a, b) = tokio::join!(page(lab, Side::A), page(lab, Side::B));
        Ok(Pages { a: a?, b: b? })
    }

    /// Tries whether they hear each other, the server being ours.
    pub async fn outcome(&self, lab: &Lab, method: Method) -> Result<Outcome> {
        let config = config(method);
        for page in [&self.a.0, &self.b.0] {
            page.eval::<bool>(&format!("({START})({config})")).await?;
        }
        let within = match connects(method, lab.kind(Side::A), lab.kind(Side::B)) {
            true => SHOULD,
            false => CANNOT,
        };
        let described = format!("described({})", within.as_millis());
        let offer: String = self.a.0.eval(&described).await?;
        let take = |kind: &str, sdp: &str| {
            let description = json!({ "type": kind, "sdp": sdp });
            format!("pc.setRemoteDescription({description}).then(() => true)")
        };
        self.b.0.eval::<bool>(&take("offer", &offer)).await?;
        let answer: String = self.b.0.eval(&described).await?;
        self.a.0.eval::<bool>(&take("answer", &answer)).await?;
        let (a, b) = tokio::join!(hello(&self.a.0, within), hello(&self.b.0, within));
        for page in [&self.a.0, &self.b.0] {
            page.eval::<bool>("(pc.close(), true)").await?;
        }
        Ok(match a? && b? {
            true => Outcome::Connected,
            false => Outcome::Refused,
        })
    }
}

async fn page(lab: &Lab, side: Side) -> Result<(Page, Browser)> {
    let host = lab.host_space(side);
    let browser = Browser::launch_inside(BrowserKind::Chromium, FLAGS, &host).await?;
    Ok((browser.open("about:blank").await?, browser))
}

/// Whether the other one was heard; that it is not may be as it should.
async fn hello(page: &Page, within: Duration) -> Result<bool> {
    let until = Instant::now() + within;
    while !page.eval::<bool>("hello").await? {
        if Instant::now() > until {
            return Ok(false);
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(true)
}

/// The `RTCConfiguration`: one server, and only what it gives.
fn config(method: Method) -> serde_json::Value {
    let (url, policy) = match method {
        Method::Direct => (format!("stun:{SERVER}:3478"), "all"),
        Method::TurnUdp => (format!("turn:{SERVER}:3478?transport=udp"), "relay"),
        Method::TurnTcp => (format!("turn:{SERVER}:3478?transport=tcp"), "relay"),
        Method::TurnTls => (format!("turns:{SERVER}:443?transport=tcp"), "relay"),
    };
    let server = json!({ "urls": [url], "username": USER, "credential": PASSWORD });
    json!({ "iceServers": [server], "iceTransportPolicy": policy })
}
