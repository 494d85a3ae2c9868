//! Nothing is left behind, however a world ends.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};
use umstieg_world::{World, WorldOptions};

/// The live processes that belong to a world: they work in its folder or name it.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let is_zombie = stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'));
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let works_in = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        let is_ours = command.contains(&folder) || works_in.starts_with(&folder);
        if is_ours && !is_zombie {
            found.push(format!("{} {command}", entry.file_name().display()));
        }
    }
    found
}

async fn all_gone(folder: &Path) {
    let gone = async {
        while !processes_of(folder).is_empty() || folder.exists() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(20), gone).await.is_err() {
        panic!("left in {}: {:#?}", folder.display(), processes_of(folder));
    }
}

/// Starts `umstieg-world up` and returns its folder once everything is up.
async fn up() -> (Child, PathBuf, Lines<BufReader<ChildStderr>>) {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_umstieg-world"))
        .args(["up", "--slots", "1"])
        .env_remove("UMSTIEG_WORLD_KEEP")
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(owner.stderr.take().unwrap()).lines();
    let mut said = Vec::new();
    let mut folder = None;
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some(file) = line.strip_prefix("world: description ") {
            folder = Path::new(file.trim()).parent().map(Path::to_owned);
        }
        if line.contains("up until Ctrl-C") {
            // The caller holds the pipe, so that it does not break under what is said at the end.
            return (owner, folder.unwrap(), lines);
        }
        said.push(line);
    }
    panic!("it did not come up: {said:#?}");
}

#[tokio::test]
async fn a_dropped_world_leaves_nothing() {
    let world = World::start(WorldOptions::default(), |_| {}).await.unwrap();
    let folder = world.folder().to_owned();
    assert!(processes_of(&folder).len() >= 4, "{:#?}", processes_of(&folder));
    drop(world);
    all_gone(&folder).await;
}

#[tokio::test]
async fn an_owner_that_is_killed_leaves_nothing() {
    let (mut owner, folder, _lines) = up().await;
    assert!(processes_of(&folder).len() >= 4, "{:#?}", processes_of(&folder));
    owner.start_kill().unwrap();
    owner.wait().await.unwrap();
    all_gone(&folder).await;
}

#[tokio::test]
async fn an_owner_that_is_asked_to_end_leaves_nothing() {
    let (mut owner, folder, _lines) = up().await;
    let id = i32::try_from(owner.id().unwrap()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), Signal::TERM).unwrap();
    assert!(owner.wait().await.unwrap().success());
    all_gone(&folder).await;
}
