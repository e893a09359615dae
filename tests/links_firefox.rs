// SPDX-License-Identifier: MIT OR Apache-2.0
//! A Firefox page sends three layers to pages on narrow and wide links, in network namespaces.

#[path = "links/viewers.rs"]
mod viewers;

use gst_rtc::browser::Kind;
use gst_rtc::{Result, my_turn};
use viewers::Painting;

#[tokio::test]
async fn viewers_of_a_firefox_page_get_what_their_links_carry() -> Result {
    let _turn = my_turn().await;
    let painting = Painting {
        rates: [150_000, 700_000, 2_500_000],
        pieces: 80,
    };
    viewers::each_gets_what_its_link_carries(Kind::Firefox, painting).await
}
