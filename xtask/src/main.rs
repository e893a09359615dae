// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask`: build, run and check gst-rtc with one command each.
//!
//! Only the standard library is used, so that this program is there seconds after a clone.

mod bench;
mod checks;
mod command;
mod deb;
mod docs;
mod fresh;
mod fuzz;
mod install;
mod natlab;
mod packages;
mod plugins;
mod run;
mod system;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <verb>

  run [--no-install] [-- ARGS]   build the release and start `gst-rtc dev ARGS`
  test [--fast] [--no-install]   every check and every test; --fast: what needs no browser
  bench [turn] [--no-install]    what forwarding costs: criterion, floor, load test; and TURN beside coturn
  natlab [--no-install]          which pairs of NATs the elements connect, tried out; writes docs/nat.md
  check                          formatting, lints, licence lines, documentation
  deny                           licences, bans and advisories of the dependencies (cargo-deny)
  install [--user] [--debug]     plugins to where GStreamer looks by itself, and the program
  uninstall [--user]             takes them away
  deb [--debug]                  Debian packages of the plugins and of the server, in target/debian
  fresh [--source [--fast] | --image] [--debug] [SUITE…] [FILE.deb…]
                                 installs and runs the packages, those given or new ones, in fresh systems (bookworm,
                                 trixie and sid unless said otherwise); --source: builds there, as README and guide say, and tests, with --fast
                                 without browsers and benchmarks; --image: builds and runs the container. As root, on
                                 Debian 12
  fuzz [--seconds N] [TARGET…]   fuzz the parsers of bytes from the network, each for a minute unless said otherwise
  docs [--check]                 write docs/elements/ from the plugin; --check: fail if it is stale

On Debian 12 and 13 `run`, `test`, `bench` and `natlab` name and install the missing packages (as root, or through
sudo). With --no-install they print the command instead, and fail if something is missing.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<(), String> {
    let Some((verb, rest)) = arguments.split_first() else {
        return Err(format!("which verb?\n\n{USAGE}"));
    };
    match verb.as_str() {
        "run" => {
            let (own, passed) = split_at_dashes(rest);
            let [no_install] = flags(own, ["--no-install"])?;
            run::run(no_install, passed)
        }
        "test" => {
            let [fast, no_install] = flags(rest, ["--fast", "--no-install"])?;
            test::test(fast, no_install)
        }
        "bench" => {
            let [no_install, turn] = flags(rest, ["--no-install", "turn"])?;
            bench::bench(no_install, turn)
        }
        "natlab" => {
            let [no_install] = flags(rest, ["--no-install"])?;
            natlab::natlab(no_install)
        }
        "check" => {
            let [] = flags(rest, [])?;
            checks::all()
        }
        "deny" => {
            let [] = flags(rest, [])?;
            checks::deny()
        }
        "install" => {
            let [user, debug, no_install] = flags(rest, ["--user", "--debug", "--no-install"])?;
            install::install(user, debug, no_install)
        }
        "uninstall" => {
            let [user] = flags(rest, ["--user"])?;
            install::uninstall(user)
        }
        "deb" => {
            let [debug, no_install] = flags(rest, ["--debug", "--no-install"])?;
            deb::deb(debug, no_install).map(drop)
        }
        "fresh" => fresh::fresh(rest),
        "docs" => {
            let [check] = flags(rest, ["--check"])?;
            docs::docs(check)
        }
        "fuzz" => fuzz::fuzz(rest),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        other => Err(format!("unknown verb \"{other}\"\n\n{USAGE}")),
    }
}

/// What stands before the first `--`, and what stands after it.
fn split_at_dashes(arguments: &[String]) -> (&[String], &[String]) {
    match arguments.iter().position(|argument| argument == "--") {
        Some(at) => (&arguments[..at], &arguments[at + 1..]),
        None => (arguments, &[]),
    }
}

/// Which of the known flags are given; an unknown one is an error.
fn flags<const N: usize>(given: &[String], known: [&str; N]) -> Result<[bool; N], String> {
    match given.iter().find(|flag| !known.contains(&flag.as_str())) {
        Some(unknown) => Err(format!("unknown argument \"{unknown}\"\n\n{USAGE}")),
        None => Ok(known.map(|name| given.iter().any(|flag| flag == name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn arguments_after_the_dashes_are_passed_on() {
        let given = strings(&["--no-install", "--", "--listen", "127.0.0.1:0"]);
        let (own, passed) = split_at_dashes(&given);
        assert_eq!(own, &given[..1]);
        assert_eq!(passed, &given[2..]);
    }

    #[test]
    fn unknown_flags_are_refused_by_name() {
        let error = flags(&strings(&["--quick"]), ["--fast"]).unwrap_err();
        assert!(error.contains("--quick"), "{error}");
    }
}
