//! `steerage`: finds steering prefixes, on the command line and for browsers.

use std::process::ExitCode;

fn main() -> ExitCode {
    worker::cli::main()
}
