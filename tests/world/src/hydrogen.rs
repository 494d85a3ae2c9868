//! Hydrogen in a browser: what a person sees of a room, and a picture of it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{
    client::talk::{HYDROGEN, Talk, field},
    error::{Result, WorldError},
    folder::Folder,
    setup::{installed, program},
    synapse::SynapseAccess,
};

/// A user logged in to Hydrogen, in a headless Chromium; ended with this value.
///
/// Hydrogen is served on a separate port on loopback. It waits up to a minute for what it is asked
/// to see.
#[derive(Debug)]
pub struct Hydrogen {
    user_id: String,
    // Before the folder it works in.
    talk: Talk,
    _folder: Folder,
}

impl Hydrogen {
    /// Logs a user in on a new device, by typing into the page.
    ///
    /// # Errors
    /// When the homeserver refuses; with what the page says then.
    pub async fn login(homeserver: &SynapseAccess, name: &str, password: &str) -> Result<Self> {
        let folder = Folder::make("client")?;
        let talk = Talk::start(&HYDROGEN, &folder)?;
        let hydrogen = Self { user_id: homeserver.user_id(name), talk, _folder: folder };
        let command = json!({
            "homeserver": homeserver.url, "user": name, "password": password,
            "files": installed("clients/hydrogen")?, "browser": program("chromium")?,
        });
        hydrogen.command("login", command).await?;
        Ok(hydrogen)
    }

    /// Opens a room by its id, or by the name the list of rooms shows. An invitation is accepted.
    ///
    /// # Errors
    /// When it does not appear in the list in time.
    pub async fn open_room(&self, room: &str) -> Result<()> {
        self.command("open_room", json!({ "room": room })).await.map(drop)
    }

    /// Waits until a text is to be seen in the open room, in whichever message.
    ///
    /// # Errors
    /// When it does not appear in time.
    pub async fn wait_for_text(&self, text: &str) -> Result<()> {
        self.command("wait_for_text", json!({ "text": text })).await.map(drop)
    }

    /// Types a message into the open room and sends it.
    ///
    /// # Errors
    /// When no room is open.
    pub async fn say(&self, text: &str) -> Result<()> {
        self.command("say", json!({ "text": text })).await.map(drop)
    }

    /// All text of the open room the page holds, one line per thing shown.
    ///
    /// # Errors
    /// When no room is open.
    pub async fn shown(&self) -> Result<String> {
        Ok(field(&self.command("shown", json!({})).await?, "text"))
    }

    /// Clicks on the latest picture of the open room, which then fills the page.
    ///
    /// # Errors
    /// When there is none.
    pub async fn open_picture(&self) -> Result<()> {
        self.command("open_picture", json!({})).await.map(drop)
    }

    /// Takes a picture of the page as `target/screenshots/{name}.png`; returns its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn screenshot(&self, name: &str) -> Result<PathBuf> {
        let path = target().join("screenshots").join(format!("{name}.png"));
        self.screenshot_to(&path).await?;
        Ok(path)
    }

    /// Takes a picture of the page as a PNG file; its folder is made if need be.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn screenshot_to(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|error| WorldError::io("make a folder for screenshots", error))?;
        }
        self.command("screenshot", json!({ "path": path })).await.map(drop)
    }

    async fn command(&self, verb: &str, command: Value) -> Result<Value> {
        self.talk.command(&self.user_id, verb, command).await
    }
}

/// Where cargo builds: our programs are in `target/debug`, tests in `target/debug/deps`.
fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let named = |folder: &&Path| folder.join("CACHEDIR.TAG").exists();
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    program.ancestors().find(named).map_or(checkout, Path::to_owned)
}
