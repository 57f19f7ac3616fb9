use std::{
    error::Error as StdError,
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::text::printable;

/// The domain of the server's reasons.
const DOMAIN: &str = "parity";

/// Why something failed. Its text is one sentence for people.
#[derive(Debug)]
pub enum Error {
    /// A call ended with a status other than OK.
    Call {
        /// What the call was about, such as a file's name.
        what: String,
        /// The status, with its details.
        status: Box<Status>,
    },
    /// The server broke the rules of the API, or data was damaged on the way.
    Response {
        /// What the call was about.
        what: String,
        /// What is wrong.
        problem: String,
    },
    /// A file operation failed here.
    Local {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The target of a download exists, and is not to be replaced.
    Exists(PathBuf),
    /// The caller asked for something impossible.
    Usage(String),
}

impl Error {
    pub(crate) fn call(what: impl Into<String>, status: Status) -> Self {
        Self::Call {
            what: what.into(),
            status: Box::new(status),
        }
    }

    pub(crate) fn response(what: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Response {
            what: what.into(),
            problem: problem.into(),
        }
    }

    pub(crate) fn local(path: impl AsRef<Path>, source: io::Error) -> Self {
        Self::Local {
            path: path.as_ref().into(),
            source,
        }
    }

    /// The status of the call that failed.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Call { status, .. } => Some(status),
            _ => None,
        }
    }

    /// The server's reason, such as `FILE_NOT_FOUND`.
    pub fn reason(&self) -> Option<String> {
        self.status().and_then(reason)
    }

    /// Whether the same call may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Call { status, .. } => match status.code() {
                // What a server that goes away, or a proxy before it, makes of a call.
                Code::Unavailable
                | Code::Cancelled
                | Code::DeadlineExceeded
                | Code::Unknown
                | Code::Internal => true,
                // Without a delay, what is exhausted may stay so.
                Code::ResourceExhausted => self.retry_delay().is_some(),
                _ => false,
            },
            Self::Response { .. } => true,
            _ => false,
        }
    }

    /// How long the server asks to wait before a retry.
    pub(crate) fn retry_delay(&self) -> Option<Duration> {
        self.status()?.get_details_retry_info()?.retry_delay
    }
}

/// Returns the reason in the details of a status, if the server gave one.
pub fn reason(status: &Status) -> Option<String> {
    let info = status.get_details_error_info()?;
    (info.domain == DOMAIN).then_some(info.reason)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call { what, status } => call_text(f, what, status),
            Self::Response { what, problem } => {
                write!(f, "{}: {}", printable(what), printable(problem))
            }
            Self::Local { path, source } => {
                write!(f, "{}: {source}", printable(&path.to_string_lossy()))
            }
            Self::Exists(path) => write!(
                f,
                "{}: exists already (--force replaces it)",
                printable(&path.to_string_lossy())
            ),
            Self::Usage(text) => f.write_str(&printable(text)),
        }
    }
}

fn call_text(f: &mut fmt::Formatter<'_>, what: &str, status: &Status) -> fmt::Result {
    let what = printable(what);
    if let Some(reason) = reason(status) {
        let message = printable(status.message());
        return write!(f, "{what}: {message} [{}]", printable(&reason));
    }
    if let Some(cause) = local_cause(status) {
        return write!(f, "{what}: no connection to the server: {cause}");
    }
    write!(
        f,
        "{what}: {} [{:?}]",
        printable(status.message()),
        status.code()
    )
}

/// Returns the innermost error of a status that was made here because the connection
/// failed.
fn local_cause(status: &Status) -> Option<String> {
    let mut cause = status.source()?;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let refused = cause
        .downcast_ref::<io::Error>()
        .is_some_and(|e| e.kind() == io::ErrorKind::ConnectionRefused);
    if refused {
        return Some("connection refused (is it running?)".into());
    }
    Some(printable(&cause.to_string()))
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Call { status, .. } => Some(status.as_ref()),
            Self::Local { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    fn from_server(code: Code, message: &str, domain: &str) -> Error {
        let mut details = ErrorDetails::new();
        details.set_error_info("A_REASON", domain, std::collections::HashMap::new());
        details.set_retry_info(Some(Duration::from_secs(2)));
        Error::call("x", Status::with_error_details(code, message, details))
    }

    #[test]
    fn is_one_sentence_with_the_reason() {
        let refused = from_server(Code::NotFound, "no such\x1b file", "parity");
        assert_eq!(refused.to_string(), "x: no such\\u{1b} file [A_REASON]");
        assert_eq!(refused.reason().as_deref(), Some("A_REASON"));

        let foreign = from_server(Code::NotFound, "no route", "other");
        assert_eq!(foreign.to_string(), "x: no route [NotFound]");
        assert_eq!(foreign.reason(), None);
    }

    #[test]
    fn tells_what_can_be_retried() {
        assert!(from_server(Code::ResourceExhausted, "", "parity").is_transient());
        assert!(!Error::call("x", Status::resource_exhausted("")).is_transient());
        assert!(Error::call("x", Status::unavailable("")).is_transient());
        assert!(!from_server(Code::Aborted, "", "parity").is_transient());
        assert_eq!(
            from_server(Code::Unavailable, "", "parity").retry_delay(),
            Some(Duration::from_secs(2))
        );
    }
}
