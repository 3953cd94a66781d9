//! The two commands of the README, `cargo xtask run` and `cargo xtask test`, and what they need.
//!
//! Only the standard library is used: this must compile in seconds on a machine that has nothing else yet.

mod axe;
mod browser;
mod page;
mod run;
mod setup;
mod shell;
mod test;
mod tools;
mod weight;
mod workspace;

use std::process::ExitCode;

const HELP: &str = "\
Usage: cargo xtask COMMAND

Commands:
  run [-- ARGS]     set up, build and start Steerage; ARGS go to `steerage serve`, as in --port 0
  test [STEP ...]   set up and run all tests, or the named steps and what those need
  test --device D   hold the model on cpu, cuda:N or metal to the goldens (docs/gpu.md)
  page              build the page into frontend/dist
  bench-ui          stream 10,000 events into the page and report frames per second
  screenshot        make docs/images/ anew

Steps of test, in order:
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    // Cargo keeps the `--` that separates our arguments from those of the program that we start.
    let rest: Vec<String> = args.filter(|arg| arg != "--").collect();
    let outcome = match command.as_str() {
        "run" => run::run(&rest),
        "test" => match &rest[..] {
            [option, device] if option == "--device" => test::on_device(device),
            steps => test::test(steps),
        },
        "page" => page::command(),
        "bench-ui" => browser::bench_ui(),
        "screenshot" => browser::screenshot(),
        run::OPEN_BROWSER => run::open_browser(),
        "" | "help" | "-h" | "--help" => {
            print!("{HELP}{}", test::steps_help());
            Ok(())
        }
        other => Err(format!("there is no command \"{other}\"; `cargo xtask help` lists them")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
