//! A server as a process: started, waited for, killed, started again, and never left behind.
//!
//! Every server runs in the foreground in a separate process group, so that a Ctrl-C in the
//! terminal does not reach it before its owner has decided, and so that its children end with it.
//! Dropping the handle ends it. If the owner was killed, nothing drops the handle: then the
//! [`guard`] sees the owner's pipe close and ends the group. To leave no gap, a new process waits
//! at a gate until the guard knows it.

pub(crate) mod guard;

use std::{
    fs::OpenOptions,
    future::Future,
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{
    error::{Result, WorldError, log_end},
    setup::{UnixAccount, program},
};

/// How long a server may take until it answers. Synapse needs 3 s on an idle machine and has been
/// seen to need 40 s beside a compiler on every core.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long a server may take to end by itself before it is killed. The gateway gives what it began 20 s.
const END_WITHIN: Duration = Duration::from_secs(30);
/// Time between two checks of a state that nothing tells us about.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How to start a server.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(&'static str, String)>,
    /// The account to step down to, when it is not our own.
    pub(crate) account: Option<UnixAccount>,
    pub(crate) folder: PathBuf,
    pub(crate) log: PathBuf,
    /// How to end it when its data is no longer of interest.
    pub(crate) quick_end: Signal,
    /// Whether we talk to it through its standard input and output.
    pub(crate) piped: bool,
}

/// A server that can be ended and started again with the same data on the same ports.
#[derive(Debug)]
pub(crate) struct Server {
    launch: Launch,
    process: Option<Process>,
}

impl Server {
    pub(crate) fn new(launch: Launch) -> Self {
        Self { launch, process: None }
    }

    /// Starts it and asks `answers` until it says yes.
    pub(crate) async fn start<F>(&mut self, answers: impl Fn() -> F) -> Result<()>
    where
        F: Future<Output = bool>,
    {
        self.kill();
        let mut process = Process::start(&self.launch)?;
        let begun = Instant::now();
        while !answers().await {
            let name = self.launch.name.to_owned();
            if process.has_ended() {
                return Err(WorldError::Ended { name, log: log_end(&self.launch.log) });
            }
            if begun.elapsed() > READY_WITHIN {
                let log = log_end(&self.launch.log);
                return Err(WorldError::Silent { name, waited: READY_WITHIN, log });
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        self.process = Some(process);
        Ok(())
    }

    /// Sets a variable of its environment from the next start on.
    pub(crate) fn set_env(&mut self, name: &'static str, value: &str) {
        self.launch.env.push((name, value.to_owned()));
    }

    /// Ends it as a power cut would (`SIGKILL`), with its children.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.end(Signal::KILL);
        }
    }

    /// Asks it to end by `signal` and waits until it has.
    pub(crate) fn stop(&mut self, signal: Signal) {
        if let Some(mut process) = self.process.take() {
            process.end(signal);
        }
    }

    /// Whether it was started and no longer runs.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.as_mut().is_none_or(Process::has_ended)
    }

    pub(crate) fn id(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.child.id())
    }
}

/// A process that ends with this handle.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    group: Pid,
    quick_end: Signal,
}

impl Process {
    pub(crate) fn start(launch: &Launch) -> Result<Self> {
        let failed = |error| WorldError::io(format!("start {}", launch.name), error);
        let log =
            OpenOptions::new().create(true).append(true).open(&launch.log).map_err(|error| {
                WorldError::io(format!("open the log of {}", launch.name), error)
            })?;
        let output = match launch.piped {
            true => Stdio::piped(),
            false => Stdio::from(log.try_clone().map_err(failed)?),
        };
        let mut child = command(launch)?
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(Stdio::from(log))
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let group = Pid::from_child(&child);
        // From here on the handle ends it if anything fails.
        let opened = guard::watch(group, launch.quick_end).and_then(|()| {
            let gate = child.stdin.as_mut().ok_or(std::io::ErrorKind::BrokenPipe);
            gate.map_err(std::io::Error::from)
                .and_then(|gate| gate.write_all(b"go\n"))
                .map_err(failed)
        });
        if !launch.piped {
            child.stdin = None;
        }
        let process = Self { child, group, quick_end: launch.quick_end };
        opened.map(|()| process)
    }

    /// The two ends we talk through, once, if it was started `piped`.
    pub(crate) fn pipes(&mut self) -> Option<(ChildStdin, ChildStdout)> {
        Some((self.child.stdin.take()?, self.child.stdout.take()?))
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    fn end(&mut self, signal: Signal) {
        if !self.has_ended() && kill_process_group(self.group, signal).is_ok() {
            let begun = Instant::now();
            while !self.has_ended() && begun.elapsed() < END_WITHIN {
                std::thread::sleep(LOOK_AGAIN);
            }
        }
        // Also the children that outlived it. The group's number cannot have been given to
        // anybody else yet: either a member lives, or nothing is there to be hit.
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child.wait();
        guard::leave(self.group);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end(self.quick_end);
    }
}

/// The command with its gate, and with `setpriv` before it when it has to step down.
fn command(launch: &Launch) -> Result<Command> {
    let gate = match launch.piped {
        true => "read -r _ && exec \"$@\"",
        false => "read -r _ && exec \"$@\" </dev/null",
    };
    let mut command = Command::new("/bin/sh");
    command.args(["-c", gate, launch.name]);
    if let Some(account) = launch.account.as_ref().filter(|account| account.step_down) {
        command.arg(program("setpriv")?);
        command.args(["--reuid", &account.uid.to_string(), "--regid", &account.gid.to_string()]);
        command.arg("--clear-groups");
    }
    command.arg(&launch.program).args(&launch.args);
    command.current_dir(&launch.folder);
    for (name, value) in &launch.env {
        command.env(name, value);
    }
    Ok(command)
}

/// Runs a program to its end and returns what it printed.
pub(crate) async fn run(
    doing: &str,
    account: Option<&UnixAccount>,
    program_path: &Path,
    args: &[&str],
) -> Result<String> {
    let mut command = match account.filter(|account| account.step_down) {
        None => tokio::process::Command::new(program_path),
        Some(account) => {
            let mut command = tokio::process::Command::new(program("setpriv")?);
            command.args(["--reuid", &account.uid.to_string()]);
            command.args(["--regid", &account.gid.to_string(), "--clear-groups"]);
            command.arg(program_path);
            command
        }
    };
    let output = command
        .args(args)
        .current_dir("/")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| WorldError::io(doing, error))?;
    if !output.status.success() {
        return Err(WorldError::refused(doing, String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether a server accepts connections on this port of 127.0.0.1.
pub(crate) async fn listens(port: u16) -> bool {
    tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
}
