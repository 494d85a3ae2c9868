//! Attempts that were counted before they began, and turned out not to count.

use super::{Store, StoreError};
use crate::model::{DispatchId, LetterId, PostId};

/// An attempt that was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attempt {
    /// To find a letter's place.
    Letter(LetterId),
    /// To say a post.
    Post(PostId),
    /// To read an event, by its row.
    Event(i64),
    /// To close a dispatch.
    Closing(DispatchId),
    /// To hand a dispatch over, with its attempt number. Nothing of its body left.
    Dispatch(DispatchId, i64),
}

impl Store {
    /// What stopped an attempt says nothing about what was attempted: it does not count.
    pub async fn attempt_is_none(&self, attempt: Attempt) -> Result<(), StoreError> {
        match attempt {
            Attempt::Letter(letter) => {
                sqlx::query!(
                    "update letters
                     set attempts = greatest(attempts - 1, 0)
                     where id = $1
                       and state = 'stored'",
                    letter.0,
                )
                .execute(&self.pool)
                .await?
            }
            Attempt::Post(post) => {
                sqlx::query!(
                    "update posts
                     set attempts = greatest(attempts - 1, 0)
                     where id = $1
                       and state = 'pending'",
                    post.0,
                )
                .execute(&self.pool)
                .await?
            }
            Attempt::Event(id) => {
                sqlx::query!(
                    "update room_events
                     set attempts = greatest(attempts - 1, 0)
                     where id = $1",
                    id,
                )
                .execute(&self.pool)
                .await?
            }
            Attempt::Closing(dispatch) => {
                sqlx::query!(
                    "update dispatches
                     set attempts = greatest(attempts - 1, 0)
                     where id = $1
                       and state = 'collecting'",
                    dispatch.0,
                )
                .execute(&self.pool)
                .await?
            }
            // It may be unknown whether the note that its body may leave was saved; the body did
            // not leave.
            Attempt::Dispatch(dispatch, begun) => {
                sqlx::query!(
                    "update dispatches
                     set state = 'waiting',
                         attempts = greatest(attempts - 1, 0)
                     where id = $1
                       and state in ('handing_over', 'sending_body')
                       and begun = $2",
                    dispatch.0,
                    begun,
                )
                .execute(&self.pool)
                .await?
            }
        };
        Ok(())
    }
}
