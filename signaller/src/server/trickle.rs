// SPDX-License-Identifier: MIT OR Apache-2.0
//! `application/trickle-ice-sdpfrag` (RFC 8840 §9).

/// Most candidates taken from one fragment.
const MAX_CANDIDATES: usize = 64;

/// What a fragment says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fragment {
    /// The first `a=ice-ufrag`.
    pub(super) ufrag: Option<String>,
    /// Candidate lines without `a=`, with the mid they stand under; an empty line is the end of candidates.
    pub(super) candidates: Vec<(String, Option<String>)>,
}

/// Reads a fragment. Lines of no concern are skipped.
pub(super) fn parse(text: &str) -> Result<Fragment, String> {
    let mut fragment = Fragment::default();
    let mut mid = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() {
            continue;
        }
        if line.as_bytes().get(1) != Some(&b'=') {
            return Err(format!(
                "line {} of the fragment is no SDP line (x=…); see RFC 8840",
                number + 1
            ));
        }
        if let Some(ufrag) = line.strip_prefix("a=ice-ufrag:") {
            fragment.ufrag.get_or_insert_with(|| ufrag.to_owned());
        } else if let Some(value) = line.strip_prefix("a=mid:") {
            mid = Some(value.to_owned());
        } else if line.starts_with("m=") {
            mid = None;
        } else if line.starts_with("a=candidate:") {
            fragment
                .candidates
                .push((line[2..].to_owned(), mid.clone()));
        } else if line == "a=end-of-candidates" {
            fragment.candidates.push((String::new(), mid.clone()));
        }
        if fragment.candidates.len() > MAX_CANDIDATES {
            return Err(format!(
                "the fragment has more than {MAX_CANDIDATES} candidates; send fewer at once"
            ));
        }
    }
    Ok(fragment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_9725_is_read() {
        let text = "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n\
            a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n\
            a=candidate:3471623853 1 udp 2122194687 198.51.100.2 61765 typ host generation 0 ufrag EsAw network-id 2\r\na=end-of-candidates\r\n";
        let fragment = parse(text).expect("a fragment");
        assert_eq!(fragment.ufrag.as_deref(), Some("EsAw"));
        assert_eq!(fragment.candidates.len(), 3);
        assert!(fragment.candidates[0].0.starts_with("candidate:1387637174"));
        assert_eq!(fragment.candidates[1].1.as_deref(), Some("0"));
        assert_eq!(fragment.candidates[2].0, "");
    }

    #[test]
    fn what_is_no_fragment_is_refused() {
        assert!(parse("{\"candidate\":1}").is_err());
        let flood = "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\n".repeat(65);
        assert!(parse(&flood).is_err());
    }
}
