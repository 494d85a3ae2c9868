//! What went wrong with a request to the homeserver, in terms of what to do next.

use std::{fmt, time::Duration};

use serde::Deserialize;

use super::Endpoint;
use crate::phrases::{AdminPhrase, Telling, Tells};

/// Longest error code that is kept, in bytes; the specification's are below 40.
const ERRCODE_BYTES_MAX: usize = 64;

/// A request to the homeserver failed. [`MatrixError::kind`] says what to do about it.
///
/// Holds and prints no path, no id and none of the server's sentences, because those may name
/// people.
#[derive(Debug)]
pub struct MatrixError {
    endpoint: Endpoint,
    cause: Cause,
}

/// What the caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The same request may succeed later; not before `after`, if the homeserver named a time.
    Again { after: Option<Duration> },
    /// The same request would fail again.
    Never,
    /// The room, our place in it or our device there is not what it was: establish it again, then
    /// repeat the request (TIM-20).
    Gone,
}

#[derive(Debug)]
pub(super) enum Cause {
    /// No answer: the connection could not be made.
    Unreachable(reqwest::Error),
    /// No answer, or half of one: the connection broke.
    Broken(reqwest::Error),
    /// No answer in time.
    Timeout(reqwest::Error),
    /// An answer other than 2xx. `reason`: in which way the homeserver did not reach us; one word.
    Refused {
        status: u16,
        errcode: Option<String>,
        after: Option<Duration>,
        reason: Option<String>,
    },
    /// A 2xx whose body is not what the specification promises.
    Garbled,
    /// A body longer than the receiver's bound, in bytes.
    TooLarge { bytes_max: u64 },
    /// The request could not even be written: an id or a header value is not valid.
    Unsendable,
}

impl MatrixError {
    pub(super) fn new(endpoint: Endpoint, cause: Cause) -> Self {
        Self { endpoint, cause }
    }

    /// An URL would name rooms and users, so it is taken off.
    pub(super) fn no_answer(endpoint: Endpoint, error: reqwest::Error) -> Self {
        let error = error.without_url();
        // A host that does not take the connection in time is away like one that refuses it.
        let cause = if error.is_builder() {
            Cause::Unsendable
        } else if error.is_connect() {
            Cause::Unreachable(error)
        } else if error.is_timeout() {
            Cause::Timeout(error)
        } else {
            Cause::Broken(error)
        };
        Self { endpoint, cause }
    }

    /// Reads the Matrix error form; everything else in the body is ignored.
    pub(super) fn refused(
        endpoint: Endpoint,
        status: u16,
        after: Option<Duration>,
        body: &[u8],
    ) -> Self {
        #[derive(Deserialize)]
        struct ErrorBody {
            errcode: String,
            #[serde(default)]
            error: String,
            retry_after_ms: Option<serde_json::Value>,
        }
        let body: Option<ErrorBody> = serde_json::from_slice(body).ok();
        let wait = body.as_ref().and_then(|body| body.retry_after_ms.as_ref()?.as_u64());
        // The sentences of other answers may name people.
        let is_ping = endpoint == Endpoint::Ping;
        let reason = body.as_ref().filter(|_| is_ping).and_then(|body| first_word(&body.error));
        let errcode = body.map(|body| body.errcode).filter(|errcode| is_errcode(errcode));
        let after = after.or(wait.map(Duration::from_millis));
        Self { endpoint, cause: Cause::Refused { status, errcode, after, reason } }
    }

    /// What to do next.
    pub fn kind(&self) -> ErrorKind {
        let again = ErrorKind::Again { after: None };
        match &self.cause {
            Cause::Unreachable(_) | Cause::Broken(_) | Cause::Timeout(_) | Cause::Garbled => again,
            Cause::TooLarge { .. } | Cause::Unsendable => ErrorKind::Never,
            Cause::Refused { status, errcode, after, .. } => match (*status, errcode.as_deref()) {
                (429, _) | (_, Some("M_LIMIT_EXCEEDED")) => ErrorKind::Again { after: *after },
                (408 | 500.., _) => ErrorKind::Again { after: *after },
                // Our token: none of our requests succeeds until it is right, and then all of them
                // do.
                (401, _) => again,
                (413, _) => ErrorKind::Never,
                // A proxy in between, not the homeserver: it says nothing about the request.
                (400.., None) => again,
                (_, Some("M_UNKNOWN_DEVICE")) => ErrorKind::Gone,
                (403 | 404, Some("M_FORBIDDEN" | "M_NOT_FOUND"))
                    if self.endpoint.is_in_a_room() =>
                {
                    ErrorKind::Gone
                }
                (400.., Some(_)) => ErrorKind::Never,
                // A redirect or the like: no homeserver answers in this way.
                _ => again,
            },
        }
    }

    /// Whether it looks as if the homeserver as a whole were away, or refused us as a whole: then the
    /// request is not at fault, and every other request would fail now too. Where that is not
    /// [sure](Self::is_surely_outage), [`super::Homeserver::is_away`] asks.
    pub fn is_outage(&self) -> bool {
        match &self.cause {
            Cause::Unreachable(_) => true,
            // Some homeservers hang up on a file they do not want, instead of answering 413.
            Cause::Broken(_) => self.endpoint != Endpoint::Upload,
            Cause::Refused { status, .. } => matches!(status, 401 | 502..=504),
            _ => false,
        }
    }

    /// Whether that is beyond doubt. A 502 may concern only what was asked for: a file or a person
    /// of another homeserver, which no longer exists.
    pub(super) fn is_surely_outage(&self) -> bool {
        matches!(self.cause, Cause::Unreachable(_) | Cause::Refused { status: 401, .. })
    }

    /// Whether the fate of the request is unknown: the homeserver may have carried it out.
    pub fn may_have_been_done(&self) -> bool {
        match &self.cause {
            Cause::Broken(_) | Cause::Timeout(_) | Cause::Garbled => true,
            // Also for a proxy whose server answered too late.
            Cause::Refused { status, .. } => *status >= 500,
            _ => false,
        }
    }

    /// Whether we asked too much at once: the request is in order, only later.
    pub fn is_rate_limit(&self) -> bool {
        self.status() == Some(429) || self.errcode() == Some("M_LIMIT_EXCEEDED")
    }

    /// How long the homeserver wants to be left alone, if it named a time.
    pub fn limited_for(&self) -> Option<Duration> {
        match self.kind() {
            ErrorKind::Again { after } if self.is_rate_limit() => after,
            _ => None,
        }
    }

    /// The homeserver's error code, such as `M_FORBIDDEN`.
    pub fn errcode(&self) -> Option<&str> {
        match &self.cause {
            Cause::Refused { errcode, .. } => errcode.as_deref(),
            _ => None,
        }
    }

    /// The HTTP status, when there was an answer other than 2xx.
    pub fn status(&self) -> Option<u16> {
        match &self.cause {
            Cause::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether a file is longer than the homeserver or the caller allows.
    pub fn is_too_large(&self) -> bool {
        matches!(self.cause, Cause::TooLarge { .. } | Cause::Refused { status: 413, .. })
    }

    /// Whether the connection broke while the request was under way.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self.cause, Cause::Broken(_))
    }

    /// What was asked.
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint
    }
}

impl fmt::Display for MatrixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = self.endpoint.word();
        match &self.cause {
            Cause::Unreachable(_) => {
                write!(f, "the homeserver could not be reached for {endpoint}")
            }
            Cause::Broken(_) => write!(f, "the homeserver hung up during {endpoint}"),
            Cause::Timeout(_) => write!(f, "the homeserver did not answer {endpoint} in time"),
            Cause::Refused { status, errcode, .. } => {
                let errcode = errcode.as_deref().unwrap_or("no error code");
                write!(f, "the homeserver refused {endpoint}: {status} {errcode}")
            }
            Cause::Garbled => write!(f, "the homeserver's answer to {endpoint} makes no sense"),
            Cause::TooLarge { bytes_max } => {
                write!(f, "the body in {endpoint} is longer than the allowed {bytes_max} bytes")
            }
            Cause::Unsendable => write!(f, "the request for {endpoint} could not be written"),
        }
    }
}

impl std::error::Error for MatrixError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Unreachable(error) | Cause::Broken(error) | Cause::Timeout(error) => Some(error),
            _ => None,
        }
    }
}

impl Tells for MatrixError {
    fn telling(&self) -> Telling {
        let asked = self.endpoint.word().to_owned();
        let sentence = match &self.cause {
            Cause::Unreachable(cause) => {
                return Telling::from(AdminPhrase::HomeserverUnreachable { asked })
                    .because_of(cause);
            }
            Cause::Broken(cause) => {
                return Telling::from(AdminPhrase::HomeserverHungUp { asked }).because_of(cause);
            }
            Cause::Timeout(cause) => {
                return Telling::from(AdminPhrase::HomeserverLate { asked }).because_of(cause);
            }
            Cause::Refused { status, errcode, reason, .. } => {
                let status = status.to_string();
                let reason = reason.iter().map(|word| format!(" ({word})")).collect::<String>();
                match errcode.as_ref().map(|errcode| format!("{errcode}{reason}")) {
                    Some(errcode) => AdminPhrase::HomeserverRefused { asked, status, errcode },
                    None => AdminPhrase::HomeserverRefusedPlain { asked, status },
                }
            }
            Cause::Garbled => AdminPhrase::HomeserverGarbled { asked },
            Cause::TooLarge { bytes_max } => {
                AdminPhrase::HomeserverTooLong { asked, bytes_max: *bytes_max }
            }
            Cause::Unsendable => AdminPhrase::HomeserverUnsendable { asked },
        };
        sentence.into()
    }
}

/// Error codes are words of capitals; anything else might be a sentence with an id in it.
fn is_errcode(text: &str) -> bool {
    let is_legal = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b"_.".contains(&b);
    (1..=ERRCODE_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_legal)
}

/// Synapse begins with the name of what went wrong: `ConnectionRefusedError: Connection was …`.
fn first_word(sentence: &str) -> Option<String> {
    let (word, _) = sentence.split_once(':')?;
    let is_word = (1..=ERRCODE_BYTES_MAX).contains(&word.len())
        && word.bytes().all(|b| b.is_ascii_alphanumeric());
    is_word.then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGAIN: ErrorKind = ErrorKind::Again { after: None };

    fn refused(endpoint: Endpoint, status: u16, body: &str) -> MatrixError {
        MatrixError::refused(endpoint, status, None, body.as_bytes())
    }

    #[test]
    fn tim_7_a_refusal_says_what_to_do_next() {
        let after = |ms| ErrorKind::Again { after: Some(Duration::from_millis(ms)) };
        for (endpoint, status, body, expected) in [
            (
                Endpoint::Send,
                429,
                r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1500}"#,
                after(1500),
            ),
            (Endpoint::Send, 429, r#"{"errcode":"M_LIMIT_EXCEEDED"}"#, AGAIN),
            (
                Endpoint::Send,
                429,
                r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":"soon"}"#,
                AGAIN,
            ),
            (Endpoint::Send, 500, r#"{"errcode":"M_UNKNOWN"}"#, AGAIN),
            (Endpoint::Send, 502, "<html>Bad Gateway</html>", AGAIN),
            (Endpoint::Send, 401, r#"{"errcode":"M_UNKNOWN_TOKEN"}"#, AGAIN),
            (Endpoint::Send, 400, r#"{"errcode":"M_BAD_JSON"}"#, ErrorKind::Never),
            (Endpoint::Send, 400, r#"{"errcode":"M_UNKNOWN_DEVICE"}"#, ErrorKind::Gone),
            (Endpoint::Send, 403, r#"{"errcode":"M_FORBIDDEN"}"#, ErrorKind::Gone),
            (Endpoint::Send, 404, r#"{"errcode":"M_NOT_FOUND"}"#, ErrorKind::Gone),
            (Endpoint::Send, 404, r#"{"errcode":"M_UNRECOGNIZED"}"#, ErrorKind::Never),
            (Endpoint::Send, 404, "<html>nginx</html>", AGAIN),
            (Endpoint::Send, 413, r#"{"errcode":"M_TOO_LARGE"}"#, ErrorKind::Never),
            (Endpoint::Upload, 413, "<html>nginx</html>", ErrorKind::Never),
            (Endpoint::Download, 404, r#"{"errcode":"M_NOT_FOUND"}"#, ErrorKind::Never),
            (Endpoint::CreateRoom, 403, r#"{"errcode":"M_FORBIDDEN"}"#, ErrorKind::Never),
            (Endpoint::CreateRoom, 302, "", AGAIN),
        ] {
            assert_eq!(refused(endpoint, status, body).kind(), expected, "{status} {body}");
        }
    }

    #[test]
    fn an_outage_is_told_from_a_refusal() {
        for (status, expected) in [(401, true), (403, false), (429, false), (500, false)] {
            assert_eq!(refused(Endpoint::Send, status, "{}").is_outage(), expected, "{status}");
        }
        for status in [502, 503, 504] {
            assert!(refused(Endpoint::Send, status, "{}").is_outage(), "{status}");
        }
    }

    #[test]
    fn p5_a_rate_limit_is_told_from_a_refusal() {
        let limit = r#"{"errcode":"M_LIMIT_EXCEEDED"}"#;
        for (status, body, expected) in
            [(429, "{}", true), (400, limit, true), (403, "{}", false), (500, "{}", false)]
        {
            let error = refused(Endpoint::Send, status, body);
            assert_eq!(error.is_rate_limit(), expected, "{status} {body}");
        }
    }

    #[test]
    fn tim_28_a_limit_names_how_long_it_lasts() {
        let limit = r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":333000}"#;
        for (status, body, expected) in [
            (429, limit, Some(333)),
            (429, "{}", None),
            (500, r#"{"errcode":"M_UNKNOWN","retry_after_ms":5000}"#, None),
            (403, r#"{"errcode":"M_FORBIDDEN","retry_after_ms":5000}"#, None),
        ] {
            let named = refused(Endpoint::Sync, status, body).limited_for();
            assert_eq!(named, expected.map(Duration::from_secs), "{status} {body}");
        }
    }

    #[test]
    fn tim_29_an_error_prints_no_sentence_of_the_server() {
        let body = r#"{"errcode":"M_FORBIDDEN","error":"User @geheim:hs not in room !geheim:hs"}"#;
        let error = refused(Endpoint::Send, 403, body);
        assert_eq!(error.to_string(), "the homeserver refused send: 403 M_FORBIDDEN");
        assert!(!format!("{error:?}").contains("geheim"));
        // Of a ping, the sentence is about the way to us; its first word tells what to look for.
        let body = r#"{"errcode":"M_CONNECTION_FAILED","error":"DNSLookupError: geheim.example"}"#;
        let error = refused(Endpoint::Ping, 502, body);
        assert_eq!(
            error.telling().to_string(),
            "the homeserver refused ping: 502 M_CONNECTION_FAILED (DNSLookupError)"
        );
        let error = refused(Endpoint::Ping, 502, &body.replace("DNS", "geheim in "));
        assert!(!format!("{error:?}").contains("geheim"));
        let smuggled =
            refused(Endpoint::Send, 403, r#"{"errcode":"@geheim:hs is not in the room"}"#);
        assert_eq!(smuggled.errcode(), None);
    }
}
