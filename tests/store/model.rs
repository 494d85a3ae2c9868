//! Random sequences of what can be done to a family of tables, against a small model of it.
//! `UMSTIEG_MODEL_CASES` runs more of them than by default.

use std::fmt::Debug;

use proptest::{prelude::*, test_runner::TestRunner};
use umstieg::store::{Resolution, StoreError};
use umstieg_world::broken_off;

use crate::tables::{NOW, StoreTables};

/// Sequences by default: all of them in some seconds.
const CASES: u32 = 32;

/// How a step is taken.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Taken {
    Once,
    Twice,
    /// Broken off where it waits for the n-th time, and then taken.
    Again(u8),
}

pub(crate) fn taken() -> impl Strategy<Value = Taken> {
    prop_oneof![3 => Just(Taken::Once), 1 => Just(Taken::Twice), 2 => (0..12_u8).prop_map(Taken::Again)]
}

/// Takes a step that may be taken twice. Says what the store did, if it was done at once.
pub(crate) async fn take<T>(
    taken: Taken,
    step: impl AsyncFn() -> Result<T, StoreError>,
) -> Option<T> {
    match taken {
        Taken::Once => Some(step().await.unwrap()),
        Taken::Twice => {
            let done = step().await.unwrap();
            step().await.unwrap();
            Some(done)
        }
        Taken::Again(steps) => {
            broken_off(step(), steps.into()).await;
            step().await.unwrap();
            None
        }
    }
}

/// Runs sequences of steps. They share a database; each makes its own rows.
pub(crate) fn run<O: Debug>(
    step: impl Strategy<Value = O>,
    sequence: impl AsyncFn(&StoreTables, Vec<O>),
) {
    let cases = std::env::var("UMSTIEG_MODEL_CASES").ok().and_then(|cases| cases.parse().ok());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tables = runtime.block_on(StoreTables::new());
    let mut runner = TestRunner::new(ProptestConfig {
        cases: cases.unwrap_or(CASES),
        max_shrink_iters: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&proptest::collection::vec(step, 5..30), |steps| {
            runtime.block_on(async {
                sequence(&tables, steps).await;
                // What is left over slows down all that follow.
                for item in tables.store.parked().await.unwrap() {
                    tables.store.resolve_parked(item.id, Resolution::Drop, NOW).await.unwrap();
                }
            });
            Ok(())
        })
        .unwrap();
}
