// SPDX-License-Identifier: MIT OR Apache-2.0
//! HTTP/1.1 requests as small as they can be, so that a test decides about every byte.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{DEADLINE, Failure, Result};

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header lines, names as they came.
    pub headers: Vec<(String, String)>,
    /// The body, as text.
    pub body: String,
}

impl Response {
    /// The value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// Sends a request to `address` (`host:port`) and reads the whole answer.
pub async fn request(
    address: &str,
    method: &str,
    path: &str,
    content_type: &str,
    body: &str,
) -> Result<Response> {
    let headers = [("Content-Type", content_type)];
    request_with(address, method, path, &headers, body).await
}

/// The same with any header lines.
pub async fn request_with(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Response> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let lines: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{lines}Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        // A server that refuses by the header alone may close before it has read everything.
        let _ = stream.write_all(body.as_bytes()).await;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        parse(&String::from_utf8_lossy(&answer))
    };
    let late = |_| Failure::new(format!("{method} {path}: no answer within {DEADLINE:?}"));
    timeout(DEADLINE, exchange).await.map_err(late)?
}

fn parse(answer: &str) -> Result<Response> {
    let broken = || Failure::new(format!("not an HTTP answer: {answer}"));
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(broken)?;
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .ok_or_else(broken)?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    Ok(Response {
        status: status.parse()?,
        headers: headers
            .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
            .collect(),
        body: body.to_owned(),
    })
}
