use std::{
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
};

use crate::Error;

/// Where a download goes: a path below a folder, which no name of a server leads out of.
#[derive(Clone, Debug)]
pub struct Target {
    root: PathBuf,
    folders: Vec<OsString>, // from root to the file
    base: OsString,
}

impl Target {
    /// Returns the place of the file `name` of a server below `dir`. The folders of the
    /// name are kept.
    pub fn below(dir: &Path, name: &str) -> Result<Self, Error> {
        let mut folders: Vec<OsString> = Vec::new();
        for part in name.split('/') {
            let foreign = cfg!(windows) && part.contains(['\\', ':']);
            if matches!(part, "" | "." | "..") || part.contains('\0') || foreign {
                return Err(Error::Usage(format!(
                    "{name:?} is not the name of a file below a folder"
                )));
            }
            folders.push(part.into());
        }
        let base = folders.pop().unwrap_or_default(); // split returns at least one part
        Ok(Self {
            root: dir.into(),
            folders,
            base,
        })
    }

    /// Returns the place at a path of the user's choice.
    pub fn file(path: &Path) -> Result<Self, Error> {
        let base = path
            .file_name()
            .ok_or_else(|| Error::Usage(format!("{path:?} is not the name of a file")))?;
        let root = path.parent().filter(|p| !p.as_os_str().is_empty());
        Ok(Self {
            root: root.unwrap_or(Path::new(".")).into(),
            folders: Vec::new(),
            base: base.into(),
        })
    }

    /// The path of the file.
    pub fn path(&self) -> PathBuf {
        self.folder().join(&self.base)
    }

    /// The last part of the path.
    pub(crate) fn base(&self) -> &OsStr {
        &self.base
    }

    pub(crate) fn folder(&self) -> PathBuf {
        let mut path = self.root.clone();
        path.extend(&self.folders);
        path
    }

    /// Fails if something is there that must stay. A folder always stays; a symbolic link
    /// counts, wherever it leads.
    pub(crate) fn check_free(&self, force: bool) -> Result<(), Error> {
        let path = self.path();
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => Err(Error::local(
                path,
                io::Error::new(io::ErrorKind::IsADirectory, "is a folder"),
            )),
            Ok(_) if !force => Err(Error::Exists(path)),
            Ok(_) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(Error::local(path, e)),
        }
    }

    /// Creates the folders of the name, and returns the last one. Below the root no
    /// symbolic link is followed: it could lead out of it.
    pub(crate) fn make_folder(&self) -> Result<PathBuf, Error> {
        fs::create_dir_all(&self.root).map_err(|e| Error::local(&self.root, e))?;
        let mut path = self.root.clone();
        for folder in &self.folders {
            path.push(folder);
            match fs::create_dir(&path) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(Error::local(path, e));
                }
                _ => {}
            }
            let found = fs::symlink_metadata(&path).map_err(|e| Error::local(&path, e))?;
            if !found.is_dir() {
                return Err(Error::local(
                    path,
                    io::Error::new(io::ErrorKind::NotADirectory, "is not a folder"),
                ));
            }
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_names_below_the_folder() {
        for name in [
            "",
            "..",
            "../x",
            "a/../../x",
            "/etc/passwd",
            "a//b",
            "a/",
            "./a",
            "a\0b",
        ] {
            assert!(Target::below(Path::new("d"), name).is_err(), "{name:?}");
        }
        let target = Target::below(Path::new("d"), "a/b c/größe.txt").unwrap();
        assert_eq!(target.path(), Path::new("d/a/b c/größe.txt"));
    }

    #[cfg(unix)]
    #[test]
    fn follows_no_link_out_of_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), dir.path().join("out")).unwrap();
        let target = Target::below(dir.path(), "out/deep/x").unwrap();
        assert!(target.make_folder().is_err());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
