// SPDX-License-Identifier: MIT OR Apache-2.0
//! Real browsers without a window, with fake cameras and microphones.

mod bidi;
mod cdp;
mod console;
mod page;
mod rpc;

pub use page::Page;

use tempfile::TempDir;

use crate::spaces::Space;
use crate::{Process, Result};

/// Which browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Chromium, by the Chrome DevTools Protocol.
    Chromium,
    /// Firefox ESR, by WebDriver BiDi.
    Firefox,
}

/// A running browser with an empty profile. Dropping it ends it and its profile.
pub struct Browser {
    driver: Driver,
    // In this order: the profile can be removed only when nobody writes to it any more.
    process: Process,
    _profile: TempDir,
}

enum Driver {
    Chromium(cdp::Chromium),
    Firefox(bidi::Firefox),
}

impl Browser {
    /// A Chromium.
    pub async fn chromium() -> Result<Browser> {
        Browser::launch(Kind::Chromium, &[]).await
    }

    /// A Firefox.
    pub async fn firefox() -> Result<Browser> {
        Browser::launch(Kind::Firefox, &[]).await
    }

    /// Either, with more command line flags.
    pub async fn launch(kind: Kind, flags: &[&str]) -> Result<Browser> {
        Browser::start(kind, flags, None).await
    }

    /// Either, in a network namespace.
    pub async fn inside(kind: Kind, space: &Space) -> Result<Browser> {
        Browser::start(kind, &[], Some(space)).await
    }

    /// Either, in a network namespace, with more command line flags.
    pub async fn launch_inside(kind: Kind, flags: &[&str], space: &Space) -> Result<Browser> {
        Browser::start(kind, flags, Some(space)).await
    }

    async fn start(kind: Kind, flags: &[&str], space: Option<&Space>) -> Result<Browser> {
        let profile = TempDir::with_prefix("gst-rtc-browser-")?;
        let command = match kind {
            Kind::Chromium => cdp::command(profile.path(), flags),
            Kind::Firefox => bidi::command(profile.path(), flags)?,
        };
        let mut command = match space {
            Some(space) => space.wrap(&command),
            None => command,
        };
        let process = Process::start(&mut command)?;
        let driver = match kind {
            Kind::Chromium => Driver::Chromium(cdp::Chromium::connect(&process, space).await?),
            Kind::Firefox => Driver::Firefox(bidi::Firefox::connect(&process, space).await?),
        };
        Ok(Browser {
            driver,
            process,
            _profile: profile,
        })
    }

    /// Opens an address in a tab that shares nothing with the other tabs.
    pub async fn open(&self, url: &str) -> Result<Page> {
        let page = match &self.driver {
            Driver::Chromium(driver) => Page::new(page::Tab::Chromium(driver.open().await?)),
            Driver::Firefox(driver) => Page::new(page::Tab::Firefox(driver.open().await?)),
        };
        page.goto(url).await?;
        Ok(page)
    }

    /// The process, for what it wrote.
    pub fn process(&self) -> &Process {
        &self.process
    }
}
