//! Refusals in the Matrix error form.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

/// Why something is refused (client-server API, "Standard error response").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errcode {
    MissingToken,
    Forbidden,
    NotFound,
    Unrecognized,
    NotJson,
    BadJson,
    InvalidParam,
    TooLarge,
    Unknown,
}

impl Errcode {
    /// The code on the wire.
    pub fn code(self) -> &'static str {
        match self {
            Self::MissingToken => "M_MISSING_TOKEN",
            Self::Forbidden => "M_FORBIDDEN",
            Self::NotFound => "M_NOT_FOUND",
            Self::Unrecognized => "M_UNRECOGNIZED",
            Self::NotJson => "M_NOT_JSON",
            Self::BadJson => "M_BAD_JSON",
            Self::InvalidParam => "M_INVALID_PARAM",
            Self::TooLarge => "M_TOO_LARGE",
            Self::Unknown => "M_UNKNOWN",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::MissingToken => "The homeserver's token is missing",
            Self::Forbidden => "This is not the homeserver's token",
            Self::NotFound => "There is none of this name here",
            Self::Unrecognized => "There is no such endpoint here",
            Self::NotJson => "The body is not JSON",
            Self::BadJson => "The body lacks the form of this request",
            Self::InvalidParam => "A parameter in the path cannot be used",
            Self::TooLarge => "The body is too large",
            Self::Unknown => "It could not be saved; try again",
        }
    }
}

/// An answer that refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatrixRefusal {
    status: StatusCode,
    errcode: Errcode,
}

impl MatrixRefusal {
    pub fn new(status: StatusCode, errcode: Errcode) -> Self {
        Self { status, errcode }
    }
}

impl IntoResponse for MatrixRefusal {
    fn into_response(self) -> Response {
        let body = json!({ "errcode": self.errcode.code(), "error": self.errcode.sentence() });
        (self.status, Json(body)).into_response()
    }
}
