// SPDX-License-Identifier: MIT OR Apache-2.0
//! A layout as text: a name, JSON, or a GstStructure.

use gst_rtc_core::mcu::custom::{Custom, LayoutError, Slot};
use gst_rtc_core::mcu::layout::Layout;
use gst_rtc_core::mcu::rect::{Rect, Size};
use serde::Deserialize;

/// Why a text is no layout.
#[derive(Debug, thiserror::Error)]
pub(super) enum LayoutTextError {
    /// Neither a name nor rectangles.
    #[error("there is no layout {0:?}; there are {names}, and rectangles as JSON or GstStructure", names = Layout::NAMES.join(", "))]
    Unknown(String),
    /// Not this JSON.
    #[error("not a list of rectangles: {0}")]
    Json(#[from] serde_json::Error),
    /// Not this structure.
    #[error("not a structure of rectangles: {0}")]
    Structure(String),
    /// Impossible rectangles.
    #[error(transparent)]
    Impossible(#[from] LayoutError),
}

/// One rectangle in JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tile {
    x: i32,
    y: i32,
    width: u32,
    height: u32,
    #[serde(default)]
    participant: Option<String>,
    #[serde(default)]
    zorder: u32,
    #[serde(default = "opaque")]
    alpha: f64,
}

/// Reads a layout for a canvas and for those who are there.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(text: &str, canvas: Size, there: &[String]) -> Result<Layout, LayoutTextError> {
    let text = text.trim();
    if let Some(layout) = Layout::named(text) {
        return Ok(layout);
    }
    let tiles = if text.starts_with('[') {
        serde_json::from_str(text)?
    } else if text.contains(',') {
        from_structure(text)?
    } else {
        return Err(LayoutTextError::Unknown(text.to_owned()));
    };
    let slots = tiles.into_iter().map(Slot::from).collect();
    Ok(Layout::Custom(Custom::new(canvas, slots, there)?))
}

impl From<Tile> for Slot {
    fn from(tile: Tile) -> Slot {
        Slot {
            rect: Rect::new(tile.x, tile.y, tile.width, tile.height),
            participant: tile.participant,
            zorder: tile.zorder,
            alpha: tile.alpha,
        }
    }
}

fn opaque() -> f64 {
    1.0
}

/// Reads `layout, tiles=(structure)< [tile, x=0, y=0, …], … >`.
fn from_structure(text: &str) -> Result<Vec<Tile>, LayoutTextError> {
    let wrong = |what: String| LayoutTextError::Structure(what);
    let structure: gst::Structure = text
        .parse()
        .map_err(|_| wrong("it cannot be parsed".to_owned()))?;
    let tiles = structure
        .get::<gst::Array>("tiles")
        .map_err(|error| wrong(error.to_string()))?;
    let tile = |value: &gst::glib::SendValue| {
        let fields = value
            .get::<gst::Structure>()
            .map_err(|error| wrong(error.to_string()))?;
        of_fields(&fields).map_err(wrong)
    };
    tiles.iter().map(tile).collect()
}

fn of_fields(fields: &gst::StructureRef) -> Result<Tile, String> {
    let number = |name: &str| fields.get::<i32>(name).map_err(|error| error.to_string());
    let extent = |name: &str| {
        let value = number(name)?;
        u32::try_from(value).map_err(|_| format!("{name} is {value}"))
    };
    Ok(Tile {
        x: number("x")?,
        y: number("y")?,
        width: extent("width")?,
        height: extent("height")?,
        participant: fields
            .get_optional("participant")
            .map_err(|error| error.to_string())?,
        zorder: fields
            .has_field("zorder")
            .then(|| extent("zorder"))
            .transpose()?
            .unwrap_or(0),
        alpha: fields
            .get_optional("alpha")
            .map_err(|error| error.to_string())?
            .unwrap_or(1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANVAS: Size = Size {
        width: 640,
        height: 360,
    };

    #[test]
    fn json_and_structure_say_the_same() {
        gst::init().expect("GStreamer starts");
        let there = ["alice".to_owned()];
        let json = r#"[{"x":0,"y":0,"width":320,"height":360,"participant":"alice"},
                       {"x":320,"y":0,"width":320,"height":360,"alpha":0.5,"zorder":2}]"#;
        let structure = "layout, tiles=(structure)<\
             [tile, x=0, y=0, width=320, height=360, participant=alice],\
             [tile, x=320, y=0, width=320, height=360, alpha=0.5, zorder=2]>";
        let json = parse(json, CANVAS, &there).expect("possible");
        assert_eq!(json, parse(structure, CANVAS, &there).expect("possible"));
    }

    #[test]
    fn refusals_name_the_fault() {
        gst::init().expect("GStreamer starts");
        let refused = |text: &str| parse(text, CANVAS, &[]).expect_err("no layout").to_string();
        assert!(
            refused("gird").starts_with("there is no layout \"gird\"; there are grid, speaker")
        );
        assert!(
            refused("[{\"x\":0}]").contains("missing field"),
            "{}",
            refused("[{\"x\":0}]")
        );
        assert!(refused(r#"[{"x":0,"y":0,"w":3}]"#).contains("unknown field"));
        assert!(refused("layout, tile=3").contains("tiles"));
        assert!(refused("[]").contains("no tiles"));
        let far = r#"[{"x":600,"y":0,"width":320,"height":360}]"#;
        assert!(refused(far).contains("not on the canvas of 640x360"));
    }
}
