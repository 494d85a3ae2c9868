//! A practice, its servers and the gateway, and the two roads told step by step.
//!
//! Nothing in it is staged: real servers (Postgres, Synapse, Dovecot, Exim), a third-party Matrix
//! client (matrix-js-sdk, which reports the shield it would show), a third-party mail program
//! (Python's), and the gateway as a separate process. Each step waits until its outcome is seen, for
//! a bounded time.

mod evidence;
mod mail;
mod practice;
mod story;
mod tale;
mod tray;

use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use clap::Parser;

use practice::Practice;
use tale::{Miss, Tale};

/// The demo ended early.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("{heading}: {step}: expected {expected}, seen {seen}")]
    Step { heading: String, step: String, expected: String, seen: String },
    #[error("the terminal cannot be written to")]
    Terminal(#[source] io::Error),
    #[error("the demo cannot receive the operating system's signals")]
    Signals(#[source] io::Error),
}

/// Between two looks whether the gateway still runs.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

const INTRODUCTION: &str = "\
Umstieg demo

A doctor's practice has a KIM address (secure mail of German health care) and a fax line. Anna,
its assistant, has a Matrix client and nothing else. Umstieg relays between them, and her
rooms are end-to-end encrypted. Every server here is a real one and runs on this machine only; all
of it ends with this program.
";

/// Starts a whole world of servers on this machine and shows the two roads.
#[derive(Parser)]
#[command(name = "umstieg-demo")]
struct DemoCli {
    /// End after the story, with exit code 0 when every step was seen
    #[arg(long)]
    once: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    // One provider for every TLS connection, chosen before the first. It can be set only once.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match demo(DemoCli::parse().once).await {
        Ok(code) => code,
        Err(error) => {
            // When standard error is closed, there is no place left to complain.
            let _ = writeln!(io::stderr(), "umstieg-demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Tells the story; then stays up for the reader's own client until Ctrl-C, unless `once`.
///
/// The exit code is 0 when every step was seen, else 1.
///
/// # Errors
/// When there is no terminal to tell it to, or no signal to be told to stop by.
async fn demo(once: bool) -> Result<ExitCode, DemoError> {
    let mut told_to_stop = umstieg::app::signals().map_err(DemoError::Signals)?;
    let mut tale = Tale::begin();
    tale.say(INTRODUCTION)?;
    let told = tokio::select! {
        told = tell(&mut tale) => Some(told),
        () = &mut told_to_stop => None,
    };
    let mut practice = match told {
        Some(Ok(practice)) => practice,
        Some(Err(error)) => {
            tale.failed(&error)?;
            return Ok(ExitCode::FAILURE);
        }
        None => {
            tale.say("\n\nStopped before the end of the story; nothing is left running.\n")?;
            return Ok(ExitCode::FAILURE);
        }
    };
    tale.heading(&format!(
        "{}: KIM and fax, both ways, each in its own encrypted room",
        tale.sum()
    ))?;
    if once {
        return Ok(ExitCode::SUCCESS);
    }
    tale.heading("Everything stays up for you until Ctrl-C")?;
    tale.say(&practice.addresses())?;
    tokio::select! {
        () = &mut told_to_stop => {}
        () = ended(&mut practice) => {
            let seen = practice.failed();
            tale.failed(&tale.missed("the gateway runs", Miss::new("that it goes on", seen)))?;
            return Ok(ExitCode::FAILURE);
        }
    }
    tale.say("\nEnding all of it.\n")?;
    practice.gateway.stop();
    Ok(ExitCode::SUCCESS)
}

async fn tell(tale: &mut Tale) -> Result<Practice, DemoError> {
    let mut practice = practice::open(tale).await?;
    match story::tell(tale, &practice).await {
        Err(DemoError::Step { heading, step, expected, seen }) => {
            let seen = format!("{seen}\n{}", practice.failed());
            Err(DemoError::Step { heading, step, expected, seen })
        }
        Err(error) => Err(error),
        Ok(()) => Ok(practice),
    }
}

/// Completes when the gateway has ended by itself.
async fn ended(practice: &mut Practice) {
    while !practice.gateway.has_ended() {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
