//! How smooth the page is while 10,000 events stream in, how soon it shows a run that has them, and whether its
//! memory stays as it is: `cargo xtask bench-ui`.
//!
//! Server, log, wire, page and browser are the real ones; only the search is replaced, by this very
//! program as the job, which writes events at a given rate or as fast as it can. The page itself
//! counts its frames with `requestAnimationFrame`.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use anyhow::{Context as _, Result};
use shared::event::{Candidate, Completion, Event, Flip, ModelCard, Prefix, StagePlan, SuffixBaseline, TokenPiece};
use shared::spec::Split;
use std::io::{BufWriter, Write as _};
use std::time::{Duration, Instant};
use steerage_tests::browser::{Page, SOON, Viewport, with_browser};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use worker::models::ModelStore;
use worker::server::{self, ServeOptions};

const EVENTS: usize = 10_000;
/// What a search of an hour writes at ten events a second, for the memory.
const HOUR_EVENTS: usize = 36_000;
/// Rate at which that hour is played, in events a second.
const HOUR_EVENTS_A_SEC: usize = 1_200;
/// Parts of the hour after which the memory is measured.
const HOUR_PARTS: usize = 6;
/// Times that the run is opened.
const OPENINGS: usize = 5;
/// Longest time from asking for a socket to the view, in milliseconds, that is wanted.
const WANTED_VIEW_MS: f64 = 1_000.0;
/// Frames a second that the page is to keep.
const WANTED_FRAMES_A_SEC: f64 = 30.0;
/// Longest time for one stream to arrive.
const PATIENCE: Duration = Duration::from_secs(180);

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("job") => {
            let number = |at: usize| -> Result<usize> { Ok(args.get(at).context("a number")?.parse()?) };
            write_events(number(2)?, number(3)?)
        }
        _ => tokio::runtime::Runtime::new()?.block_on(bench()),
    }
}

async fn bench() -> Result<()> {
    println!("{EVENTS} events into one page; at least {WANTED_FRAMES_A_SEC:.0} frames a second are wanted.");
    for (label, events_a_sec) in [("500 a second", 500), ("2,000 a second", 2_000), ("all at once", 0)] {
        let mut frames = None;
        with_page(EVENTS, events_a_sec, async |page| {
            frames = Some(watch(page).await?);
            Ok(())
        })
        .await
        .with_context(|| label.to_owned())?;
        let frames = frames.context("no frames were counted")?;
        println!(
            "{label:>15}: {:5.1} frames a second over {:.1} s; the longest pause between two was {:.0} ms",
            frames.a_sec, frames.secs, frames.longest_pause_ms
        );
    }
    with_page(EVENTS, 0, async |page| {
        page.click("start-example").await?;
        page.see_text("run-state", "cancelled", PATIENCE).await?;
        let times = opened_ms(page).await?;
        let list = times.iter().map(|ms| format!("{ms:.0}")).collect::<Vec<_>>().join(", ");
        println!(
            "a run of {EVENTS} events, from asking for the socket to its chart: {list} ms (wanted: {WANTED_VIEW_MS:.0})"
        );
        Ok(())
    })
    .await?;
    with_page(HOUR_EVENTS, HOUR_EVENTS_A_SEC, async |page| {
        println!("{HOUR_EVENTS} events, an hour at ten a second: MB of WebAssembly memory, and of JavaScript after a clean-up");
        page.click("start-example").await?;
        page.see("stepper").await?;
        for part in 1..=HOUR_PARTS {
            let events = part * HOUR_EVENTS / HOUR_PARTS;
            // "120 of 9000 · 2 min left", or "stopped at 9000 of 9000".
            let steps = "Number((document.querySelector('[data-stage=hotflip] .step-detail')?.textContent ?? '').match(/\\d+/))";
            page.until("the events are there", PATIENCE, &format!("return {steps} >= {}", events / 4 - 20)).await?;
            let (program, script) = memory_mb(page).await?;
            println!("{events:>15}: {program:6.1} {script:6.1}");
        }
        Ok(())
    })
    .await
}

/// What the page measured.
#[derive(serde::Deserialize)]
struct Frames {
    a_sec: f64,
    secs: f64,
    longest_pause_ms: f64,
}

/// Serves a worker whose runs write so many events at this rate, and opens its page.
async fn with_page(events: usize, events_a_sec: usize, work: impl AsyncFnOnce(&Page) -> Result<()>) -> Result<()> {
    let data = tempfile::tempdir()?;
    let models = ModelStore::from_env();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (ready_tx, ready) = oneshot::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let exe = std::env::current_exe()?;
    let options = ServeOptions {
        data_dir: data.path().to_owned(),
        cache_dir: models.cache_dir().to_owned(),
        job_command: vec![exe.into(), "job".into(), events.to_string().into(), events_a_sec.to_string().into()],
        job_env: Vec::new(),
        allowed_origins: Vec::new(),
        device: None,
        catalogue: Box::new(move || worker::catalogue::catalogue(&models)),
        tokenizer: Box::new(|_| Err(shared::event::ErrorBody::new("tokenizer_unavailable", "not in this benchmark"))),
        model_file: Box::new(|_| Err(shared::event::ErrorBody::new("model_unavailable", "not in this benchmark"))),
        on_ready: Box::new(|ready| drop(ready_tx.send(ready))),
    };
    let server = tokio::spawn(server::serve(options, listener, async { drop(stopped.await) }));
    let address = ready.await?.launch_url;
    with_browser("bench-ui", async |browser| {
        let page = browser.open(&address, Viewport::DESKTOP).await?;
        page.see_text("connection-pill", "Live", SOON).await?;
        page.see("start-example").await?;
        work(&page).await?;
        // The page asks for the tokenizer that this benchmark does not have.
        page.forgive_console().await
    })
    .await?;
    drop(stop);
    Ok(server.await??)
}

/// Opens the run that is shown, again and again: from the moment the page asks for its socket, which the only tab has to
/// start the switchboard for, to a frame in which its chart is drawn and its end is known, in milliseconds.
async fn opened_ms(page: &Page) -> Result<Vec<f64>> {
    // Before any script of the page: it notes when the page asks, and every frame is looked at.
    let source = "window.SharedWorker = class extends SharedWorker {
            constructor(...given) {
                window.askedMs ??= performance.now();
                super(...given);
            }
        };
        const look = () => {
            const state = document.querySelector('[data-testid=run-state]')?.textContent;
            const drawn = document.querySelector('.chart-svg path.series-train') !== null;
            if (state === 'cancelled' && drawn) window.shownMs = performance.now();
            else requestAnimationFrame(look);
        };
        requestAnimationFrame(look);";
    let script = serde_json::json!({ "source": source });
    page.driver.cdp().send_raw("Page.addScriptToEvaluateOnNewDocument", script).await?;
    let mut times = Vec::new();
    for _ in 0..OPENINGS {
        page.reload().await?;
        let ms = page.until("the run is shown", PATIENCE, "return window.shownMs && window.shownMs - window.askedMs");
        times.push(ms.await?.as_f64().context("a time is a number")?);
    }
    Ok(times)
}

/// What the page's program has taken of memory, and what its objects hold once the rubbish is gone, in MB.
async fn memory_mb(page: &Page) -> Result<(f64, f64)> {
    // Loaded once already: this gives what runs.
    let program = page
        .evaluate("return import('/steerage-frontend.js').then((glue) => glue.default()).then((it) => it.memory.buffer.byteLength)")
        .await?;
    page.driver.cdp().send_raw("HeapProfiler.collectGarbage", serde_json::json!({})).await?;
    let used = page.driver.cdp().send_raw("Runtime.getHeapUsage", serde_json::json!({})).await?;
    let mb = |bytes: &serde_json::Value| Ok::<_, anyhow::Error>(bytes.as_f64().context("bytes are a number")? / 1e6);
    Ok((mb(&program)?, mb(&used["usedSize"])?))
}

async fn watch(page: &Page) -> Result<Frames> {
    page.evaluate(
        "window.frameTimes = [];
         const count = (time) => { window.frameTimes.push(time); requestAnimationFrame(count); };
         requestAnimationFrame(count);",
    )
    .await?;
    page.click("start-example").await?;
    page.see("stepper").await?;
    page.evaluate("window.frameTimes.length = 0").await?;
    page.see_text("run-state", "cancelled", PATIENCE).await?;
    let frames = page
        .evaluate(
            "const times = window.frameTimes;
             const pauses = times.slice(1).map((time, index) => time - times[index]);
             const secs = (times.at(-1) - times[0]) / 1000;
             return { secs, a_sec: pauses.length / secs, longest_pause_ms: Math.max(...pauses) };",
        )
        .await?;
    Ok(serde_json::from_value(frames)?)
}

/// The job: events as a search writes them.
fn write_events(events: usize, events_a_sec: usize) -> Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut written = 0;
    let start = Instant::now();
    let mut write = |event: &Event| -> Result<()> {
        writeln!(out, "{}", serde_json::to_string(event)?)?;
        written += 1;
        if events_a_sec > 0 {
            let due = start + Duration::from_secs_f64(written as f64 / events_a_sec as f64);
            let ahead = due.saturating_duration_since(Instant::now());
            // A search writes each event at once; so many a second come in small groups here.
            if ahead > Duration::from_millis(10) {
                out.flush()?;
                std::thread::sleep(ahead);
            }
        }
        Ok(())
    };
    begin(events, &mut write)?;
    // Each round is what a step of HotFlip writes.
    let rounds = (events - 20) / 4;
    for step in 1..=rounds {
        let ce_train = 1.0 + 2.0 / (1.0 + step as f64 / 200.0);
        let evaluations = 100 * step as u64;
        write(&Event::Candidates { stage: 1, step, candidates: (0..12).map(|id| candidate(step, id)).collect() })?;
        write(&Event::Flip { flip: flip(step, ce_train) })?;
        let ce_validation = (step % 5 == 0).then_some(ce_train + 0.1);
        write(&Event::Objective { stage: 1, step, evaluations, ce_train, ce_validation })?;
        if step % 20 == 0 {
            write(&Event::Prefix { stage: 1, step, prefix: prefix(step), ce_train, ce_validation })?;
        } else {
            write(&Event::Progress { stage: 1, step, total_steps: rounds })?;
        }
    }
    write(&Event::Cancelled {})?;
    out.flush()?;
    Ok(())
}

fn begin(events: usize, write: &mut impl FnMut(&Event) -> Result<()>) -> Result<()> {
    let plan = |kind: &str, total_steps| StagePlan { kind: kind.to_owned(), title: kind.to_owned(), total_steps };
    write(&Event::Started {
        model: ModelCard {
            name: "smollm2-135m".to_owned(),
            architecture: "llama".to_owned(),
            sha256: None,
            vocab_size: 49_152,
            context_length: 8_192,
        },
        stages: vec![plan("reference", 12), plan("hotflip", events / 4)],
        reference: vec![piece(1)],
    })?;
    write(&Event::StageStarted { stage: 0 })?;
    for index in 0..12 {
        write(&Event::SuffixMeasured { suffix: suffix(index) })?;
    }
    write(&Event::StageFinished { stage: 0, summary: "12 suffixes".to_owned() })?;
    write(&Event::StageStarted { stage: 1 })
}

fn suffix(index: usize) -> SuffixBaseline {
    let text = "Whiskers purr beneath the moon while the kettle sings. ".repeat(4);
    SuffixBaseline {
        index,
        split: Split::ALL[index % 3],
        text: format!("Write a short poem about topic {index}."),
        reference: Completion { text, ids: (0..48).collect(), pieces: Vec::new() },
        ce_none: 3.0,
        ce_reference: 1.0,
        weight: 100.0,
        dominated: false,
        nll_none: Vec::new(),
        nll_reference: Vec::new(),
    }
}

fn piece(id: usize) -> TokenPiece {
    TokenPiece { id: id as u32 % 49_152, text: format!(" token{}", id % 977) }
}

fn prefix(step: usize) -> Prefix {
    let tokens: Vec<TokenPiece> = (0..6).map(|position| piece(step * 7 + position)).collect();
    Prefix { text: tokens.iter().map(|token| token.text.as_str()).collect(), tokens }
}

fn candidate(step: usize, id: usize) -> Candidate {
    let ids = (0..6).map(|position| (step + id + position) as u32).collect();
    Candidate { ids, ce_train: 2.0, dropped: false, estimated: false }
}

fn flip(step: usize, ce: f64) -> Flip {
    let accepted = step.is_multiple_of(20);
    Flip {
        stage: 1,
        step,
        position: step % 6,
        old: piece(step),
        new: piece(step + 1),
        ce_before: ce,
        ce_after: ce + 0.01,
        accepted,
        reason: (!accepted).then(|| "no better".to_owned()),
    }
}
