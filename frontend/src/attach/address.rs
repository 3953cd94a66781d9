//! Where a worker is, and the commands that bring it to a port of this machine.

use super::Problem;
use shared::wire::Credential;

/// Host names of this machine that the page's policy lets it connect to.
const LOOPBACK_NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

/// Where a worker is.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// As in `http://127.0.0.1:7469`.
    pub origin: String,
    /// Its port.
    pub port: u16,
    /// The launch code, where a launch address was given.
    pub code: Option<String>,
}

/// Reads an address as a person copies it: with or without scheme, or the whole launch address.
pub fn parse_address(text: &str, own_origin: &str) -> Result<Target, Problem> {
    let example = "Write it as http://127.0.0.1:7469.";
    let (rest, fragment) = text.trim().split_once('#').unwrap_or((text.trim(), ""));
    if rest.is_empty() {
        return Err(Problem::new("There is no address yet.", example));
    }
    if rest.contains('?') {
        let fix = "Leave out what follows the question mark. A token never belongs in an address: give it below.";
        return Err(Problem::new("The address has a query.", fix));
    }
    let authority = match rest.split_once("://") {
        None => rest,
        Some(("http" | "ws", authority)) => authority,
        Some((scheme, _)) => {
            let what = format!("A worker does not speak {scheme}.");
            return Err(Problem::new(what, "It listens on its own machine only, where http is enough; write http://."));
        }
    };
    let authority = authority.split('/').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port = match port.map(str::parse::<u16>) {
        Some(Ok(port)) if port > 0 => Some(port),
        None => None,
        Some(_) => return Err(Problem::new("The port is no number from 1 to 65535.", example)),
    };
    let host = host.to_ascii_lowercase();
    if host == "[::1]" {
        let fix = "Browsers cannot be told to trust it; write 127.0.0.1, where a worker listens.";
        return Err(Problem::new("The address is [::1].", fix));
    }
    if !LOOPBACK_NAMES.contains(&&*host) {
        let problem = Problem::new(
            format!("{host} is not this machine."),
            "A worker can be reached on its own machine only. Open a tunnel to it, then give http://127.0.0.1 and \
             its port here.",
        );
        let tunnel = tunnel_command(&host, &port.unwrap_or(DEFAULT_PORT).to_string(), own_origin);
        return Err(Problem { command: tunnel.ok(), ..problem });
    }
    let Some(port) = port else {
        return Err(Problem::new("The address names no port.", example));
    };
    if Some(port) == own_port(own_origin) {
        return Err(Problem::new("That is this page's own worker.", "Give the port of another one."));
    }
    let code = fragment.strip_prefix("code=").filter(|code| !code.is_empty()).map(str::to_owned);
    Ok(Target { origin: format!("http://{host}:{port}"), port, code })
}

/// Where a worker listens unless told otherwise.
pub const DEFAULT_PORT: u16 = 7468;

/// The port of this machine that a page came from.
fn own_port(own_origin: &str) -> Option<u16> {
    let (host, port) = own_origin.strip_prefix("http://")?.rsplit_once(':')?;
    LOOPBACK_NAMES.contains(&host).then(|| port.parse().ok())?
}

/// What proves to a worker who we are: the token, or else the code of a launch address.
pub fn credential(target: &Target, token: &str) -> Option<Credential> {
    match (token.trim(), &target.code) {
        ("", None) => None,
        ("", Some(code)) => Some(Credential::Code(code.clone())),
        (token, _) => Some(Credential::Token(token.to_owned())),
    }
}

/// The command that starts a worker which lets this page in.
pub fn serve_command(port: u16, own_origin: &str) -> String {
    format!("steerage serve --port {port} --allow-origin {own_origin}")
}

/// The command that brings the worker of a lab machine to a port of this one. The port stays the same,
/// because a worker answers under its own port only.
pub fn tunnel_command(host: &str, port: &str, own_origin: &str) -> Result<String, Problem> {
    let host = host.trim();
    // What an SSH client takes as a destination, and no shell or option parser as anything else.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@');
    if host.is_empty() {
        return Err(Problem::new("There is no host yet.", "Write what you write behind ssh, as in me@lab.example."));
    }
    if host.starts_with('-') || !host.chars().all(is_plain) {
        return Err(Problem::new("That is no host.", "Write what you write behind ssh, as in me@lab.example."));
    }
    let port = checked_port(port, own_origin)?;
    Ok(format!("ssh -N -L {port}:127.0.0.1:{port} {host}"))
}

/// A port at which a tunnel can begin here.
pub fn checked_port(port: &str, own_origin: &str) -> Result<u16, Problem> {
    match port.trim().parse::<u16>() {
        Ok(port) if Some(port) == own_port(own_origin) => {
            let fix = format!("Choose another for both ends, as {}.", port.checked_add(1).unwrap_or(DEFAULT_PORT));
            Err(Problem::new(format!("This page's own worker has port {port} here."), fix))
        }
        Ok(port) if port > 0 => Ok(port),
        _ => Err(Problem::new("The port is no number from 1 to 65535.", "A worker prints it when it starts.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const OWN: &str = "http://127.0.0.1:7468";

    fn target() -> Target {
        parse_address("http://127.0.0.1:7469", OWN).unwrap()
    }

    #[test]
    fn addresses_are_read_as_people_copy_them() {
        for text in [
            "http://127.0.0.1:7469",
            " 127.0.0.1:7469 ",
            "http://127.0.0.1:7469/",
            "ws://127.0.0.1:7469/ws",
            "http://127.0.0.1:7469/sessions",
        ] {
            assert_eq!(parse_address(text, OWN), Ok(target()), "{text}");
        }
        let launch = parse_address("http://LOCALHOST:7469/#code=3b9a", OWN).unwrap();
        assert_eq!((launch.origin.as_str(), launch.code.as_deref()), ("http://localhost:7469", Some("3b9a")));
        assert_eq!(credential(&launch, ""), Some(Credential::Code("3b9a".to_owned())));
        assert_eq!(credential(&launch, " 8c5f "), Some(Credential::Token("8c5f".to_owned())));
        assert_eq!(credential(&target(), " "), None);
    }

    #[test]
    fn an_address_that_cannot_be_is_refused_with_what_would_be_right() {
        for (text, part) in [
            ("", "no address"),
            ("http://127.0.0.1", "no port"),
            ("http://127.0.0.1:0", "1 to 65535"),
            ("http://127.0.0.1:70000", "1 to 65535"),
            ("127.0.0.1:port", "1 to 65535"),
            ("https://127.0.0.1:7469", "does not speak https"),
            ("http://[::1]:7469", "[::1]"),
            ("http://127.0.0.1:7469/?token=8c5f", "query"),
            ("http://127.0.0.1:7468", "own worker"),
            ("http://localhost:7468", "own worker"),
            ("http://127.0.0.1.evil.example:7469", "not this machine"),
        ] {
            let problem = parse_address(text, OWN).unwrap_err();
            assert!(problem.what.contains(part), "{text}: {problem:?}");
            assert!(!problem.fix.is_empty(), "{text}");
        }
        let elsewhere = parse_address("http://lab.example:7469", OWN).unwrap_err();
        assert_eq!(elsewhere.command.as_deref(), Some("ssh -N -L 7469:127.0.0.1:7469 lab.example"));
        // A static copy of the page has no worker of its own.
        assert!(parse_address("http://127.0.0.1:7468", "https://demo.example").is_ok());
    }

    #[test]
    fn a_tunnel_keeps_the_port_and_carries_nothing_but_a_host() {
        let line = tunnel_command(" me@lab.example ", "7469", OWN);
        assert_eq!(line.as_deref(), Ok("ssh -N -L 7469:127.0.0.1:7469 me@lab.example"));
        for host in ["", "-oProxyCommand=x", "lab; rm x", "lab$(x)", "a b", "lab\nx"] {
            assert!(tunnel_command(host, "7469", OWN).is_err(), "{host}");
        }
        for (port, part) in [("7468", "own worker"), ("0", "65535"), ("x", "65535")] {
            assert!(tunnel_command("lab", port, OWN).unwrap_err().what.contains(part), "{port}");
        }
    }
}
