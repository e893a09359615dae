// SPDX-License-Identifier: MIT OR Apache-2.0
//! `gst-rtc serve`.

use super::{Fault, ServerArgs, banner, told_to_stop};
use gst_rtc_signaller::server::Server;

/// Serves until told to stop.
pub(super) async fn serve(args: &ServerArgs) -> Result<(), Fault> {
    let server = Server::start(args.config(false)?)
        .await
        .map_err(Fault::usage)?;
    banner::print(&banner::server(server.address(), banner::turn_of(&server)));
    told_to_stop().await;
    server.stop().await;
    Ok(())
}
