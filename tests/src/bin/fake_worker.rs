//! A worker without models for the tests: `fake_worker serve DATA_DIR` is the real server, and its
//! jobs, `fake_worker job`, do what their spec's script says.
//!
//! The server prints its launch address, and ends in order when its stdin ends.

use anyhow::{Context as _, Result, bail};
use shared::event::{
    Adherence, Candidate, CrossEntropies, ErrorBody, Event, ModelCard, PerSplit, Prefix, RunResult, StagePlan,
    TestIntervals, TokenPiece,
};
use shared::nontriviality::Verdict;
use shared::spec::RunSpec;
use shared::tokens::TokenizerBundle;
use shared::verdict::PerPrefix;
use std::io::{BufRead as _, Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use steerage_tests::script::{self, Ending, Script};
use steerage_tests::whole_run;
use worker::control::{Control, Standstill};
use worker::server::{ServeOptions, serve};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", data_dir] => run_server(PathBuf::from(data_dir)),
        ["job"] => run_job(),
        _ => bail!("usage: fake_worker serve DATA_DIR | fake_worker job"),
    }
}

fn run_server(data_dir: PathBuf) -> Result<()> {
    // Not in the data folder, which the server makes itself; larger than one piece of what is sent.
    let models = tempfile::tempdir()?;
    let model = models.path().join("fake.gguf");
    std::fs::write(&model, "GGUF".repeat(200_000))?;
    let options = ServeOptions {
        cache_dir: data_dir.join("cache"),
        data_dir,
        job_command: Vec::new(),
        job_env: Vec::new(),
        allowed_origins: vec![steerage_tests::worker::ALLOWED_ORIGIN.parse()?],
        device: None,
        catalogue: Box::new(script::catalogue),
        tokenizer: Box::new(tokenizer),
        model_file: Box::new(move |_| Ok(model.clone())),
        on_ready: Box::new(|ready| {
            let mut stdout = std::io::stdout();
            // Nobody listens only if the test is gone.
            let _ = writeln!(stdout, "{}", ready.launch_url).and_then(|()| stdout.flush());
        }),
    };
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        serve(options, listener, stdin_ended()).await.context("serving")
    })
}

async fn stdin_ended() {
    let wait = || std::io::stdin().read_to_end(&mut Vec::new());
    // Whether it ended or broke, nobody needs the server any more.
    let _ = tokio::task::spawn_blocking(wait).await;
}

fn tokenizer(model: &str) -> Result<TokenizerBundle, ErrorBody> {
    Ok(TokenizerBundle {
        tokenizer_json: format!("{{\"model\":\"{model}\",\"padding\":\"{}\"}}", "x".repeat(10_000)),
        chat_template: None,
        bos_token: String::new(),
        eos_token: String::new(),
        stop_ids: vec![0],
    })
}

fn run_job() -> Result<()> {
    let mut first_line = String::new();
    std::io::stdin().lock().read_line(&mut first_line)?;
    let request: serde_json::Value = serde_json::from_str(&first_line)?;
    let spec: RunSpec = serde_json::from_value(request["spec"].clone())?;
    let script = Script::read(&spec).context("the spec has no script")?;
    eprintln!("the scripted job begins");
    let control = Arc::new(Control::new().telling(|standstill| {
        let event = if standstill == Standstill::Begins { Event::Paused {} } else { Event::Resumed {} };
        // Nobody reads only if the server is gone.
        let _ = emit(&event);
    }));
    std::thread::spawn({
        let control = Arc::clone(&control);
        move || {
            for line in std::io::stdin().lines().map_while(Result::ok) {
                control.obey(&line);
            }
            if !matches!(script.ending, Ending::Stubborn | Ending::Linger) {
                std::process::exit(0);
            }
        }
    });
    if script.ending == Ending::Whole {
        return whole_run::events().iter().try_for_each(emit);
    }
    emit(&started())?;
    emit(&Event::StageStarted { stage: 0 })?;
    // Lets a test look whether this process is still there.
    emit(&Event::StageFinished { stage: 0, summary: std::process::id().to_string() })?;
    for n in 1..=script.events {
        emit(&scripted_event(n, script))?;
        std::thread::sleep(Duration::from_millis(script.pause_ms.unsigned_abs()));
        if script.ending == Ending::Stubborn {
            continue;
        }
        if control.proceed().is_err() {
            return emit(&Event::Cancelled {});
        }
        if control.is_finishing() {
            return emit(&finished());
        }
    }
    end(script.ending, &control)
}

fn end(ending: Ending, control: &Control) -> Result<()> {
    match ending {
        Ending::Finish => emit(&finished()),
        Ending::Linger => {
            emit(&finished())?;
            wait_until(|| false)
        }
        Ending::Fail => emit(&Event::Failed { error: ErrorBody::new("scripted", "The script says so.") }),
        Ending::FailAtFile => {
            let cache = PathBuf::from(std::env::var_os("STEERAGE_CACHE_DIR").context("no cache folder")?);
            let file = cache.join("models/fake/weights.gguf");
            let error = ErrorBody::new("bad_model", format!("{} is truncated: found 7 bytes", file.display()))
                .with_field("model")
                .with_hint(format!("delete {} and fetch it again", file.display()));
            emit(&Event::Failed { error })
        }
        Ending::Exit => std::process::exit(3),
        Ending::Abort => std::process::abort(),
        Ending::Garbage => write_and_wait(b"panicked at /secret/path.rs\n"),
        Ending::Foreign => {
            emit(&Event::Interrupted {})?;
            wait_until(|| false)
        }
        Ending::Endless => write_and_wait(&vec![b'x'; 3 << 20]),
        Ending::Binary => write_and_wait(b"\xff\xfe\n"),
        Ending::Wait => {
            wait_until(|| control.proceed().is_err() || control.is_finishing())?;
            emit(&if control.is_cancelled() { Event::Cancelled {} } else { finished() })
        }
        Ending::Stubborn | Ending::Whole => wait_until(|| false),
    }
}

fn wait_until(done: impl Fn() -> bool) -> Result<()> {
    while !done() {
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn write_and_wait(bytes: &[u8]) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()?;
    wait_until(|| false)
}

fn emit(event: &Event) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", serde_json::to_string(event)?)?;
    Ok(stdout.flush()?)
}

fn started() -> Event {
    let model = ModelCard {
        name: "fake".to_owned(),
        architecture: "none".to_owned(),
        sha256: None,
        vocab_size: 2,
        context_length: 128,
    };
    let plan = StagePlan { kind: "scripted".to_owned(), title: "Scripted".to_owned(), total_steps: 1 };
    Event::Started { model, stages: vec![plan], reference: Vec::new() }
}

fn scripted_event(n: i64, script: Script) -> Event {
    let step = n as usize;
    if n % script.score_every != 0 {
        return Event::Progress { stage: 0, step, total_steps: script.events as usize };
    }
    let ids = vec![n as u32; script.ids as usize];
    let candidate = Candidate { ids, ce_train: 1.0 / n as f64, dropped: false, estimated: false };
    Event::Candidates { stage: 0, step, candidates: vec![candidate] }
}

fn finished() -> Event {
    let tokens = vec![TokenPiece { id: 1, text: "purr".to_owned() }];
    let ratio = PerSplit { train: Some(0.5), validation: None, test: Some(0.25) };
    let result = RunResult {
        prefix: Prefix { text: "purr".to_owned(), tokens },
        ce: CrossEntropies::default(),
        gap_closed: ratio,
        exact: ratio,
        exact_at_k: ratio,
        overlap_at_k: ratio,
        adherence: Adherence::default(),
        test_intervals: TestIntervals::default(),
        forward_kl: PerPrefix::default(),
        argmax_agreement: PerPrefix::default(),
        lexical_adherence: None,
        sampled: None,
        transfer: Vec::new(),
        nontriviality: Verdict { passed: true, findings: Vec::new() },
        candidates_scored: 3,
        evaluations: 7,
        evaluations_saved: 0,
    };
    Event::Finished { result: Box::new(result) }
}
