//! Layers of configuration: flag, then environment, then TOML file, then default.
//!
//! The file's values become the parser's defaults, so that one parser checks every layer and every flag exists in all of
//! them. An unknown key is an error that names it.

use crate::url::cut_urls;
use clap::builder::OsStr;
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, Parser};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A flag's value that can't be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{value} is not {expected}")]
pub struct InvalidValue {
    value: String,
    expected: &'static str,
}

impl InvalidValue {
    /// `value` was given where `expected` is accepted.
    pub fn new(value: &str, expected: &'static str) -> InvalidValue {
        InvalidValue {
            value: value.to_owned(),
            expected,
        }
    }
}

/// Why a configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("cannot read the configuration file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("the configuration file {path} is not valid TOML: {message}")]
    Toml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        message: String,
    },
    /// The file has a key that no flag has.
    #[error("unknown key `{key}` in {path}; known keys: {known}")]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// Every key that is accepted.
        known: String,
    },
    /// The file has a table or a date where a value is due.
    #[error("key `{key}` in {path} must be a string, a number, true or false, or a list of these")]
    BadValue {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// The parser refuses (or was asked for help).
    #[error(transparent)]
    Clap(#[from] clap::Error),
}

/// A parsed configuration and where each value came from.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The flags.
    pub args: T,
    /// `sequencer config ...`: print the configuration and exit.
    pub print: bool,
    rendered: String,
}

impl<T> Loaded<T> {
    /// The configuration as TOML, with the source of each value; credentials are left out.
    pub fn to_toml(&self) -> &str {
        &self.rendered
    }
}

/// Parses the process's arguments; on `--help`, `config` or an error this ends the process with the right exit code.
pub fn parse_or_exit<T: Parser>() -> T {
    match load::<T>(std::env::args_os(), &env_var) {
        Ok(loaded) if loaded.print => {
            print!("{}", loaded.to_toml());
            std::process::exit(0)
        }
        Ok(loaded) => loaded.args,
        Err(ConfigError::Clap(error)) => error.exit(),
        Err(error) => {
            eprintln!("error: {error}");
            std::process::exit(2)
        }
    }
}

fn env_var(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Parses `argv` (program name first) over the environment and the file named by `--config` or `ASSAY_CONFIG`.
pub fn load<T: Parser>(
    argv: impl IntoIterator<Item = OsString>,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Loaded<T>, ConfigError> {
    let mut argv: Vec<OsString> = argv.into_iter().collect();
    let print = argv.get(1).is_some_and(|a| a == "config");
    if print {
        argv.remove(1);
    }
    let path = config_path(&argv).or_else(|| env("ASSAY_CONFIG").map(PathBuf::from));
    let file = path
        .as_deref()
        .map(read_file)
        .transpose()?
        .unwrap_or_default();

    let mut command = T::command().after_help(
        "Every flag --some-flag may also be given as ASSAY_SOME_FLAG in the environment or some-flag in the --config \
         file.\nPut `config` before the flags to print what is in force and where it comes from.",
    );
    let known: Vec<String> = command
        .get_arguments()
        .filter_map(|a| a.get_long())
        .map(str::to_owned)
        .collect();
    if let Some(key) = file
        .keys()
        .find(|key| !known.contains(*key) || *key == "config")
    {
        let path = path.clone().unwrap_or_default();
        return Err(ConfigError::UnknownKey {
            path,
            key: key.clone(),
            known: known.join(", "),
        });
    }
    command = layer(command, &file, env);
    let matches = command.clone().try_get_matches_from(argv);
    let matches = matches.map_err(without_secrets)?;
    let rendered = render(&command, &matches, &file, env);
    let args = T::from_arg_matches(&matches).map_err(|e| e.format(&mut command))?;
    Ok(Loaded {
        args,
        print,
        rendered,
    })
}

/// The value of `--config` without a full parse, which may need what the file holds.
fn config_path(argv: &[OsString]) -> Option<PathBuf> {
    let mut rest = argv.iter().skip(1);
    while let Some(arg) = rest.next() {
        let text = arg.to_string_lossy();
        if text == "--config" {
            return rest.next().map(PathBuf::from);
        }
        if let Some(value) = text.strip_prefix("--config=") {
            return Some(PathBuf::from(value));
        }
    }
    None
}

fn read_file(path: &Path) -> Result<BTreeMap<String, Vec<String>>, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    let table: toml::Table = text
        .parse()
        .map_err(|e: toml::de::Error| ConfigError::Toml {
            path: path.to_owned(),
            message: place(&e, &text),
        })?;
    let mut out = BTreeMap::new();
    for (key, value) in table {
        let bad = || ConfigError::BadValue {
            path: path.to_owned(),
            key: key.clone(),
        };
        let values = match value {
            toml::Value::Array(items) => items.iter().map(scalar).collect::<Option<Vec<_>>>(),
            value => scalar(&value).map(|v| vec![v]),
        };
        let values = values.ok_or_else(bad)?;
        out.insert(key, values);
    }
    Ok(out)
}

/// Where and why a file is no TOML. The error's own print shows the whole line, which may hold a key.
fn place(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(0, |before| before.matches('\n').count()) + 1;
    cut_urls(&format!("line {line}: {}", error.message()))
}

fn scalar(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(s) => Some(s.clone()),
        toml::Value::Integer(i) => Some(i.to_string()),
        toml::Value::Float(f) => Some(f.to_string()),
        toml::Value::Boolean(b) => Some(b.to_string()),
        toml::Value::Array(_) | toml::Value::Table(_) | toml::Value::Datetime(_) => None,
    }
}

/// The environment variable that mirrors a flag.
pub fn env_name(long: &str) -> String {
    format!("ASSAY_{}", long.replace('-', "_").to_uppercase())
}

/// Puts file and environment under the flags as defaults. Both become clap defaults (the parser's own reading of the
/// environment can't be pointed at a test's); the environment's replace the file's.
fn layer(
    command: Command,
    file: &BTreeMap<String, Vec<String>>,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Command {
    command.mut_args(|arg| {
        let Some(long) = arg.get_long().map(str::to_owned) else {
            return arg;
        };
        if matches!(long.as_str(), "help" | "version") {
            return arg;
        }
        let name = env_name(&long);
        let from_env = env(&name).map(|value| vec![value]);
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let arg = arg.help(format!("{help} [env: {name}]"));
        let from_file = || Some(file.get(&long)?.iter().map(OsString::from).collect());
        match from_env.or_else(from_file) {
            // clap wants 'static names for defaults; a start-up's worth of them is leaked once.
            Some(values) => arg
                .required(false)
                .default_values(
                    values
                        .into_iter()
                        .map(|v| OsStr::from(&*Box::leak(v.into_boxed_os_str()))),
                )
                // --help is no place for what the operator keeps in the environment.
                .hide_default_value(true),
            None => arg,
        }
    })
}

fn render(
    command: &Command,
    matches: &ArgMatches,
    file: &BTreeMap<String, Vec<String>>,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> String {
    let mut out = String::new();
    for arg in command.get_arguments() {
        let (Some(long), id) = (arg.get_long(), arg.get_id().as_str()) else {
            continue;
        };
        if matches!(long, "help" | "version") {
            continue;
        }
        let Ok(Some(raw)) = matches.try_get_raw(id) else {
            out.push_str(&format!("# {long} is not set\n"));
            continue;
        };
        let source = match matches.value_source(id) {
            Some(ValueSource::CommandLine) => "flag",
            _ if env(&env_name(long)).is_some() => "environment",
            _ if file.contains_key(long) => "file",
            _ => "default",
        };
        let values: Vec<String> = raw
            .map(|v| toml_value(&redact(&v.to_string_lossy())))
            .collect();
        let value = if values.len() == 1 {
            values[0].clone()
        } else {
            format!("[{}]", values.join(", "))
        };
        out.push_str(&format!("{long} = {value} # {source}\n"));
    }
    out
}

fn toml_value(text: &str) -> String {
    match text {
        "true" | "false" => text.to_owned(),
        _ if text.parse::<i64>().is_ok() => text.to_owned(),
        _ => toml::Value::String(text.to_owned()).to_string(),
    }
}

/// URLs lose what may hold a key. (Private keys never are values of flags: flags name a file or a variable.)
fn redact(value: &str) -> String {
    match value.parse::<crate::url::RpcUrl>() {
        Ok(url) => url.to_string(),
        Err(_) => value.to_owned(),
    }
}

/// clap repeats what it refuses; what is or may be a URL is left out of it.
fn without_secrets(mut error: clap::Error) -> clap::Error {
    let of_url = matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(arg)) if arg.contains("<URL>"));
    let context: Vec<_> = error.context().map(|(k, v)| (k, v.to_string())).collect();
    for (kind, text) in context {
        if kind == ContextKind::InvalidValue && of_url {
            error.insert(kind, ContextValue::String("...".to_owned()));
        } else if text.contains("://") {
            error.insert(kind, ContextValue::String(cut_urls(&text)));
        }
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::NodeArgs;

    #[derive(Parser, Debug)]
    struct Flags {
        #[command(flatten)]
        node: NodeArgs,
        #[arg(long)]
        count: Option<u32>,
        #[arg(long)]
        loud: bool,
    }

    fn no_env(_: &str) -> Option<OsString> {
        None
    }

    fn argv(args: &[&str]) -> Vec<OsString> {
        std::iter::once("test")
            .chain(args.iter().copied())
            .map(OsString::from)
            .collect()
    }

    fn file(text: &str) -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.toml");
        std::fs::write(&path, text).expect("written");
        let path = path.to_string_lossy().into_owned();
        (dir, path)
    }

    #[test]
    fn flag_wins_over_env_over_file_over_default() {
        let (_dir, path) = file("data-dir = \"from-file\"\ncount = 1\nloud = true\npoll-ms = 70\n");
        let args = argv(&["--config", &path]);
        let loaded: Loaded<Flags> = load(args.clone(), &no_env).expect("file only");
        assert_eq!(loaded.args.node.data_dir, PathBuf::from("from-file"));
        assert_eq!(
            (
                loaded.args.count,
                loaded.args.loud,
                loaded.args.node.poll_ms
            ),
            (Some(1), true, 70)
        );

        let env = |name: &str| (name == "ASSAY_COUNT").then(|| "2".into());
        let loaded: Loaded<Flags> = load(args, &env).expect("env over file");
        assert_eq!(loaded.args.count, Some(2));

        let loaded: Loaded<Flags> =
            load(argv(&["--config", &path, "--count", "3"]), &env).expect("flag over both");
        assert_eq!(loaded.args.count, Some(3));

        let loaded: Loaded<Flags> = load(argv(&["--data-dir", "d"]), &no_env).expect("defaults");
        assert_eq!(
            (
                loaded.args.count,
                loaded.args.loud,
                loaded.args.node.poll_ms
            ),
            (None, false, 500)
        );
    }

    #[test]
    fn variable_that_is_not_utf8_is_an_error_and_not_ignored() {
        use std::os::unix::ffi::OsStringExt;
        let env =
            |name: &str| (name == "ASSAY_COUNT").then(|| OsString::from_vec(vec![b'2', 0xff]));
        let error = load::<Flags>(argv(&["--data-dir", "d"]), &env)
            .expect_err("no text")
            .to_string();
        assert!(error.contains("UTF-8"), "{error}");
    }

    #[test]
    fn unknown_key_is_named() {
        let (_dir, path) = file("data-dir = \"d\"\nrpc-ulr = \"http://x\"\n");
        let error = load::<Flags>(argv(&["--config", &path]), &no_env)
            .expect_err("a typo")
            .to_string();
        assert!(
            error.contains("`rpc-ulr`") && error.contains("rpc-url"),
            "{error}"
        );
    }

    #[test]
    fn bad_value_in_file_is_an_error_of_its_flag() {
        let (_dir, path) = file("data-dir = \"d\"\ncount = \"many\"\n");
        let error = load::<Flags>(argv(&["--config", &path]), &no_env)
            .expect_err("not a number")
            .to_string();
        assert!(
            error.contains("--count") && error.contains("many"),
            "{error}"
        );
    }

    #[test]
    fn missing_file_and_bad_toml_say_which_file() {
        let error = load::<Flags>(argv(&["--config", "/nope.toml"]), &no_env)
            .expect_err("no file")
            .to_string();
        assert!(error.contains("/nope.toml"), "{error}");
        let (_dir, path) = file("= =");
        let error = load::<Flags>(argv(&["--config", &path]), &no_env)
            .expect_err("not TOML")
            .to_string();
        assert!(error.contains(&path), "{error}");
    }

    #[test]
    fn printed_configuration_holds_no_credentials() {
        let args = argv(&[
            "config",
            "--data-dir",
            "d",
            "--rpc-url",
            "https://me:hunter2@host/v3/key",
        ]);
        let loaded: Loaded<Flags> = load(args, &no_env).expect("parsed");
        assert!(loaded.print);
        let text = loaded.to_toml();
        assert!(
            !text.contains("hunter2") && !text.contains("v3/key"),
            "{text}"
        );
        assert!(
            text.contains("rpc-url = \"https://host/...\" # flag")
                && text.contains("poll-ms = 500"),
            "{text}"
        );
    }

    /// What each way into a wrong or printed configuration says.
    #[test]
    fn no_message_about_a_configuration_holds_credentials() {
        const URL: &str = "https://me:hunter2@host/v3/hunter2?key=hunter2";
        let wrong = format!("wss{}", &URL[5..]);
        let bare = "me:hunter2@host";
        let fails = |args: &[&str], env: Option<&str>| {
            let env = |name: &str| {
                let set = name == "ASSAY_RPC_URL";
                env.filter(|_| set).map(OsString::from)
            };
            let error = load::<Flags>(argv(args), &env).expect_err("no flags");
            format!("{error} {error:?}")
        };
        let d = ["--data-dir", "d"];
        let in_file = |line: String| file(&format!("data-dir = \"d\"\n{line}\n"));
        let (_a, good) = in_file(format!("rpc-url = \"{URL}\""));
        let (_b, bad) = in_file(format!("rpc-url = \"{wrong}\""));
        let (_c, torn) = in_file(format!("rpc-url = \"{URL}"));
        for (text, hint) in [
            (fails(&["--help"], Some(URL)), "ASSAY_RPC_URL"),
            (fails(&["--config", &good, "--help"], None), "ASSAY_RPC_URL"),
            (
                fails(&[&d[..], &["--rpc-url", &wrong]].concat(), None),
                "--rpc-url",
            ),
            (
                fails(&[&d[..], &["--rpc-url", bare]].concat(), None),
                "--rpc-url",
            ),
            (fails(&d, Some(&wrong)), "--rpc-url"),
            (fails(&d, Some(bare)), "--rpc-url"),
            (fails(&["--config", &bad], None), "--rpc-url"),
            (fails(&["--config", &torn], None), "line 2"),
            (
                fails(&[&d[..], &[URL]].concat(), None),
                "unexpected argument",
            ),
            (
                fails(&[&d[..], &["--count", URL]].concat(), None),
                "--count",
            ),
            (
                fails(&[&d[..], &["--rpc-ulr", URL]].concat(), None),
                "--rpc-ulr",
            ),
        ] {
            assert!(text.contains(hint) && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn required_flag_is_still_required() {
        let error = load::<Flags>(argv(&[]), &no_env)
            .expect_err("no data folder")
            .to_string();
        assert!(error.contains("--data-dir"), "{error}");
    }
}
