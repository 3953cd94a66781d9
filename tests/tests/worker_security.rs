//! Who may talk to the worker. Every line of the security section has a test here that can fail.

use anyhow::{Context as _, Result};
use shared::wire::{Credential, PROTOCOL, ServerMessage};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use steerage_tests::client::{Client, Incoming};
use steerage_tests::worker::{ALLOWED_ORIGIN, FakeWorker, PATIENCE};

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

async fn worker() -> Result<(tempfile::TempDir, FakeWorker)> {
    let scratch = tempfile::tempdir()?;
    let worker = FakeWorker::start(scratch.path()).await?;
    Ok((scratch, worker))
}

fn wrong_token() -> Credential {
    Credential::Token("0".repeat(64))
}

#[tokio::test]
async fn another_host_is_refused_on_every_route() -> Result<()> {
    let (_scratch, worker) = worker().await?;
    let port = worker.address.port();
    for path in [
        "/",
        "/ws",
        "/api/health",
        "/api/models/fake/tokenizer",
        "/api/models/fake/file",
        "/steerage.js",
        "/no/such/path",
    ] {
        for host in ["evil.example".to_owned(), format!("evil.example:{port}"), "127.0.0.1:1".to_owned()] {
            let response = worker.http(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n"))?;
            assert_eq!((response.status, response.error_code().as_str()), (421, "bad_host"), "{path} {host}");
        }
        let response = worker.http_raw(&format!("GET {path} HTTP/1.0\r\n\r\n"))?;
        assert_eq!(response.status, 421, "{path} without a host");
    }
    let origin = format!("http://127.0.0.1:{port}");
    let upgrade = format!("GET /ws HTTP/1.1\r\nHost: evil.example\r\nOrigin: {origin}\r\n{UPGRADE}\r\n");
    assert_eq!(worker.http_raw(&upgrade)?.status, 421);
    for host in ["127.0.0.1", "localhost", "[::1]"] {
        let response = worker.http(&format!("GET /api/health HTTP/1.1\r\nHost: {host}:{port}\r\n"))?;
        assert_eq!(response.status, 200, "{host}");
    }
    Ok(())
}

#[tokio::test]
async fn only_our_own_pages_open_sockets() -> Result<()> {
    let (_scratch, worker) = worker().await?;
    let port = worker.address.port();
    for origin in
        ["http://evil.example", "null", "https://127.0.0.1:1", &format!("http://127.0.0.1:{port}.evil.example")]
    {
        assert_eq!(Client::open_with(&worker, &[("origin", origin)]).await?.err(), Some(403), "{origin}");
    }
    // The token does not make up for it.
    let bearer = format!("Bearer {}", worker.token()?);
    let headers = [("origin", "http://evil.example"), ("authorization", bearer.as_str())];
    assert_eq!(Client::open_with(&worker, &headers).await?.err(), Some(403));
    for name in ["127.0.0.1", "localhost", "[::1]"] {
        let origin = format!("http://{name}:{port}");
        assert!(Client::open_with(&worker, &[("origin", &origin)]).await?.is_ok(), "{origin}");
    }
    Ok(())
}

/// A page of this machine that nobody allowed.
const OTHER_ORIGIN: &str = "http://127.0.0.1:7002";

#[tokio::test]
async fn a_page_that_the_owner_allowed_attaches_with_the_token_and_no_other_does() -> Result<()> {
    let (_scratch, worker) = worker().await?;
    let mut client = Client::open_with(&worker, &[("origin", ALLOWED_ORIGIN)]).await?.ok().context("refused")?;
    client.hello(wrong_token()).await?;
    assert_eq!(client.refusal().await?, ("unauthorised".to_owned(), 4401));
    assert_eq!(Client::open_with(&worker, &[("origin", OTHER_ORIGIN)]).await?.err(), Some(403));

    let preflight = |origin: &str, path: &str| {
        worker.http(&format!(
            "OPTIONS {path} HTTP/1.1\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: GET\r\n\
             Access-Control-Request-Headers: authorization\r\n"
        ))
    };
    let tokenizer = "/api/models/fake/tokenizer";
    let granted = preflight(ALLOWED_ORIGIN, tokenizer)?;
    assert_eq!((granted.status, granted.header("access-control-allow-origin")), (204, Some(ALLOWED_ORIGIN)));
    assert_eq!(granted.header("access-control-allow-headers"), Some("authorization"));
    assert_eq!(granted.header("access-control-allow-methods"), Some("GET"));
    for (origin, path) in [(OTHER_ORIGIN, tokenizer), ("http://evil.example", tokenizer), (ALLOWED_ORIGIN, "/")] {
        let refused = preflight(origin, path)?;
        assert_eq!((refused.status, refused.header("access-control-allow-origin")), (405, None), "{origin} {path}");
    }
    let get = |origin: &str, token: &str| {
        worker.http(&format!("GET {tokenizer} HTTP/1.1\r\nOrigin: {origin}\r\nAuthorization: Bearer {token}\r\n"))
    };
    let token = worker.token()?;
    let read = get(ALLOWED_ORIGIN, &token)?;
    assert_eq!((read.status, read.header("access-control-allow-origin")), (200, Some(ALLOWED_ORIGIN)));
    assert_eq!(get(OTHER_ORIGIN, &token)?.header("access-control-allow-origin"), None);
    assert_eq!(get(ALLOWED_ORIGIN, &"0".repeat(64))?.status, 401);
    Ok(())
}

#[tokio::test]
async fn pages_of_this_machine_learn_what_keeps_them_out_and_others_learn_nothing() -> Result<()> {
    let (_scratch, worker) = worker().await?;
    let ask = |origin: &str, host: &str| {
        worker.http(&format!("GET /api/health HTTP/1.1\r\nOrigin: {origin}\r\nHost: {host}\r\n"))
    };
    let host = worker.address.to_string();
    for (origin, allowed) in [(ALLOWED_ORIGIN, true), (OTHER_ORIGIN, false), (&format!("http://{host}"), true)] {
        let answer = ask(origin, &host)?;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some(origin)));
        let health: serde_json::Value = serde_json::from_slice(&answer.body)?;
        assert_eq!(health["origin_allowed"], allowed, "{origin}");
        // As at the end of a tunnel that does not keep the port.
        let answer = ask(origin, "127.0.0.1:1")?;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (421, Some(origin)));
    }
    for host in [&*host, "127.0.0.1:1"] {
        for origin in ["http://evil.example", "null", "http://127.0.0.1.evil.example"] {
            assert_eq!(ask(origin, host)?.header("access-control-allow-origin"), None, "{origin} at {host}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_program_without_an_origin_needs_the_token_in_the_header() -> Result<()> {
    let (_scratch, worker) = worker().await?;
    assert_eq!(Client::open_with(&worker, &[]).await?.err(), Some(401));
    let wrong = format!("Bearer {}", "0".repeat(64));
    assert_eq!(Client::open_with(&worker, &[("authorization", &wrong)]).await?.err(), Some(401));
    let bearer = format!("Bearer {}", worker.token()?);
    let mut client = Client::open_with(&worker, &[("authorization", &bearer)]).await?.ok().context("refused")?;
    // It says hello like everyone.
    client.hello(Credential::Token(worker.token()?)).await?;
    assert!(matches!(client.next().await?, ServerMessage::Welcome { token: None, .. }));
    Ok(())
}

#[tokio::test]
async fn the_launch_code_brings_the_token_and_dies_with_the_process() -> Result<()> {
    let (scratch, worker) = worker().await?;
    // A second browser may open the address too.
    for _ in 0..2 {
        let mut client = Client::open(&worker).await?;
        client.hello(Credential::Code(worker.code.clone())).await?;
        let ServerMessage::Welcome { token, .. } = client.next().await? else { panic!("no welcome") };
        assert_eq!(token, Some(worker.token()?));
    }
    let old = worker.code.clone();
    assert!(old.len() >= 32, "128 bits in hex");
    worker.kill().await?;
    let worker = FakeWorker::start(scratch.path()).await?;
    let mut client = Client::open(&worker).await?;
    client.hello(Credential::Code(old)).await?;
    assert_eq!(client.refusal().await?, ("unauthorised".to_owned(), 4401));
    Ok(())
}

#[tokio::test]
async fn wrong_tokens_are_refused_and_bounded_and_the_right_one_gets_in() -> Result<()> {
    let (_scratch, worker) = worker().await?;
    for expected in [("unauthorised", 4401), ("unauthorised", 4401), ("too_many_attempts", 4429)] {
        let mut client = Client::open(&worker).await?;
        client.hello(wrong_token()).await?;
        let (code, close) = client.refusal().await?;
        assert_eq!((code.as_str(), close), expected);
    }
    // Headers are counted with hellos.
    let request = format!("GET /api/models/fake/tokenizer HTTP/1.1\r\nAuthorization: Bearer {}\r\n", "1".repeat(64));
    let response = worker.http(&request)?;
    assert_eq!((response.status, response.error_code().as_str()), (429, "too_many_attempts"));
    Client::connect(&worker).await.context("the owner is locked out")?;
    Ok(())
}

#[tokio::test]
async fn a_silent_client_has_five_seconds() -> Result<()> {
    let (_scratch, worker) = worker().await?;
    let opened = Instant::now();
    let mut client = Client::open(&worker).await?;
    assert_eq!(client.refusal().await?, ("hello_timeout".to_owned(), 4408));
    let waited = opened.elapsed();
    assert!(waited >= Duration::from_millis(4900) && waited < Duration::from_secs(15), "{waited:?}");
    Ok(())
}

#[tokio::test]
async fn nothing_is_done_before_the_hello() -> Result<()> {
    let (_scratch, worker) = worker().await?;
    for (text, code) in [
        (r#"{"type":"subscribe","run":"r","epoch":0,"after_seq":0}"#, "hello_expected"),
        (r#"{"type":"hello","protocol":1,"credential":{"token":"x"},"more":1}"#, "bad_message"),
        ("nonsense", "bad_message"),
    ] {
        let mut client = Client::open(&worker).await?;
        client.send_text(text).await?;
        assert_eq!(client.refusal().await?, (code.to_owned(), 4400), "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn another_protocol_is_named_together_with_ours() -> Result<()> {
    let (_scratch, worker) = worker().await?;
    // A later version may look different otherwise.
    for protocol in [PROTOCOL + 1, 0] {
        let mut client = Client::open(&worker).await?;
        client.send_text(&format!(r#"{{"type":"hello","protocol":{protocol},"passport":[]}}"#)).await?;
        let error = client.error().await?;
        assert_eq!(error.code, "version_mismatch");
        let both = [protocol, PROTOCOL].map(|number| error.message.contains(&number.to_string()));
        assert_eq!(both, [true, true], "{error:?}");
        let Incoming::Closed(Some(frame)) = client.incoming().await? else { panic!("not closed") };
        assert_eq!(u16::from(frame.code), 4426);
    }
    Ok(())
}

#[tokio::test]
async fn every_answer_carries_the_headers() -> Result<()> {
    let (_scratch, worker) = worker().await?;
    let origin = format!("Origin: http://{}\r\n", worker.address);
    let upgrade = format!("GET /ws HTTP/1.1\r\nHost: {}\r\n{origin}{UPGRADE}\r\n", worker.address);
    let mut stream = TcpStream::connect(worker.address)?;
    stream.write_all(upgrade.as_bytes())?;
    let mut head = [0; 2048];
    let read = stream.read(&mut head)?;
    let switching = String::from_utf8_lossy(&head[..read]).to_ascii_lowercase();
    assert!(switching.starts_with("http/1.1 101") && switching.contains("content-security-policy: default-src 'none'"));

    for (request, status) in [
        ("GET / HTTP/1.1\r\n", None),
        ("GET /api/health HTTP/1.1\r\n", Some(200)),
        ("GET /api/unknown HTTP/1.1\r\n", Some(404)),
        ("GET /unknown.js HTTP/1.1\r\n", Some(404)),
        ("GET /api/models/fake/tokenizer HTTP/1.1\r\n", Some(401)),
        ("GET /api/models/fake/file HTTP/1.1\r\n", Some(401)),
        ("GET /ws HTTP/1.1\r\n", Some(401)),
        ("POST / HTTP/1.1\r\n", Some(405)),
        ("DELETE /api/health HTTP/1.1\r\n", Some(405)),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n", Some(421)),
    ] {
        let response = worker.http(request)?;
        assert!(status.is_none_or(|status| response.status == status), "{request}: {}", response.status);
        for (name, value) in [
            (
                "content-security-policy",
                "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self' \
                 http://127.0.0.1:* http://localhost:* ws://127.0.0.1:* ws://localhost:*; \
                 img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            ),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-robots-tag", "noindex"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(response.header(name), Some(value), "{request}: {name}");
        }
        assert_eq!(response.header("access-control-allow-origin"), None);
    }
    Ok(())
}

#[tokio::test]
async fn the_tokenizer_needs_the_token() -> Result<()> {
    let (_scratch, worker) = worker().await?;
    let get = |name: &str, more: &str| {
        let token = worker.token()?;
        worker.http(&format!("GET /api/models/{name}/tokenizer HTTP/1.1\r\nAuthorization: Bearer {token}\r\n{more}"))
    };
    assert_eq!(worker.http("GET /api/models/fake/tokenizer HTTP/1.1\r\n")?.status, 401);
    // Not in an address: those are written down in many places.
    let query = format!("GET /api/models/fake/tokenizer?token={} HTTP/1.1\r\n", worker.token()?);
    assert_eq!(worker.http(&query)?.status, 401);

    let plain = get("fake", "")?;
    assert_eq!((plain.status, plain.header("content-type")), (200, Some("application/json")));
    let bundle: shared::tokens::TokenizerBundle = serde_json::from_slice(&plain.body)?;
    assert!(bundle.tokenizer_json.contains("fake"));
    let packed = get("fake", "Accept-Encoding: gzip\r\n")?;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() < plain.body.len() / 10);
    let etag = plain.header("etag").context("no etag")?;
    assert_eq!(get("fake", &format!("If-None-Match: {etag}\r\n"))?.status, 304);

    for unknown in ["unknown", "..%2f..%2fetc%2fpasswd", "%00", "fake%20"] {
        let response = get(unknown, "")?;
        assert_eq!((response.status, response.error_code().as_str()), (404, "unknown_model"), "{unknown}");
    }
    Ok(())
}

#[tokio::test]
async fn the_file_of_a_model_needs_the_token_and_comes_whole() -> Result<()> {
    let (_scratch, worker) = worker().await?;
    let get = |name: &str| {
        let token = worker.token()?;
        worker.http(&format!("GET /api/models/{name}/file HTTP/1.1\r\nAuthorization: Bearer {token}\r\n"))
    };
    assert_eq!(worker.http("GET /api/models/fake/file HTTP/1.1\r\n")?.status, 401);
    let wrong = format!("GET /api/models/fake/file HTTP/1.1\r\nAuthorization: Bearer {}\r\n", "0".repeat(64));
    assert_eq!(worker.http(&wrong)?.status, 401);

    let file = get("fake")?;
    assert_eq!((file.status, file.header("content-length")), (200, Some("800000")));
    assert_eq!((file.body.len(), file.header("content-encoding")), (800_000, None));
    assert!(file.body.starts_with(b"GGUF") && file.body.ends_with(b"GGUF"));
    assert_eq!(file.header("cache-control"), Some("no-store"));
    for unknown in ["unknown", "..%2f..%2fetc%2fpasswd", "fake.gguf"] {
        let response = get(unknown)?;
        assert_eq!((response.status, response.error_code().as_str()), (404, "unknown_model"), "{unknown}");
    }
    Ok(())
}

#[tokio::test]
async fn files_outside_the_page_are_not_served() -> Result<()> {
    let (_scratch, worker) = worker().await?;
    for path in ["/../Cargo.toml", "/%2e%2e/Cargo.toml", "/..%2fCargo.toml", "//etc/hostname.txt", "/./../src/main.rs"]
    {
        let response = worker.http(&format!("GET {path} HTTP/1.1\r\n"))?;
        assert_eq!(response.status, 404, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn half_a_request_does_not_hold_a_connection() -> Result<()> {
    let (_scratch, worker) = worker().await?;
    let mut stream = TcpStream::connect(worker.address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost:")?;
    let began = Instant::now();
    // Whether the server says why or not, it ends the connection.
    let _ = stream.read_to_end(&mut Vec::new());
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(4) && waited < Duration::from_secs(15), "{waited:?}");
    Ok(())
}

#[tokio::test]
async fn a_head_without_end_is_cut_off() -> Result<()> {
    let (_scratch, worker) = worker().await?;
    let head = format!("GET / HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n", worker.address, "x".repeat(64 * 1024));
    let response = worker.http_raw(&head)?;
    assert_eq!(response.status, 431);
    Ok(())
}

#[tokio::test]
async fn the_number_of_sockets_is_bounded() -> Result<()> {
    let (_scratch, worker) = worker().await?;
    let mut clients = Vec::new();
    for _ in 0..64 {
        clients.push(Client::connect(&worker).await?.0);
    }
    let origin = format!("http://{}", worker.address);
    assert_eq!(Client::open_with(&worker, &[("origin", &origin)]).await?.err(), Some(503));
    clients.pop();
    let began = Instant::now();
    while Client::open_with(&worker, &[("origin", &origin)]).await?.is_err() {
        assert!(began.elapsed() < PATIENCE, "a closed socket still counts");
    }
    Ok(())
}

#[cfg(unix)]
#[tokio::test]
async fn secrets_on_disk_are_private() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = tempfile::tempdir()?;
    let data_dir = scratch.path().join("data");
    let worker = FakeWorker::start(&data_dir).await?;
    let mode = |path: &std::path::Path| Ok::<_, std::io::Error>(std::fs::metadata(path)?.permissions().mode() & 0o777);
    assert_eq!((mode(&data_dir)?, mode(&data_dir.join("token"))?), (0o700, 0o600));
    worker.kill().await?;
    std::fs::set_permissions(data_dir.join("token"), std::fs::Permissions::from_mode(0o644))?;
    let said = FakeWorker::start_refused(&data_dir).await?;
    assert!(said.contains("token") && said.contains("chmod 600"), "{said}");
    Ok(())
}
