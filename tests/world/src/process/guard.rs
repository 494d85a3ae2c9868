//! Ends what this process has started, when this process cannot.
//!
//! One small shell per process reads the names of process groups and folders from a pipe whose
//! other end only we hold. However we end, `SIGKILL` included, the pipe closes, and the shell ends
//! the groups and removes the folders it still knows of.

use std::{
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

use rustix::process::{Pid, Signal};

use crate::error::{Result, WorldError};

/// `watch GROUP SIGNAL`, `leave GROUP`, `remove FOLDER`, `keep FOLDER`; at the end of the input
/// each group first gets its signal, then up to 3 s, then `SIGKILL`.
const SCRIPT: &str = r#"
groups= folders=
without() { for one in $2; do case $one in "$1"|"$1":*) ;; *) printf ' %s' "$one" ;; esac; done; }
while read -r verb what signal; do
  case $verb in
    watch) groups="$groups $what:$signal" ;;
    leave) groups=$(without "$what" "$groups") ;;
    remove) folders="$folders $what" ;;
    keep) folders=$(without "$what" "$folders") ;;
  esac
done
for one in $groups; do kill -s "${one#*:}" -- "-${one%%:*}"; done
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
  left=
  for one in $groups; do kill -s 0 -- "-${one%%:*}" && left=yes; done
  [ -n "$left" ] || break
  sleep 0.1
done
for one in $groups; do kill -s KILL -- "-${one%%:*}"; done
for one in $folders; do rm -rf -- "$one" || { sleep 0.5; rm -rf -- "$one"; }; done
"#;

struct Guard {
    _shell: Child,
    pipe: ChildStdin,
}

pub(crate) fn watch(group: Pid, signal: Signal) -> Result<()> {
    tell(&format!("watch {} {}", group.as_raw_nonzero(), signal.as_raw()))
}

pub(crate) fn leave(group: Pid) {
    // A guard that cannot be told is a guard that has ended; then there is nothing to leave.
    let _ = tell(&format!("leave {}", group.as_raw_nonzero()));
}

pub(crate) fn remove_at_end(folder: &Path) -> Result<()> {
    let name = folder.display().to_string();
    // The guard cuts its lines at blanks, and half a path is another folder.
    if name.contains(char::is_whitespace) {
        return Err(WorldError::refused("use a folder with a blank in its path", name));
    }
    tell(&format!("remove {name}"))
}

pub(crate) fn leave_folder(folder: &Path) {
    let _ = tell(&format!("keep {}", folder.display()));
}

fn tell(line: &str) -> Result<()> {
    static GUARD: OnceLock<Mutex<Option<Guard>>> = OnceLock::new();
    let failed = |error| WorldError::io("start the guard of the world", error);
    let mut guard =
        GUARD.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let guard = match guard.take() {
        Some(running) => guard.insert(running),
        None => guard.insert(start().map_err(failed)?),
    };
    guard.pipe.write_all(format!("{line}\n").as_bytes()).map_err(failed)
}

fn start() -> std::io::Result<Guard> {
    let mut shell = Command::new("/bin/sh")
        .args(["-c", SCRIPT, "umstieg-world-guard"])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let pipe = shell.stdin.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
    Ok(Guard { _shell: shell, pipe })
}
