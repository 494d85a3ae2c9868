//! Does this user, does this room exist? Asking alone creates neither.

use axum::http::StatusCode;

use super::{Errcode, MatrixRefusal};

/// The homeserver asks only for users it does not know, and a ghost is registered with it before
/// anybody can know its name (TIM-5). So the user in question is not ours, and is not made here: an
/// invitation must not be a way to create users.
pub(super) async fn user() -> MatrixRefusal {
    MatrixRefusal::new(StatusCode::NOT_FOUND, Errcode::NotFound)
}

/// A portal's alias is there as soon as the portal is.
pub(super) async fn room() -> MatrixRefusal {
    MatrixRefusal::new(StatusCode::NOT_FOUND, Errcode::NotFound)
}

/// Third-party lookups, and unknown paths.
pub(super) async fn not_ours() -> MatrixRefusal {
    MatrixRefusal::new(StatusCode::NOT_FOUND, Errcode::Unrecognized)
}

/// A known path, requested in another way (spec: 405 with the same code).
pub(super) async fn wrong_method() -> MatrixRefusal {
    MatrixRefusal::new(StatusCode::METHOD_NOT_ALLOWED, Errcode::Unrecognized)
}
