//! Work that is dropped in the middle, as a time limit or a stop does it.

use std::{future::poll_fn, pin::pin, task::Poll};

/// Goes on with some work until it would wait for the `steps`th time, and drops it there. `true`: it
/// came to its end before.
pub async fn broken_off(work: impl Future, steps: usize) -> bool {
    let mut work = pin!(work);
    let mut left = steps;
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(_) => Poll::Ready(true),
        Poll::Pending if left == 0 => Poll::Ready(false),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}
