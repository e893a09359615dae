// SPDX-License-Identifier: MIT OR Apache-2.0
//! Chromium by the Chrome DevTools Protocol.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};

use super::console::Consoles;
use super::rpc::{Event, Rpc};
use crate::spaces::Space;
use crate::{Failure, Process, Result};

/// Fake devices, no questions, no traffic of the browser's own, no throttling of tabs.
const FLAGS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--remote-debugging-port=0",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-features=WebRtcHideLocalIpsWithMdns,Translate,OptimizationHints,MediaRouter",
    "--allow-loopback-in-peer-connection",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-sync",
    "--mute-audio",
    "--no-default-browser-check",
    "--no-first-run",
    "--window-size=1000,700",
];

/// A running Chromium.
pub(super) struct Chromium {
    rpc: Arc<Rpc>,
    consoles: Consoles,
}

/// One of its tabs, in a browser context of its own: nothing is shared with the others.
pub(super) struct Tab {
    rpc: Arc<Rpc>,
    session: String,
    target: String,
    consoles: Consoles,
}

/// How to start it with that profile.
pub(super) fn command(profile: &Path, more: &[&str]) -> Command {
    let mut command = Command::new("chromium");
    command
        .args(FLAGS)
        .args(more)
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg("about:blank");
    command
}

impl Chromium {
    /// Connects to a browser that was just started.
    pub(super) async fn connect(process: &Process, space: Option<&Space>) -> Result<Chromium> {
        let address = process
            .line("DevTools address", |line| {
                line.strip_prefix("DevTools listening on ")
                    .map(str::to_owned)
            })
            .await?;
        let consoles = Consoles::default();
        let heard = consoles.clone();
        let rpc = Rpc::connect(&address, space, move |event| note(&heard, &event)).await?;
        Ok(Chromium {
            rpc: Arc::new(rpc),
            consoles,
        })
    }

    /// A new tab.
    pub(super) async fn open(&self) -> Result<Tab> {
        let context = self
            .rpc
            .call(None, "Target.createBrowserContext", json!({}))
            .await?;
        let target = self
            .rpc
            .call(
                None,
                "Target.createTarget",
                json!({
                    "url": "about:blank",
                    "browserContextId": context["browserContextId"],
                    "newWindow": true,
                }),
            )
            .await?;
        let target = string(&target, "targetId")?;
        let attach = json!({ "targetId": target, "flatten": true });
        let attached = self.rpc.call(None, "Target.attachToTarget", attach).await?;
        let tab = Tab {
            rpc: self.rpc.clone(),
            session: string(&attached, "sessionId")?,
            target,
            consoles: self.consoles.clone(),
        };
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            tab.call(domain, json!({})).await?;
        }
        let focus = json!({ "enabled": true });
        tab.call("Emulation.setFocusEmulationEnabled", focus)
            .await?;
        Ok(tab)
    }
}

impl Tab {
    async fn call(&self, method: &str, params: Value) -> Result<Value> {
        self.rpc.call(Some(&self.session), method, params).await
    }

    /// Goes to an address; returns when the new document is there, not yet loaded.
    pub(super) async fn goto(&self, url: &str) -> Result {
        let result = self.call("Page.navigate", json!({ "url": url })).await?;
        match result["errorText"].as_str() {
            Some(error) => Err(Failure::new(format!("{url}: {error}"))),
            None => Ok(()),
        }
    }

    /// Content security policies hold no more.
    pub(super) async fn bypass_policy(&self) -> Result {
        let enabled = json!({ "enabled": true });
        self.call("Page.setBypassCSP", enabled).await.map(drop)
    }

    /// Runs a script at the beginning of every document to come.
    pub(super) async fn begin_with(&self, script: &str) -> Result {
        let method = "Page.addScriptToEvaluateOnNewDocument";
        let source = json!({ "source": script });
        self.call(method, source).await.map(drop)
    }

    /// Evaluates an expression whose value, or whose promise's value, is a string.
    pub(super) async fn eval(&self, expression: &str) -> Result<String> {
        let evaluate = json!({
            "expression": expression,
            "awaitPromise": true,
            "returnByValue": true,
            "userGesture": true,
        });
        let result = self.call("Runtime.evaluate", evaluate).await?;
        if let Some(exception) = result.get("exceptionDetails") {
            let words = exception["exception"]["description"]
                .as_str()
                .or(exception["exception"]["value"].as_str())
                .or(exception["text"].as_str());
            return Err(Failure::new(words.unwrap_or("exception without words")));
        }
        string(&result["result"], "value")
    }

    /// What the tab shows, as a PNG file in base64.
    pub(super) async fn screenshot(&self) -> Result<String> {
        string(
            &self.call("Page.captureScreenshot", json!({})).await?,
            "data",
        )
    }

    /// Closes the tab without asking the page.
    pub(super) async fn close(&self) -> Result {
        let target = json!({ "targetId": self.target });
        self.rpc
            .call(None, "Target.closeTarget", target)
            .await
            .map(|_| ())
    }

    /// What its pages wrote to the console.
    pub(super) fn console(&self) -> Vec<String> {
        self.consoles.of(&self.session)
    }
}

fn string(value: &Value, key: &str) -> Result<String> {
    let found = value[key].as_str().map(str::to_owned);
    found.ok_or_else(|| Failure::new(format!("no string {key} in {value}")))
}

/// Puts console lines, exceptions and refused loads where they can be found.
fn note(consoles: &Consoles, event: &Event) {
    let Some(session) = &event.session else {
        return;
    };
    let params = &event.params;
    let line = match event.method.as_str() {
        "Runtime.consoleAPICalled" => {
            let words = params["args"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|argument| {
                    let described = argument["description"].as_str().map(str::to_owned);
                    described.unwrap_or_else(|| argument["value"].to_string())
                });
            format!(
                "{}: {}",
                params["type"],
                words.collect::<Vec<_>>().join(" ")
            )
        }
        "Runtime.exceptionThrown" => {
            let details = &params["exceptionDetails"];
            format!(
                "uncaught: {} {}",
                details["text"], details["exception"]["description"]
            )
        }
        "Log.entryAdded" => {
            let entry = &params["entry"];
            format!("{}: {} {}", entry["level"], entry["text"], entry["url"])
        }
        _ => return,
    };
    consoles.push(session, line);
}
