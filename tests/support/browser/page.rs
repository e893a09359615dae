// SPDX-License-Identifier: MIT OR Apache-2.0
//! One page in a browser, whichever that is.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use super::{bidi, cdp};
use crate::build::scratch;
use crate::{DEADLINE, Failure, Result};

/// A tab and the page in it.
pub struct Page(Tab);

pub(super) enum Tab {
    Chromium(cdp::Tab),
    Firefox(bidi::Window),
}

/// Calls the same method on either tab.
macro_rules! on {
    ($tab:expr, $method:ident($($argument:expr),*)) => {
        match $tab {
            Tab::Chromium(tab) => tab.$method($($argument),*),
            Tab::Firefox(tab) => tab.$method($($argument),*),
        }
    };
    ($tab:expr, await $method:ident($($argument:expr),*)) => {
        match $tab {
            Tab::Chromium(tab) => tab.$method($($argument),*).await,
            Tab::Firefox(tab) => tab.$method($($argument),*).await,
        }
    };
}

impl Page {
    pub(super) fn new(tab: Tab) -> Page {
        Page(tab)
    }

    /// Goes to an address and waits until all of it is loaded.
    pub async fn goto(&self, url: &str) -> Result {
        on!(&self.0, await goto(url))?;
        self.wait_for::<bool>("page loaded", "document.readyState === 'complete'")
            .await?;
        Ok(())
    }

    /// Lets what is loaded from now on run scripts that its content security policy forbids, such as a worker of the test's.
    ///
    /// # Errors
    /// The browser is not Chromium.
    pub async fn bypass_policy(&self) -> Result {
        match &self.0 {
            Tab::Chromium(tab) => tab.bypass_policy().await,
            Tab::Firefox(_) => Err(Failure::new("only Chromium can do without a policy")),
        }
    }

    /// Runs a script in every document that is loaded from now on, before its own scripts.
    ///
    /// # Errors
    /// The browser is not Chromium.
    pub async fn begin_with(&self, script: &str) -> Result {
        match &self.0 {
            Tab::Chromium(tab) => tab.begin_with(script).await,
            Tab::Firefox(_) => Err(Failure::new("only Chromium is asked to, so far")),
        }
    }

    /// Loads the page again, as a user does.
    pub async fn reload(&self) -> Result {
        self.eval::<bool>("window.beforeReload = true").await?;
        self.eval::<bool>("setTimeout(() => location.reload()) > 0")
            .await?;
        let reloaded = "!window.beforeReload && document.readyState === 'complete'";
        self.wait_for::<bool>("page loaded again", reloaded).await?;
        Ok(())
    }

    /// The value of a JavaScript expression, or of the promise it is.
    ///
    /// # Errors
    /// What the page threw, or a value of another type.
    pub async fn eval<T: DeserializeOwned>(&self, expression: &str) -> Result<T> {
        let wrapped = format!("(async () => JSON.stringify((await ({expression})) ?? null))()");
        let json = on!(&self.0, await eval(&wrapped))
            .map_err(|error| error.with(format_args!("in {expression}")))?;
        serde_json::from_str(&json)
            .map_err(|error| Failure::new(format!("{error}: {json} from {expression}")))
    }

    /// Waits until an expression (or its promise) is neither null, false, 0 nor "", and returns
    /// its value.
    ///
    /// # Errors
    /// It did not within [`DEADLINE`]; with the page's console and a screenshot.
    pub async fn wait_for<T: DeserializeOwned>(&self, what: &str, expression: &str) -> Result<T> {
        self.wait_within(DEADLINE, what, expression).await
    }

    /// [`wait_for`](Self::wait_for) with another deadline.
    pub async fn wait_within<T: DeserializeOwned>(
        &self,
        limit: Duration,
        what: &str,
        expression: &str,
    ) -> Result<T> {
        let until = Instant::now() + limit;
        let mut last = String::from("nothing");
        loop {
            // The page itself looks again and again, which is quicker than asking each time. A
            // page that is just being replaced takes the question with it, so ask again.
            let left = until.saturating_duration_since(Instant::now());
            match self.eval::<Option<T>>(&poll(expression, left)).await {
                Ok(Some(value)) => return Ok(value),
                Ok(None) if left.is_zero() => {}
                Ok(None) => continue,
                Err(error) => last = error.to_string(),
            }
            if left.is_zero() {
                let words = format!("no {what} within {limit:?}: {expression}\nlast: {last}");
                return Err(self.failure(what, &words).await);
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// What its pages wrote to the console.
    pub fn console(&self) -> Vec<String> {
        on!(&self.0, console())
    }

    /// Closes it, as a user closes a tab.
    pub async fn close(self) -> Result {
        on!(&self.0, await close())
    }

    /// A failure with everything that helps to understand this page.
    pub async fn failure(&self, name: &str, words: &str) -> Failure {
        let shown = match self.screenshot(name).await {
            Ok(path) => format!("screenshot: {path}"),
            Err(error) => format!("no screenshot: {error}"),
        };
        let text: String = self
            .eval("document.body.innerText")
            .await
            .unwrap_or_default();
        let console = self.console().join("\n");
        Failure::new(words).with(format_args!(
            "---- console:\n{console}\n---- text of the page:\n{text}\n----\n{shown}"
        ))
    }

    /// Writes what the page shows to a file and returns its path.
    pub async fn screenshot(&self, name: &str) -> Result<String> {
        let data = on!(&self.0, await screenshot())?;
        let name: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let path = scratch().join(format!("{name}.png"));
        std::fs::write(&path, base64(&data)?)?;
        Ok(path.display().to_string())
    }
}

/// A promise of the expression's first value that counts as true, or of null after a while.
fn poll(expression: &str, limit: Duration) -> String {
    // Less than the browser connection waits for a reply.
    let limit = limit.min(DEADLINE).as_millis();
    format!(
        "new Promise((resolve, reject) => {{
            const until = performance.now() + {limit};
            const look = async () => {{
                try {{
                    const value = await ({expression});
                    if (value) return resolve(value);
                    if (performance.now() >= until) return resolve(null);
                }} catch (error) {{
                    if (performance.now() >= until) return reject(error);
                }}
                setTimeout(look, 50);
            }};
            look();
        }})"
    )
}

/// Decodes base64 (RFC 4648 §4), the form in which browsers hand out pictures.
fn base64(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0);
    for c in text.bytes().filter(|c| *c != b'=') {
        let six = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(Failure::new("a picture that is not base64")),
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    Ok(bytes)
}
