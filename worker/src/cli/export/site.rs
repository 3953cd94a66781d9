//! `steerage export --site`: the page and a session, for any web server.

use super::super::{CliError, print_line};
use super::make_folder;
use crate::checkpoint::Checkpoint;
use crate::models::ModelStore;
use crate::server::site_files;
use std::path::{Path, PathBuf};

/// Writes the folder; with a model's name, that model's file too, so that the folder verifies itself.
pub fn write(session: Vec<u8>, model: Option<&str>, folder: &Path) -> Result<(), CliError> {
    let Some(files) = site_files(session) else {
        return Err(CliError::failed("this program was built without the page; `cargo xtask page` builds it"));
    };
    // Looked for before anything is written.
    let model = match model {
        Some(name) => Some((format!("model/{name}.gguf"), model_file(name)?)),
        None => None,
    };
    make_folder(folder)?;
    let keep = |name: &str, write: &dyn Fn(&Path) -> std::io::Result<()>| {
        let path = folder.join(name);
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| write(&path));
        written.map_err(|error| CliError::failed(format!("{} cannot be written: {error}", path.display())))
    };
    for (name, bytes) in &files {
        keep(name, &|path| std::fs::write(path, bytes))?;
    }
    if let Some((name, file)) = &model {
        keep(name, &|path| std::fs::copy(file, path).map(drop))?;
    }
    eprintln!("{} files; any web server shows it at the root of its address", files.len() + model.iter().len());
    eprintln!("to look at it here: python3 -m http.server --directory {}", folder.display());
    print_line(&folder.display().to_string());
    Ok(())
}

/// Where a model of the list lies that a browser can load: one GGUF file, whose hash is checked here.
fn model_file(name: &str) -> Result<PathBuf, CliError> {
    let models = ModelStore::from_env();
    match (models.name_of(name), Checkpoint::find(name, &models)?) {
        (Some(_), Checkpoint::Gguf(path, _)) => Ok(path),
        _ => Err(CliError::bad_input(format!(
            "--with-model: {name} is not one GGUF file of `steerage models list`, which is what the page loads"
        ))),
    }
}
