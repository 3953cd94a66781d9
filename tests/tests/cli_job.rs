//! A job of the real program, asked through its stdin as the worker asks it, with the default model.

use anyhow::{Context as _, Result, bail, ensure};
use shared::event::Event;
use shared::spec::StageSpec;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use steerage_tests::program::program;
use steerage_tests::search::TEACHER;

/// How long one step may take where the processor is slow and shared.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running job; dropped, it is killed.
struct Job {
    child: Child,
    /// Nothing once it is closed.
    stdin: Option<ChildStdin>,
    events: Receiver<Event>,
}

impl Job {
    /// Starts the smallest run that has these stages, and a verdict.
    fn start(searches: &[StageSpec]) -> Result<Job> {
        Job::start_with(searches, None, Stdio::null())
    }

    /// The same with a file for the model's answers, and one for what it says to people.
    fn start_with(searches: &[StageSpec], journal: Option<&Path>, log: Stdio) -> Result<Job> {
        let verdict = StageSpec::new("evaluate").with("samples", 0_i64).with("transfer", "none");
        let stages = [searches, &[verdict]].concat();
        let spec = serde_json::json!({
            "model": "smollm2-135m",
            "teacher": TEACHER,
            "prefix_tokens": 3,
            "max_completion_tokens": 5,
            "suffixes": { "train": 2, "validation": 1, "test": 2 },
            "stages": stages,
        });
        let mut child =
            Command::new(program()?).arg("job").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let stdout = child.stdout.take().context("no stdout")?;
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let Ok(event) = serde_json::from_str(&line) else { panic!("no event: {line}") };
                // Nobody listens once the test is through.
                let _ = sender.send(event);
            }
        });
        let stdin = child.stdin.take();
        let mut job = Job { child, stdin, events };
        job.ask(&serde_json::json!({ "run": "r", "spec": spec, "journal": journal }).to_string())?;
        Ok(job)
    }

    fn ask(&mut self, line: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("no stdin")?;
        Ok(writeln!(stdin, "{line}").and_then(|()| stdin.flush())?)
    }

    /// Reads on to an event.
    fn up_to(&self, wanted: impl Fn(&Event) -> bool) -> Result<Vec<Event>> {
        let mut log = Vec::new();
        loop {
            log.push(self.events.recv_timeout(PATIENCE).with_context(|| format!("after {:?}", log.last()))?);
            let event = &log[log.len() - 1];
            if wanted(event) {
                return Ok(log);
            }
            ensure!(!event.is_last(), "the job ended before: {event:?}");
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A search that would take far longer than anyone waits, and finds its first prefix at once.
fn long_search(kind: &str) -> StageSpec {
    let search = StageSpec::new(kind).with("steps", 10_000_i64).with("candidates", 4_i64).with("patience", 1000_i64);
    search.with("init", "random")
}

/// Steps of a stage that a log reports.
fn steps(log: &[Event], stage: usize) -> usize {
    log.iter().filter(|event| matches!(event, Event::Progress { stage: at, .. } if *at == stage)).count()
}

#[test]
fn a_search_stands_still_goes_on_and_gives_its_verdict_when_it_is_asked() -> Result<()> {
    let mut job = Job::start(&[long_search("hotflip"), long_search("gcg")])?;
    job.up_to(|event| matches!(event, Event::Prefix { .. }))?;

    let asked = Instant::now();
    job.ask("pause")?;
    job.up_to(|event| *event == Event::Paused {})?;
    eprintln!("it stood still after {:?}", asked.elapsed());
    match job.events.recv_timeout(Duration::from_secs(2)) {
        Err(RecvTimeoutError::Timeout) => {}
        other => bail!("a paused search goes on: {other:?}"),
    }
    job.ask("resume")?;
    assert_eq!(job.events.recv_timeout(PATIENCE)?, Event::Resumed {});
    job.up_to(|event| matches!(event, Event::Objective { .. }))?;

    let asked = Instant::now();
    job.ask("finish")?;
    let rest = job.up_to(|event| matches!(event, Event::Finished { .. }))?;
    eprintln!("it gave its verdict after {:?}", asked.elapsed());
    assert!(steps(&rest, 1) <= 20, "the first search goes on");
    assert_eq!(steps(&rest, 2), 0, "the second search is left out");
    let said =
        |event: &Event| matches!(event, Event::StageFinished { stage: 2, summary } if summary.contains("left out"));
    assert!(rest.iter().any(said), "it does not say so");
    assert!(job.child.wait()?.success());
    Ok(())
}

#[test]
fn a_job_whose_worker_is_gone_ends_although_it_is_paused() -> Result<()> {
    let mut job = Job::start(&[long_search("hotflip")])?;
    job.up_to(|event| matches!(event, Event::Started { .. }))?;
    job.ask("pause")?;
    job.up_to(|event| *event == Event::Paused {})?;
    // As when the worker is killed.
    job.stdin = None;
    let rest = job.up_to(|event| *event == Event::Cancelled {})?;
    assert_eq!(rest, [Event::Cancelled {}]);
    assert!(job.child.wait()?.success());
    Ok(())
}

#[test]
fn asked_for_a_verdict_before_there_is_a_prefix_a_run_finds_one_with_the_least_work() -> Result<()> {
    let soft_prompt = StageSpec::new("soft_prompt").with("steps", 10_000_i64).with("patience", 1000_i64);
    let mut job = Job::start(&[soft_prompt, StageSpec::new("projection"), long_search("hotflip")])?;
    job.ask("finish")?;
    let log = job.up_to(|event| matches!(event, Event::Finished { .. }))?;
    assert_eq!([1, 2, 3].map(|stage| steps(&log, stage)), [1, 1, 0]);
    Ok(())
}

/// Every event of a job up to its last.
fn whole_log(job: &Job) -> Result<Vec<Event>> {
    job.up_to(|event| matches!(event, Event::Finished { .. }))
}

#[test]
fn a_job_that_was_killed_is_soon_where_it_was_and_ends_the_same() -> Result<()> {
    let soft = StageSpec::new("soft_prompt").with("steps", 3_i64).with("kl_weight", 0.5);
    let flips = StageSpec::new("hotflip").with("steps", 5_i64).with("candidates", 3_i64).with("patience", 5_i64);
    let searches = [soft, StageSpec::new("projection"), flips, StageSpec::new("gcg").with("steps", 2_i64)];
    let expected = whole_log(&Job::start(&searches)?)?;

    let scratch = tempfile::tempdir()?;
    let (journal, log) = (scratch.path().join("journal"), scratch.path().join("log"));
    // Killed in each stage in turn, and in the verdict.
    for stage in 1..=5 {
        let job = Job::start_with(&searches, Some(&journal), Stdio::null())?;
        job.up_to(|event| matches!(event, Event::Progress { stage: at, .. } if *at == stage))?;
        drop(job);
        ensure!(journal.metadata()?.len() > 1000, "nothing was kept in stage {stage}");
    }
    let job = Job::start_with(&searches, Some(&journal), Stdio::from(std::fs::File::create(&log)?))?;
    assert_eq!(whole_log(&job)?, expected);
    let said = std::fs::read_to_string(&log)?;
    let answers = said.split("went on after ").nth(1).and_then(|rest| rest.split(' ').next());
    let answers: usize = answers.with_context(|| format!("it asked all again: {said}"))?.parse()?;
    ensure!(answers > 20, "only {answers} answers were kept");

    // Damage costs what comes after it, and nothing else.
    let mut bytes = std::fs::read(&journal)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&journal, &bytes[..bytes.len() - 7])?;
    assert_eq!(whole_log(&Job::start_with(&searches, Some(&journal), Stdio::null())?)?, expected);
    Ok(())
}
