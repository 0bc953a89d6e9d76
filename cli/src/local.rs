//! `.rialto/<stage>.json`: the addresses of a stage and the accounts of its demo shop.
//!
//! Written by scripts/up and `rialto seed`, readable by its owner only, never committed. Unknown
//! fields are preserved.

use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Local {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) api_url: Option<String>,
    /// The endpoint of an emulator; `None` for a stage on AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) aws_endpoint: Option<String>,
    /// The name of the event bus, if it isn't that of the stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event_bus: Option<String>,
    #[serde(default)]
    pub(crate) accounts: Accounts,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Accounts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) supervisor: Option<Account>,
    #[serde(default)]
    pub(crate) sellers: Vec<Account>,
    #[serde(default)]
    pub(crate) buyers: Vec<Account>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Stored before the account is registered, so that its password is never lost; the id follows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) email: String,
    pub(crate) password: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seller_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Account {
    pub(crate) fn new(email: String, password: String) -> Self {
        Self { email, password, ..Self::default() }
    }
}

/// The file and its content.
#[derive(Debug, Clone)]
pub(crate) struct LocalFile {
    pub(crate) path: PathBuf,
    pub(crate) content: Local,
}

impl LocalFile {
    /// Reads the file at `path`. A missing file is empty.
    ///
    /// # Errors
    /// [`Failure`] if the file can't be read or parsed.
    pub(crate) fn open(path: PathBuf) -> Result<Self, Failure> {
        let content = match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                Failure::new(
                    format!("{} can't be parsed: {error}", path.display()),
                    "Repair it, or delete it and run scripts/up or rialto seed again.",
                )
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Local::default(),
            Err(error) => {
                return Err(Failure::new(
                    format!("{} can't be read: {error}", path.display()),
                    "Allow reading it, or name another file with --file.",
                ));
            }
        };
        Ok(Self { path, content })
    }

    /// Replaces the file atomically by one that only its owner can read.
    ///
    /// # Errors
    /// [`Failure`] if it can't be written; the old file stays then.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        self.write().map_err(|error| {
            Failure::new(
                format!("{} can't be written: {error}", self.path.display()),
                "Free disk space, allow writing there, or name another file with --file.",
            )
        })
    }

    fn write(&self) -> io::Result<()> {
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        let mut new = self.path.clone().into_os_string();
        new.push(format!(".{}", std::process::id()));
        let written = create_private(Path::new(&new)).and_then(|mut file| {
            serde_json::to_writer_pretty(&mut file, &self.content)?;
            file.write_all(b"\n")?;
            fs::rename(&new, &self.path)
        });
        if written.is_err() {
            // The first error is reported.
            fs::remove_file(&new).ok();
        }
        written
    }
}

fn create_private(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The nearest `.rialto/<stage>.json`, from `start` upward; if there is none, its path below
/// `start`.
pub(crate) fn find(start: &Path, stage: &str) -> PathBuf {
    let name = Path::new(".rialto").join(format!("{stage}.json"));
    let found = start.ancestors().map(|folder| folder.join(&name)).find(|path| path.is_file());
    found.unwrap_or_else(|| start.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A temporary folder, removed with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("rialto-cli-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn unknown_fields_are_preserved() {
        let folder = Folder::new("merge");
        let path = folder.0.join("local.json");
        let before = json!({
            "api_url": "http://127.0.0.1:4566/x",
            "aws_endpoint": "http://127.0.0.1:4566",
            "event_bus": "rialto-local",
            "ports": {"simulator": 4567},
            "accounts": {
                "robot": {"email": "robot@rialto.example"},
                "buyers": [{"email": "a@rialto.example", "password": "p", "user_id": "usr_1", "note": "mine"}],
            },
        });
        fs::write(&path, before.to_string()).unwrap();
        let mut file = LocalFile::open(path.clone()).unwrap();
        file.content.accounts.supervisor =
            Some(Account::new("s@rialto.example".into(), "q".into()));
        file.content.accounts.sellers.push(Account::new("b@rialto.example".into(), "r".into()));
        file.save().unwrap();
        let mut expected = before;
        expected["accounts"]["supervisor"] = json!({"email": "s@rialto.example", "password": "q"});
        expected["accounts"]["sellers"] = json!([{"email": "b@rialto.example", "password": "r"}]);
        let after: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(after, expected);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new("mode");
        let path = folder.0.join("deep/local.json");
        let mut file = LocalFile::open(path.clone()).unwrap();
        file.save().unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        file.content.api_url = Some("http://127.0.0.1:1".to_owned());
        file.save().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(LocalFile::open(path).unwrap().content, file.content);
        assert_eq!(fs::read_dir(folder.0.join("deep")).unwrap().count(), 1);
    }

    #[test]
    fn invalid_files_are_reported_and_left_alone() {
        let folder = Folder::new("broken");
        let path = folder.0.join("local.json");
        fs::write(&path, "{").unwrap();
        let failure = LocalFile::open(path.clone()).unwrap_err().to_string();
        assert!(failure.contains("local.json") && failure.contains("Repair it"), "{failure}");
        assert_eq!(fs::read_to_string(path).unwrap(), "{");
    }

    #[test]
    fn the_nearest_file_upward_is_found() {
        let folder = Folder::new("find");
        let below = folder.0.join("a/b");
        fs::create_dir_all(&below).unwrap();
        assert_eq!(find(&below, "local"), below.join(".rialto/local.json"));
        fs::create_dir_all(folder.0.join(".rialto")).unwrap();
        fs::write(folder.0.join(".rialto/local.json"), "{}").unwrap();
        assert_eq!(find(&below, "local"), folder.0.join(".rialto/local.json"));
        assert_eq!(find(&below, "dev"), below.join(".rialto/dev.json"));
    }
}
