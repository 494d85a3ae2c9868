//! A program of the caller's own beside the servers, and never left behind: the gateway of the demo.

use std::{future::Future, path::Path};

use rustix::process::Signal;

use crate::{
    error::Result,
    process::{Launch, Server},
};

/// A running program, ended with this value, or with the process if that is killed.
#[derive(Debug)]
pub struct Companion {
    server: Server,
}

impl Companion {
    /// Starts a program in the folder of its log, and returns when `answers` says yes.
    ///
    /// `env` comes on top of our own environment. What the program prints goes to the log.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not answer in time.
    pub async fn start<F>(
        program: &Path,
        args: &[&str],
        env: &[(&'static str, &str)],
        log: &Path,
        answers: impl Fn() -> F,
    ) -> Result<Self>
    where
        F: Future<Output = bool>,
    {
        let mut server = Server::new(Launch {
            name: "the program",
            program: program.to_owned(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            env: env.iter().map(|&(name, value)| (name, value.to_owned())).collect(),
            account: None,
            folder: log.parent().unwrap_or(Path::new("/")).to_owned(),
            log: log.to_owned(),
            quick_end: Signal::KILL,
            piped: false,
        });
        server.start(answers).await?;
        Ok(Self { server })
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.server.has_ended()
    }

    /// Asks it to end (`SIGTERM`) and waits until it has.
    pub fn stop(&mut self) {
        self.server.stop(Signal::TERM);
    }
}
