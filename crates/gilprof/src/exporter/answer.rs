//! What a client is told: HTTP, as little of it as a scrape needs.

use gilprof_metrics::CONTENT_TYPE;

use crate::error::Error;

/// So many bytes a request may have.
pub(super) const LONGEST: usize = 8 * 1024;

/// So many headers it may have.
const HEADERS: usize = 64;

/// The answer to a request; `None` as long as there is more to come of it. `metrics` is
/// asked for the text if that is what the client wants.
pub(super) fn answer(
    request: &[u8],
    metrics: impl FnOnce() -> Result<String, Error>,
) -> Option<Vec<u8>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(request) {
        Ok(httparse::Status::Complete(_)) => Some(found(&parsed, metrics)),
        Ok(httparse::Status::Partial) if request.len() < LONGEST => None,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => Some(refusal(
            "431 Request Header Fields Too Large",
            &format!("a request may have {LONGEST} bytes and {HEADERS} headers"),
        )),
        Err(error) => Some(refusal("400 Bad Request", &error.to_string())),
    }
}

fn found(
    request: &httparse::Request<'_, '_>,
    metrics: impl FnOnce() -> Result<String, Error>,
) -> Vec<u8> {
    if request.method != Some("GET") {
        let text = "only GET is understood\n";
        return response("405 Method Not Allowed", TEXT, "Allow: GET\r\n", text);
    }
    let path = request.path.and_then(|path| path.split('?').next());
    if !matches!(path, Some("/" | "/metrics")) {
        return refusal("404 Not Found", "the metrics are at /metrics");
    }
    match metrics() {
        Ok(text) => response("200 OK", CONTENT_TYPE, "", &text),
        Err(error) => refusal("503 Service Unavailable", &error.to_string()),
    }
}

const TEXT: &str = "text/plain; charset=utf-8";

fn refusal(status: &str, reason: &str) -> Vec<u8> {
    response(status, TEXT, "", &format!("{reason}\n"))
}

fn response(status: &str, content_type: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         {headers}Connection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(request: &[u8]) -> Option<String> {
        let told = answer(request, || Ok(String::from("# EOF\n")))?;
        Some(String::from_utf8(told).unwrap())
    }

    fn status(request: &str) -> String {
        let told = to(request.as_bytes()).unwrap();
        told["HTTP/1.1 ".len()..][..3].to_owned()
    }

    #[test]
    fn a_scrape_gets_the_metrics_with_their_type_and_length() {
        let told = to(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let (head, body) = told.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains(&format!("Content-Type: {CONTENT_TYPE}\r\n")));
        assert!(head.contains("Content-Length: 6\r\n"));
        assert_eq!(body, "# EOF\n");
    }

    #[test]
    fn the_root_and_a_query_are_the_metrics_too() {
        assert_eq!(status("GET / HTTP/1.0\r\n\r\n"), "200");
        assert_eq!(status("GET /metrics?target=all HTTP/1.1\r\n\r\n"), "200");
    }

    #[test]
    fn another_path_is_not_found() {
        assert_eq!(status("GET /metrics/ HTTP/1.1\r\n\r\n"), "404");
    }

    #[test]
    fn another_method_is_refused() {
        assert_eq!(status("POST /metrics HTTP/1.1\r\n\r\n"), "405");
        assert_eq!(status("HEAD / HTTP/1.1\r\n\r\n"), "405");
    }

    #[test]
    fn what_is_no_http_is_refused_at_once() {
        assert_eq!(status("\u{16}\u{3}\u{1} hello"), "400");
    }

    #[test]
    fn a_request_that_is_not_over_is_waited_for() {
        assert_eq!(to(b"GET /metrics HTTP/1.1\r\nHost: "), None);
    }

    #[test]
    fn a_request_that_never_ends_is_refused() {
        let long = format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(LONGEST));
        assert_eq!(status(&long), "431");
        let many = "X: y\r\n".repeat(HEADERS + 1);
        assert_eq!(status(&format!("GET / HTTP/1.1\r\n{many}\r\n")), "431");
    }

    #[test]
    fn where_nothing_is_recorded_the_answer_says_so() {
        let told = answer(b"GET / HTTP/1.1\r\n\r\n", || Err(Error::NotRunning)).unwrap();
        let told = String::from_utf8(told).unwrap();
        assert!(told.starts_with("HTTP/1.1 503 "), "{told}");
        assert!(
            told.ends_with("no profiler runs in this process\n"),
            "{told}"
        );
    }
}
