use cargo_metadata::{Metadata, MetadataCommand, Package, TargetKind};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A checkout of the workspace.
#[derive(Debug)]
pub struct Repository {
    pub root: PathBuf,
    pub metadata: Metadata,
}

/// A service: a crate in `functions/`.
#[derive(Debug, Clone)]
pub struct Service<'a> {
    /// Such as `orders`.
    pub name: String,
    pub folder: PathBuf,
    pub package: &'a Package,
}

/// A function's binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bin {
    /// Such as `orders-place-order`.
    pub name: String,
    pub service: String,
    pub source: PathBuf,
}

impl Bin {
    /// The name without its service: `place-order`.
    #[must_use]
    pub fn action(&self) -> &str {
        self.name
            .strip_prefix(&self.service)
            .and_then(|action| action.strip_prefix('-'))
            .unwrap_or(&self.name)
    }

    /// The service whose events a consumer handles: `orders` of `inventory-on-orders`.
    #[must_use]
    pub fn consumes(&self) -> Option<&str> {
        self.action().strip_prefix("on-")
    }
}

impl Repository {
    /// The checkout that contains this crate.
    ///
    /// # Panics
    /// When cargo can't read it.
    #[must_use]
    pub fn open() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let root = root.canonicalize().expect("the checkout is there");
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .no_deps()
            .exec()
            .expect("cargo reads the workspace");
        Self { root, metadata }
    }

    /// The services, by name.
    #[must_use]
    pub fn services(&self) -> Vec<Service<'_>> {
        let functions = self.root.join("functions");
        let service = |package| {
            let folder = folder(package);
            let name = folder.strip_prefix(&functions).ok()?.to_str()?.to_owned();
            Some(Service { name, folder: folder.clone(), package })
        };
        let mut services: Vec<_> = self.metadata.packages.iter().filter_map(service).collect();
        services.sort_by(|a, b| a.name.cmp(&b.name));
        services
    }

    /// Every function's binary.
    #[must_use]
    pub fn bins(&self) -> Vec<Bin> {
        let mut bins = Vec::new();
        for service in self.services() {
            for target in &service.package.targets {
                if target.kind.contains(&TargetKind::Bin) {
                    bins.push(Bin {
                        name: target.name.clone(),
                        service: service.name.clone(),
                        source: target.src_path.clone().into_std_path_buf(),
                    });
                }
            }
        }
        bins
    }

    /// Every file below a folder of the checkout, none if it isn't there.
    #[must_use]
    pub fn files(&self, folder: impl AsRef<Path>) -> Vec<PathBuf> {
        let mut files = Vec::new();
        walk(&self.root.join(folder), &mut files);
        files.sort();
        files
    }

    /// A path as people write it: from the checkout's root.
    #[must_use]
    pub fn short<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}

/// The folder of a package's manifest.
#[must_use]
fn folder(package: &Package) -> PathBuf {
    package.manifest_path.parent().map(|folder| folder.as_std_path().to_owned()).unwrap_or_default()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // Folders that tools create aren't part of the checkout.
        if ["target", ".git", ".rialto", ".venv", "node_modules", "__pycache__"].contains(&name) {
            continue;
        }
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path);
        }
    }
}
