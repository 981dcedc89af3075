//! Incremental parser for one HTTP/1.1 response that carries an SSE stream.
//!
//! A connection that is idle between frames holds only empty or small buffers,
//! so thousands of parsers cost little.

use memchr::{memchr, memmem};

#[derive(Debug, PartialEq)]
pub enum StreamError {
    /// The response head is not HTTP, or larger than 16 KiB.
    BadHead,
    /// The status is not 200; carries the status, and what `Retry-After` says.
    Status(u16, Option<String>),
    /// The content type is not `text/event-stream`.
    ContentType(String),
    /// A chunk header is not a hexadecimal length.
    BadChunk,
    /// The server ended the stream with the closing chunk.
    Ended,
}

#[derive(Default)]
pub struct SseEvent {
    pub event: Vec<u8>,
    pub id: Vec<u8>,
    pub data: Vec<u8>,
}

enum Http {
    Head(Vec<u8>),
    Plain,
    ChunkSize(Vec<u8>),
    ChunkData(usize),
    /// Bytes of the line end after a chunk that are still to come.
    ChunkEnd(usize),
}

pub struct Stream {
    http: Http,
    sse: Sse,
}

impl Default for Stream {
    fn default() -> Self {
        Stream { http: Http::Head(Vec::new()), sse: Sse::default() }
    }
}

impl Stream {
    /// True once the response head has been accepted.
    pub fn is_open(&self) -> bool {
        !matches!(self.http, Http::Head(_))
    }

    /// The id in force, for `Last-Event-ID`.
    pub fn last_id(&self) -> &[u8] {
        &self.sse.event.id
    }

    /// Feeds bytes from the socket and calls `on_event` for every complete event.
    pub fn push(&mut self, mut bytes: &[u8], on_event: &mut impl FnMut(&SseEvent)) -> Result<(), StreamError> {
        while !bytes.is_empty() {
            match &mut self.http {
                Http::Head(head) => {
                    // The head may end inside this read: search from just before the new bytes.
                    let from = head.len().saturating_sub(3);
                    head.extend_from_slice(bytes);
                    let Some(at) = memmem::find(&head[from..], b"\r\n\r\n") else {
                        if head.len() > 16 * 1024 {
                            return Err(StreamError::BadHead);
                        }
                        return Ok(());
                    };
                    let end = from + at + 4;
                    let in_this_read = end - (head.len() - bytes.len());
                    let chunked = check_head(&head[..end])?;
                    bytes = &bytes[in_this_read..];
                    self.http = if chunked { Http::ChunkSize(Vec::new()) } else { Http::Plain };
                }
                Http::Plain => {
                    self.sse.push(bytes, on_event);
                    return Ok(());
                }
                Http::ChunkSize(line) => {
                    let Some(nl) = memchr(b'\n', bytes) else {
                        line.extend_from_slice(bytes);
                        if line.len() > 1024 {
                            return Err(StreamError::BadChunk);
                        }
                        return Ok(());
                    };
                    let size = if line.is_empty() {
                        chunk_size(&bytes[..nl])?
                    } else {
                        line.extend_from_slice(&bytes[..nl]);
                        chunk_size(line)?
                    };
                    if size == 0 {
                        return Err(StreamError::Ended);
                    }
                    bytes = &bytes[nl + 1..];
                    self.http = Http::ChunkData(size);
                }
                Http::ChunkData(left) => {
                    let take = bytes.len().min(*left);
                    self.sse.push(&bytes[..take], on_event);
                    bytes = &bytes[take..];
                    *left -= take;
                    if *left == 0 {
                        self.http = Http::ChunkEnd(2);
                    }
                }
                Http::ChunkEnd(left) => {
                    let take = bytes.len().min(*left);
                    bytes = &bytes[take..];
                    *left -= take;
                    if *left == 0 {
                        self.http = Http::ChunkSize(Vec::new());
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns whether the body is chunked.
fn check_head(head: &[u8]) -> Result<bool, StreamError> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let status: u16 = lines
        .next()
        .filter(|l| l.starts_with("HTTP/1."))
        .and_then(|l| l.split(' ').nth(1))
        .and_then(|s| s.parse().ok())
        .ok_or(StreamError::BadHead)?;
    if status != 200 {
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("retry-after").then(|| value.trim().to_owned())
        };
        return Err(StreamError::Status(status, lines.find_map(header)));
    }
    let (mut chunked, mut content_type) = (false, String::new());
    for (name, value) in lines.filter_map(|l| l.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.to_ascii_lowercase().contains("chunked");
        } else if name.eq_ignore_ascii_case("content-type") {
            content_type = value.to_ascii_lowercase();
        }
    }
    if !content_type.starts_with("text/event-stream") {
        return Err(StreamError::ContentType(content_type));
    }
    Ok(chunked)
}

fn chunk_size(line: &[u8]) -> Result<usize, StreamError> {
    let digits = line.split(|b| *b == b';').next().unwrap_or_default();
    let text = std::str::from_utf8(digits).map_err(|_| StreamError::BadChunk)?;
    usize::from_str_radix(text.trim(), 16).map_err(|_| StreamError::BadChunk)
}

/// Splits the body into lines and the lines into events, by the rules of the
/// WHATWG event-stream format.
#[derive(Default)]
struct Sse {
    partial: Vec<u8>,
    event: SseEvent,
    has_data: bool,
    /// The last line ended with a CR, so a leading LF belongs to it.
    after_cr: bool,
}

impl Sse {
    fn push(&mut self, mut bytes: &[u8], on_event: &mut impl FnMut(&SseEvent)) {
        if self.after_cr && bytes.first() == Some(&b'\n') {
            bytes = &bytes[1..];
        }
        if !bytes.is_empty() {
            self.after_cr = false;
        }
        while let Some(end) = memchr::memchr2(b'\n', b'\r', bytes) {
            if self.partial.is_empty() {
                self.line(&bytes[..end], on_event);
            } else {
                let mut line = std::mem::take(&mut self.partial);
                line.extend_from_slice(&bytes[..end]);
                self.line(&line, on_event);
            }
            let cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            if cr {
                match bytes.first() {
                    Some(b'\n') => bytes = &bytes[1..],
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
        }
        self.partial.extend_from_slice(bytes);
    }

    fn line(&mut self, line: &[u8], on_event: &mut impl FnMut(&SseEvent)) {
        if line.is_empty() {
            if self.has_data {
                on_event(&self.event);
            }
            self.event.data.clear();
            self.event.event.clear();
            self.has_data = false;
            return;
        }
        let (field, value) = match memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &line[line.len()..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if self.has_data {
                    self.event.data.push(b'\n');
                }
                self.event.data.extend_from_slice(value);
                self.has_data = true;
            }
            b"event" => value.clone_into(&mut self.event.event),
            b"id" => value.clone_into(&mut self.event.id),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(parts: &[&[u8]]) -> Result<Vec<(String, String, String)>, StreamError> {
        let mut stream = Stream::default();
        let mut seen = Vec::new();
        for part in parts {
            stream.push(part, &mut |e: &SseEvent| {
                let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
                seen.push((text(&e.event), text(&e.id), text(&e.data)));
            })?;
        }
        Ok(seen)
    }

    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\
        Content-Type: text/event-stream; charset=utf-8\r\n\r\n";

    #[test]
    fn reads_event_id_and_joined_data() {
        let body = b": hello\n\nevent: stock\nid: 7\ndata: a\ndata: b\n\ndata:c\n\n";
        let seen = feed(&[HEAD, body]).unwrap();
        assert_eq!(seen[0], ("stock".into(), "7".into(), "a\nb".into()));
        // The id stays in force, the event name does not.
        assert_eq!(seen[1], ("".into(), "7".into(), "c".into()));
        assert_eq!(seen.len(), 2);
    }

    #[test]
    fn any_split_of_the_bytes_gives_the_same_events() {
        let mut whole = CHUNKED.to_vec();
        whole.extend_from_slice(b"8\r\ndata: 12\r\n6;x=y\r\n34\r\n\r\n\r\n");
        for size in 1..whole.len() {
            let parts: Vec<&[u8]> = whole.chunks(size).collect();
            let seen = feed(&parts).unwrap();
            assert_eq!(seen.len(), 1, "pieces of {size}");
            assert_eq!(seen[0].2, "1234", "pieces of {size}");
        }
    }

    #[test]
    fn refuses_what_is_not_an_event_stream() {
        let busy: &[u8] = b"HTTP/1.1 503 Busy\r\n\r\n";
        assert_eq!(feed(&[busy]), Err(StreamError::Status(503, None)));
        let later: &[u8] = b"HTTP/1.1 503 Busy\r\nretry-after: 10\r\n\r\n";
        assert_eq!(feed(&[later]), Err(StreamError::Status(503, Some("10".into()))));
        let html: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n";
        assert_eq!(feed(&[html]), Err(StreamError::ContentType("text/html".into())));
        assert_eq!(feed(&[CHUNKED, b"0\r\n"]), Err(StreamError::Ended));
    }
}
