//! The one error that crosses module borders.
//!
//! Pure modules (`mapping`, `query`, `catalog`) have small error enums of their own; whatever travels up a request
//! becomes an [`Error`]. It knows nothing of HTTP: `api` holds the only table from [`Kind`] to a status.

use std::{fmt, panic::Location, time::Duration};

/// Shorthand for a result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as a caller can act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The request is malformed or names something the operation does not know.
    BadRequest,
    /// No credentials, or wrong ones.
    Unauthorized,
    /// The instance's grant is proved dead; only fresh `providerData` heals it.
    ReauthRequired,
    /// The credentials are right, the act is not allowed (also: a disabled instance).
    Forbidden,
    /// Nothing is there under this name.
    NotFound,
    /// The path exists, the verb does not.
    MethodNotAllowed,
    /// No representation the caller accepts.
    NotAcceptable,
    /// The caller did not send its request in time.
    RequestTimeout,
    /// The state forbids it: a duplicate, a concurrent change.
    Conflict,
    /// The body is larger than the limit.
    PayloadTooLarge,
    /// The body has a type the operation does not read.
    UnsupportedMediaType,
    /// The file has none of the bytes asked for.
    RangeNotSatisfiable,
    /// A quota, ours or the provider's, is used up.
    TooManyRequests,
    /// This element cannot do what was asked, and says so.
    Unsupported,
    /// The provider answered with a fault of its own, or with something unreadable.
    ProviderFailed,
    /// The provider could not be reached.
    ProviderUnreachable,
    /// The provider did not answer before the caller's deadline.
    ProviderTimeout,
    /// The provider failed so often just now, or has so many calls under way, that this one was not made.
    ProviderDown,
    /// We answer as many calls as we can already; this one was not begun.
    Overloaded,
    /// We cannot serve just now (shutting down, store gone).
    Unavailable,
    /// A fault of ours.
    Internal,
}

/// Who is at fault; decides the log level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The caller.
    Client,
    /// The provider.
    Provider,
    /// The gateway itself.
    Gateway,
}

impl Origin {
    /// The word for it in logs and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Provider => "provider",
            Self::Gateway => "gateway",
        }
    }
}

impl Kind {
    /// The stable, kebab-case code of this kind, as it stands in error bodies.
    pub const fn code(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::Unauthorized => "unauthorized",
            Self::ReauthRequired => "reauth-required",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::NotAcceptable => "not-acceptable",
            Self::RequestTimeout => "request-timeout",
            Self::Conflict => "conflict",
            Self::PayloadTooLarge => "payload-too-large",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::RangeNotSatisfiable => "range-not-satisfiable",
            Self::TooManyRequests => "too-many-requests",
            Self::Unsupported => "unsupported",
            Self::ProviderFailed => "provider-failed",
            Self::ProviderUnreachable => "provider-unreachable",
            Self::ProviderTimeout => "provider-timeout",
            Self::ProviderDown => "provider-down",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    /// Who is at fault.
    pub const fn origin(self) -> Origin {
        match self {
            Self::BadRequest
            | Self::Unauthorized
            | Self::ReauthRequired
            | Self::Forbidden
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::NotAcceptable
            | Self::RequestTimeout
            | Self::Conflict
            | Self::PayloadTooLarge
            | Self::UnsupportedMediaType
            | Self::RangeNotSatisfiable
            | Self::TooManyRequests
            | Self::Unsupported => Origin::Client,
            Self::ProviderFailed | Self::ProviderUnreachable | Self::ProviderTimeout | Self::ProviderDown => {
                Origin::Provider
            }
            Self::Overloaded | Self::Unavailable | Self::Internal => Origin::Gateway,
        }
    }
}

/// One finding about one place of the caller's input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// A JSON pointer into the body, or the name of a parameter or header.
    pub pointer: String,
    /// What is wrong there, and what would be right.
    pub detail: String,
}

/// What the provider said, as data.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProviderFault {
    /// The provider's HTTP status.
    pub status: u16,
    /// The provider's own error code, if it has one.
    pub code: Option<String>,
    /// The provider's own words (never a secret).
    pub message: Option<String>,
}

/// An error on its way to the caller: kind, public text, and the private cause for the log.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    public: String,
    provider: Option<ProviderFault>,
    details: Vec<Detail>,
    retry_after: Option<Duration>,
    allow: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    at: &'static Location<'static>,
}

impl Error {
    /// An error of `kind` with a text the caller may read.
    #[track_caller]
    pub fn new(kind: Kind, public: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            public: public.into(),
            provider: None,
            details: Vec::new(),
            retry_after: None,
            allow: None,
            source: None,
            at: Location::caller(),
        }))
    }

    /// A [`Kind::BadRequest`].
    #[track_caller]
    pub fn bad_request(public: impl Into<String>) -> Self {
        Self::new(Kind::BadRequest, public)
    }

    /// A [`Kind::Unauthorized`].
    #[track_caller]
    pub fn unauthorized(public: impl Into<String>) -> Self {
        Self::new(Kind::Unauthorized, public)
    }

    /// A [`Kind::NotFound`].
    #[track_caller]
    pub fn not_found(public: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, public)
    }

    /// A [`Kind::Internal`]: the caller learns nothing of `source`, the log does.
    #[track_caller]
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(Kind::Internal, "Internal server error").with_source(source)
    }

    /// Adds the private cause.
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The same error in other words.
    pub fn reworded(mut self, public: impl Into<String>) -> Self {
        self.0.public = public.into();
        self
    }

    /// Adds what the provider said.
    pub fn with_provider(mut self, fault: ProviderFault) -> Self {
        self.0.provider = Some(fault);
        self
    }

    /// Adds one finding about the caller's input.
    pub fn with_detail(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.0.details.push(Detail { pointer: pointer.into(), detail: detail.into() });
        self
    }

    /// Says when a further try makes sense.
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// A [`Kind::MethodNotAllowed`], with the methods that `path` takes.
    #[track_caller]
    pub fn wrong_method(path: &str, method: &str, takes: &[&str]) -> Self {
        let takes = takes.join(", ");
        let mut error = Self::new(Kind::MethodNotAllowed, format!("`{path}` takes {takes}, not {method}"));
        error.0.allow = Some(takes);
        error
    }

    /// The methods that would be right, for the header `Allow`.
    pub fn allow(&self) -> Option<&str> {
        self.0.allow.as_deref()
    }

    /// What went wrong.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The text for the caller.
    pub fn public(&self) -> &str {
        &self.0.public
    }

    /// What the provider said, if it was the provider.
    pub fn provider(&self) -> Option<&ProviderFault> {
        self.0.provider.as_ref()
    }

    /// Findings about the caller's input.
    pub fn details(&self) -> &[Detail] {
        &self.0.details
    }

    /// When a further try makes sense.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Where in our code it was made.
    pub fn at(&self) -> &'static Location<'static> {
        self.0.at
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.public)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("public", &self.0.public)
            .field("provider", &self.0.provider)
            .field("details", &self.0.details)
            .field("source", &self.0.source)
            .field("at", &format_args!("{}:{}", self.0.at.file(), self.0.at.line()))
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_pointer_wide_and_keeps_its_source() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        let error = Error::internal(std::io::Error::other("disk"));
        assert_eq!(error.to_string(), "Internal server error");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "disk");
    }
}
