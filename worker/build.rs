//! A release build embeds the page. The embedding names each file that it finds; this makes cargo
//! also see files that come and go.

use std::path::Path;

fn main() {
    if std::env::var("PROFILE").as_deref() != Ok("release") {
        // A debug build reads the page at run time.
        println!("cargo::rerun-if-changed=build.rs");
        return;
    }
    let page = Path::new("../frontend/dist");
    // A missing folder would count as changed at every build; the one above it changes when the
    // page appears.
    let watched = if page.is_dir() { page } else { Path::new("../frontend") };
    println!("cargo::rerun-if-changed={}", watched.display());
}
