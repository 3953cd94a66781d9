//! The build tools that come from crates.io: trunk and wasm-bindgen.

use crate::shell::{self, Result};
use crate::workspace;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Newer ones need a newer compiler than the workspace does.
const TRUNK_VERSION: &str = "0.21.14";

/// Where the tools are.
pub struct Tools {
    /// To be searched before `PATH`.
    folder: PathBuf,
}

impl Tools {
    /// Finds the tools in the cache folder or in `PATH`, and installs what is absent.
    pub fn install(label: &str) -> Result<Tools> {
        let tools = Tools { folder: workspace::cache()?.join("tools") };
        let bindgen_version = workspace::locked_version("wasm-bindgen")?;
        let wanted = [
            // Its default features are for downloading tools, which we bring ourselves.
            Wanted {
                package: "trunk",
                version: TRUNK_VERSION,
                programs: &["trunk"],
                options: &["--locked", "--no-default-features"],
                // It copies files and calls others: a second longer a page, two minutes less to build.
                opt_level: "0",
                minutes: 5,
            },
            // The command line and the library refuse to work together unless they are equal.
            Wanted {
                package: "wasm-bindgen-cli",
                version: &bindgen_version,
                programs: &["wasm-bindgen", "wasm-bindgen-test-runner"],
                options: &[],
                opt_level: "1",
                minutes: 2,
            },
        ];
        for wanted in &wanted {
            if tools.has(wanted) {
                eprintln!("{label} {} {}: found", wanted.package, wanted.version);
            } else {
                eprintln!(
                    "{label} {} {}: building it into {}, once (about {} minutes on 2 cores)",
                    wanted.package,
                    wanted.version,
                    tools.folder.display(),
                    wanted.minutes
                );
                shell::timed(|| tools.build(wanted))?;
            }
        }
        // What the builds left behind is of no more use, and larger than the tools.
        let _ = std::fs::remove_dir_all(tools.build_folder());
        Ok(tools)
    }

    /// A program that is to be found in the tools' folder first.
    pub fn command(&self, program: &str) -> Result<Command> {
        let mut command = Command::new(self.find(program));
        command.env("PATH", self.path()?);
        Ok(command)
    }

    /// `PATH` with the tools' folder first.
    fn path(&self) -> Result<std::ffi::OsString> {
        let old = std::env::var_os("PATH").unwrap_or_default();
        std::env::join_paths(std::iter::once(self.bin()).chain(std::env::split_paths(&old))).map_err(|error| {
            format!("{} cannot be put into PATH: {error}; move the cache folder", self.bin().display())
        })
    }

    /// The program in the tools' folder, else its bare name for `PATH`.
    pub fn find(&self, program: &str) -> PathBuf {
        let ours = self.bin().join(format!("{program}{}", std::env::consts::EXE_SUFFIX));
        if ours.is_file() { ours } else { PathBuf::from(program) }
    }

    fn bin(&self) -> PathBuf {
        self.folder.join("bin")
    }

    fn build_folder(&self) -> PathBuf {
        self.folder.join("build")
    }

    fn has(&self, wanted: &Wanted) -> bool {
        wanted.programs.iter().all(|program| {
            let found = shell::try_read(Command::new(self.find(program)).arg("--version"));
            found.is_some_and(|line| line.split_whitespace().any(|word| word == wanted.version))
        })
    }

    fn build(&self, wanted: &Wanted) -> Result {
        std::fs::create_dir_all(&self.folder).map_err(|error| {
            format!("cannot create {}: {error}; set STEERAGE_CACHE_DIR to a folder of yours", self.folder.display())
        })?;
        let mut cargo = workspace::cargo()?;
        cargo.args(["install", wanted.package, "--version", wanted.version, "--force"]).args(wanted.options);
        cargo.arg("--root").arg(&self.folder).arg("--target-dir").arg(self.build_folder());
        // Outside the workspace, whose settings are not meant for them.
        cargo.current_dir(Path::new(&self.folder));
        // They run for seconds: compiling them fast matters more than what they gain from optimisation.
        cargo.env("CARGO_PROFILE_RELEASE_LTO", "false");
        cargo.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        cargo.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", wanted.opt_level);
        shell::run(&mut cargo)
    }
}

struct Wanted<'a> {
    package: &'a str,
    version: &'a str,
    programs: &'a [&'a str],
    options: &'a [&'a str],
    opt_level: &'a str,
    minutes: u32,
}
