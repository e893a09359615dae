// SPDX-License-Identifier: MIT OR Apache-2.0
//! Firefox by WebDriver BiDi.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};

use super::console::Consoles;
use super::rpc::{Event, Rpc};
use crate::spaces::Space;
use crate::{Failure, Process, Result};

/// Fake devices, no questions, loopback candidates, no traffic of the browser's own.
const PREFERENCES: &str = r#"
user_pref("media.navigator.streams.fake", true);
user_pref("media.navigator.permission.disabled", true);
user_pref("media.peerconnection.ice.loopback", true);
user_pref("media.peerconnection.ice.obfuscate_host_addresses", false);
user_pref("media.autoplay.default", 0);
user_pref("media.autoplay.blocking_policy", 0);
user_pref("media.volume_scale", "0.0");
user_pref("media.gmp-manager.updateEnabled", false);
user_pref("media.gmp-manager.url", "");
user_pref("app.normandy.enabled", false);
user_pref("app.update.disabledForTesting", true);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.newtabpage.enabled", false);
user_pref("browser.safebrowsing.downloads.enabled", false);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("browser.search.update", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("browser.startup.page", 0);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("dom.push.connection.enabled", false);
user_pref("dom.min_background_timeout_value", 4);
user_pref("dom.timeout.enable_budget_timer_throttling", false);
user_pref("extensions.systemAddon.update.enabled", false);
user_pref("extensions.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("remote.active-protocols", 1);
user_pref("services.settings.server", "data:,");
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
"#;

/// A running Firefox.
pub(super) struct Firefox {
    rpc: Arc<Rpc>,
    consoles: Consoles,
}

/// One of its windows, in a user context of its own.
pub(super) struct Window {
    rpc: Arc<Rpc>,
    context: String,
    consoles: Consoles,
}

/// How to start it with that profile.
pub(super) fn command(profile: &Path, more: &[&str]) -> Result<Command> {
    fs::write(profile.join("user.js"), PREFERENCES)?;
    let mut command = Command::new("firefox-esr");
    command
        .args([
            "--headless",
            "--no-remote",
            "--new-instance",
            "--remote-debugging-port",
            "0",
        ])
        .arg("--profile")
        .arg(profile)
        .args(more)
        // It wants a home it may write to, and crash reports are of no use here.
        .env("HOME", profile)
        .env("MOZ_CRASHREPORTER_DISABLE", "1");
    Ok(command)
}

impl Firefox {
    /// Connects to a browser that was just started.
    pub(super) async fn connect(process: &Process, space: Option<&Space>) -> Result<Firefox> {
        let address = process
            .line("WebDriver BiDi address", |line| {
                line.strip_prefix("WebDriver BiDi listening on ")
                    .map(str::to_owned)
            })
            .await?;
        let consoles = Consoles::default();
        let heard = consoles.clone();
        let address = format!("{address}/session");
        let rpc = Rpc::connect(&address, space, move |event| note(&heard, &event)).await?;
        let firefox = Firefox {
            rpc: Arc::new(rpc),
            consoles,
        };
        firefox
            .call("session.new", json!({ "capabilities": {} }))
            .await?;
        firefox
            .call("session.subscribe", json!({ "events": ["log.entryAdded"] }))
            .await?;
        Ok(firefox)
    }

    async fn call(&self, method: &str, params: Value) -> Result<Value> {
        self.rpc.call(None, method, params).await
    }

    /// A new window.
    pub(super) async fn open(&self) -> Result<Window> {
        let user = self.call("browser.createUserContext", json!({})).await?;
        let create = json!({ "type": "window", "userContext": user["userContext"] });
        let created = self.call("browsingContext.create", create).await?;
        Ok(Window {
            rpc: self.rpc.clone(),
            context: string(&created, "context")?,
            consoles: self.consoles.clone(),
        })
    }
}

impl Window {
    async fn call(&self, method: &str, mut params: Value) -> Result<Value> {
        params["context"] = self.context.as_str().into();
        self.rpc.call(None, method, params).await
    }

    /// Goes to an address; returns when the new document is there.
    pub(super) async fn goto(&self, url: &str) -> Result {
        let navigate = json!({ "url": url, "wait": "interactive" });
        self.call("browsingContext.navigate", navigate)
            .await
            .map(|_| ())
    }

    /// Evaluates an expression whose value, or whose promise's value, is a string.
    pub(super) async fn eval(&self, expression: &str) -> Result<String> {
        let evaluate = json!({
            "expression": expression,
            "target": { "context": self.context },
            "awaitPromise": true,
            "userActivation": true,
        });
        let result = self.rpc.call(None, "script.evaluate", evaluate).await?;
        match result["exceptionDetails"]["text"].as_str() {
            Some(words) => Err(Failure::new(words)),
            None => string(&result["result"], "value"),
        }
    }

    /// What the window shows, as a PNG file in base64.
    pub(super) async fn screenshot(&self) -> Result<String> {
        string(
            &self
                .call("browsingContext.captureScreenshot", json!({}))
                .await?,
            "data",
        )
    }

    /// Closes the window without asking the page.
    pub(super) async fn close(&self) -> Result {
        self.call("browsingContext.close", json!({}))
            .await
            .map(|_| ())
    }

    /// What its pages wrote to the console.
    pub(super) fn console(&self) -> Vec<String> {
        self.consoles.of(&self.context)
    }
}

fn string(value: &Value, key: &str) -> Result<String> {
    let found = value[key].as_str().map(str::to_owned);
    found.ok_or_else(|| Failure::new(format!("no string {key} in {value}")))
}

/// Puts console lines and exceptions where they can be found.
fn note(consoles: &Consoles, event: &Event) {
    let params = &event.params;
    if event.method == "log.entryAdded"
        && let Some(context) = params["source"]["context"].as_str()
    {
        consoles.push(context, format!("{}: {}", params["level"], params["text"]));
    }
}
