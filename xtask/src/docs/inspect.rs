// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `gst-inspect-1.0` says, without what depends on its version or on the build.

/// Keys of lines that differ between two builds of the same source.
const OF_THE_BUILD: [&str; 3] = ["Filename", "Version", "Source release date"];
/// A property of every source since GStreamer 1.24.
const NEWER: &str = "  automatic-eos ";
/// A part that GStreamer 1.24 and later have, and earlier ones do not.
const FLAGS: &str = "Element Flags:";

/// The text, the same from GStreamer 1.22 to 1.26.
pub(super) fn normal(inspected: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut rest = inspected.lines().map(str::trim_end).peekable();
    while let Some(line) = rest.next() {
        if line == FLAGS {
            while rest.next_if(|line| line.starts_with(' ')).is_some() {}
        } else if line.starts_with(NEWER) {
            while rest.next_if(|line| line.starts_with("     ")).is_some() {}
        } else if line.starts_with("  \"") {
            let mut entry = line.to_owned();
            while let Some(more) = rest.next_if(|line| line.starts_with("     ")) {
                entry = entry + " " + more.trim();
            }
            lines.push(signal(&entry));
        } else if !is_of_the_build(line) {
            lines.push(line.to_owned());
        }
    }
    without_needless_space(&lines)
}

fn is_of_the_build(line: &str) -> bool {
    let key = line.trim_start();
    OF_THE_BUILD.iter().any(|name| key.starts_with(name))
}

/// One empty line before each heading and no other.
fn without_needless_space(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines.iter().filter(|line| !line.is_empty()) {
        if !text.is_empty() && !line.starts_with(' ') {
            text.push('\n');
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// `  name (type, type) -> type` of a signal, or of an action, in whichever way its line is written:
///
/// ```text
/// "name" :  gboolean user_function (GstElement* object, gchararray arg0);
/// "name" -> gboolean  :  g_signal_emit_by_name (element, "name", const gchar * arg0, gboolean * p_return_value);
/// ```
fn signal(entry: &str) -> String {
    let mut quoted = entry.split('"');
    let name = quoted.nth(1).unwrap_or_default();
    let (head, arguments) = entry.split_once('(').unwrap_or((entry, ""));
    let types: Vec<&str> = arguments
        .trim_end_matches([';', ')'])
        .split(',')
        .map(str::trim)
        .filter(|argument| !is_implied(argument, name))
        .map(type_of)
        .collect();
    let returned = match head.split_once("->") {
        Some((_, words)) => words,
        None => head.split_once(':').map_or("", |(_, words)| words),
    };
    match returned.split_whitespace().next().unwrap_or("void") {
        "void" => format!("  {name} ({})", types.join(", ")),
        kind => format!("  {name} ({}) -> {}", types.join(", "), known_name(kind)),
    }
}

/// Arguments that every signal has.
fn is_implied(argument: &str, signal: &str) -> bool {
    argument.ends_with("object")
        || argument.ends_with("user_data")
        || argument.ends_with("p_return_value")
        || argument == "element"
        || argument.trim_matches('"') == signal
}

/// The type of `const gchar * arg0` or `gchararray arg0`.
fn type_of(argument: &str) -> &str {
    let kind = argument
        .split([' ', '*'])
        .find(|word| !word.is_empty() && *word != "const");
    known_name(kind.unwrap_or_default())
}

fn known_name(kind: &str) -> &str {
    match kind {
        "gchar" | "gchararray" => "string",
        "gboolean" => "boolean",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::normal;

    const OLD: &str = "\
Plugin Details:
  Name                     x
  Filename                 /home/a/libx.so
  Version                  0.1-abc

GObject
 +----GstX

Pad Templates:
  SINK template: 'sink_%u'
    Availability: On request
    Type: GstXPad
  
  SRC template: 'src'
    Availability: Always

Element Properties:
  name                : The name of the object

Element Signals:
  \"pad-added\" :  void user_function (GstElement* object,
                                     GstPad* arg0,
                                     gpointer user_data);
  \"told\" :  void user_function (GstElement* object,
                                gchararray arg0,
                                gboolean arg1,
                                gpointer user_data);

Element Actions:
  \"do-it\" :  gboolean user_function (GstElement* object,
                                     gchararray arg0);
";

    const NEW: &str = "\
Plugin Details:
  Name                     x
  Filename                 /srv/libx.so
  Version                  0.1-def

Element Flags:
  - SOURCE

GObject
 +----GstX

Pad Templates:
  SINK template: 'sink_%u'
    Availability: On request
    
    Type: GstXPad
  
  SRC template: 'src'
    Availability: Always

Element Properties:
  automatic-eos       : Automatically EOS when the segment is done
                        flags: readable, writable
                        Boolean. Default: true
  name                : The name of the object

Element Signals:

  \"pad-added\" :  void user_function (GstElement * object,
                                     GstPad * arg0,
                                     gpointer user_data);

  \"told\" :  void user_function (GstElement * object,
                                const gchar * arg0,
                                gboolean arg1,
                                gpointer user_data);

Element Actions:

  \"do-it\" -> gboolean  :  g_signal_emit_by_name (element, \"do-it\",
                                                 const gchar * arg0,
                                                 gboolean * p_return_value);
";

    #[test]
    fn the_text_is_the_same_whatever_the_version_and_the_build() {
        assert_eq!(normal(OLD), normal(NEW));
        let text = normal(OLD);
        assert!(
            text.contains("\nElement Signals:\n  pad-added (GstPad)\n  told (string, boolean)\n")
        );
        assert!(text.contains("\nElement Actions:\n  do-it (string) -> boolean\n"));
        assert!(!text.contains("lib"), "{text}");
    }
}
