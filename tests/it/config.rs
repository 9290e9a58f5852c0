//! Configuration: what is documented is what holds, and what is wrong is said in one line.

use crate::cli::resumeguard;
use resumeguard::config::{Authorization, EXAMPLE, Raw, Sources, load};
use std::collections::HashMap;
use std::path::PathBuf;

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().prefix("rg-").suffix(".toml").tempfile().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

pub(crate) fn load_with(
    text: &str,
    environment: &[(&str, &str)],
) -> Result<(Raw, resumeguard::config::Config), String> {
    let file = file(text);
    let environment: HashMap<_, _> =
        environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let sources = Sources { files: vec![file.path().to_owned()], environment, connect: vec![] };
    load(&sources).map_err(|error| error.to_string().replace(&file.path().display().to_string(), "FILE"))
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let error = load_with(text, &[]).map(drop).expect_err(text);
    assert_eq!(error.lines().count(), 1, "{error}");
    assert_eq!(error, expected);
}

/// What the Debian package installs: good as it is, and nothing is in it, commented out or not, that the example does not document.
#[test]
fn the_packaged_configuration_is_good_and_short() {
    let packaged = include_str!("../../packaging/debian/resumeguard.toml");
    let (_, config) = load_with(packaged, &[]).unwrap();
    assert_eq!(config.history.unwrap().directory, PathBuf::from("/var/lib/resumeguard"));
    assert_eq!(config.recovery.policies.greatest_mode().code(), "plan");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("connect-password"), "hunter2").unwrap();
    std::fs::write(folder.path().join("mongodb-uri"), "mongodb://h").unwrap();
    let is_toml = |line: &str| line.starts_with('[') || line.contains(" = ");
    let switched_on = packaged.lines().map(|line| line.strip_prefix("# ").unwrap_or(line));
    let switched_on: Vec<&str> = switched_on.filter(|line| is_toml(line)).collect();
    let text = switched_on.join("\n").replace("/etc/resumeguard", &folder.path().display().to_string());
    let (_, config) = load_with(&text, &[]).unwrap();
    assert_eq!((config.connect.len(), config.mongodb.len()), (1, 1));
}

#[test]
fn the_documented_defaults_are_the_codes() {
    let (documented, _) = load_with(EXAMPLE, &[]).unwrap();
    let code = toml::to_string(&Raw::default()).unwrap();
    assert_eq!(toml::to_string(&documented).unwrap(), code);
}

/// Every commented-out key of the example is accepted when it is switched on, and every key of the code is documented.
#[test]
fn every_key_is_documented() {
    let folder = tempfile::tempdir().unwrap();
    let pem = "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n";
    for name in ["ca.pem", "client.pem", "client-key.pem", "kafka-ca.pem", "kafka.pem", "kafka.key"] {
        std::fs::write(folder.path().join(name), pem).unwrap();
    }
    let mut switched_on = String::new();
    for line in EXAMPLE.lines() {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        let is_key =
            bare.starts_with('[') || bare.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
        // Alternatives of one another: the first of each pair is enough.
        // These are read at once, or need a value of their own.
        let of_http =
            ["read_token", "users_file", "tls_", "client_", "password_hash", "certificate", "[http.users"];
        let files = ["password_file", "uri_file", "token", "offsets_file", "key_password_file"];
        let alternative = files.iter().chain(&of_http).any(|key| bare.starts_with(key));
        let alternative = alternative || bare.starts_with("rights =");
        if is_key && !alternative {
            switched_on.push_str(&bare.replace("/etc/resumeguard", &folder.path().display().to_string()));
            switched_on.push('\n');
        }
    }
    let (raw, _) = load_with(&switched_on, &[]).unwrap();
    let printed = toml::to_string(&raw).unwrap();
    let keys = printed.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key);
    for key in keys {
        assert!(EXAMPLE.contains(&format!("{key} = ")), "{key} is not in config/resumeguard.toml");
    }
    let of_http = [
        "read_token = ",
        "read_token_file = ",
        "users_file = ",
        "tls_cert_file = ",
        "tls_key_file = ",
        "client_ca_file = ",
        "client_certificates = ",
        "[http.users.NAME]",
        "password_hash = ",
        "certificate = ",
        "rights = ",
    ];
    let files = [
        "offsets_file = ",
        "key_password_file = ",
        "password_file = ",
        "uri_file = ",
        "token = ",
        "token_file = ",
    ];
    for key in files.iter().chain(&of_http) {
        assert!(EXAMPLE.contains(key));
    }
}

#[test]
fn unknown_keys_and_wrong_units_name_file_and_key() {
    let expected = "expected one of `interval`, `offset_flush`, `offsets_at_once`, `sizes_every`, `probe`";
    refused(
        "[poll]\nintervall = \"15s\"",
        &format!("FILE: poll.intervall: unknown field `intervall`, {expected}"),
    );
    refused(
        "[nonsense]\na = 1",
        "FILE: nonsense: unknown field `nonsense`, expected one of `connect`, `mongodb`, `poll`, `thresholds`, `mutes`, `http`, `history`, `recovery`",
    );
    refused(
        "[poll]\ninterval = \"15 parsecs\"",
        "FILE: poll.interval: `15 parsecs` is no duration (unknown time unit \"parsecs\", supported units: ns, us/µs, ms, sec, min, hours, days, weeks, months, years (and few variations)); write for example \"15s\" or \"2h\"",
    );
    refused("[poll]\ninterval = \"0s\"", "poll.interval: 0s is not between 100ms and 1h");
    refused(
        "[http]\nlisten = \"9286\"",
        "http.listen: `9286` is no address; write for example \"127.0.0.1:9286\"",
    );
    refused("[poll]\ninterval = ", "FILE, line 2: string values must be quoted, expected literal string");
}

#[test]
fn what_contradicts_itself_is_refused() {
    refused(
        "[connect.a]\nurl = \"ftp://h\"",
        "connect.a.url: not an http or https URL; write for example \"http://127.0.0.1:8083\"",
    );
    refused(
        "[connect.a]\nurl = \"http://h\"\nusername = \"u\"",
        "connect.a.username: needs password or password_file",
    );
    refused(
        "[connect.a]\nurl = \"http://me:hunter2@h\"",
        "connect.a.url: must not hold credentials; set username and password_file of [connect.NAME] in a --config file",
    );
    refused("[mongodb.a]\nhosts = [\"h\"]", "mongodb.a: needs uri or uri_file");
    refused("[mongodb.a]\nuri = \"h\"", "mongodb.a.uri: must begin with mongodb:// or mongodb+srv://");
    refused(
        "[mongodb.a]\nuri_file = \"/nonexistent\"",
        "mongodb.a.uri_file: /nonexistent: No such file or directory (os error 2)",
    );
    refused("[history]\nkeep = \"5m\"", "history.keep: 5m is not between 1h and 365d");
    refused(
        "[history]\nmax_size = \"64KiB\"",
        "history.max_size: 64KiB is less than 1MiB, with which nothing can be kept",
    );
    refused(
        "[history]\nmax_size = \"512MB\"",
        "FILE: history.max_size: `512MB` is no size; write for example \"512MiB\" or a number of bytes",
    );
    refused("[thresholds]\ncritical = \"24h\"", "thresholds: critical must not be larger than at_risk");
    refused(
        "[thresholds.overrides.x]\nconnectors = [\"a\"]\ncritical_ratio = 2.0",
        "thresholds.overrides.x: ratios must be from 0 to 1",
    );
}

#[test]
fn the_environment_overrides_files_and_is_named_in_errors() {
    let text = "[poll]\ninterval = \"20s\"\n[connect.main]\nurl = \"http://h:1\"";
    let environment = [
        ("RESUMEGUARD__POLL__INTERVAL", "30s"),
        ("RESUMEGUARD__POLL__OFFSETS_AT_ONCE", "7"),
        ("RESUMEGUARD__CONNECT__MAIN__CONNECTOR_HOSTS", "a.example, b.example"),
        ("RESUMEGUARD__CONNECT__MAIN__USERNAME", "u"),
        ("RESUMEGUARD__CONNECT__MAIN__PASSWORD", "007"),
        ("RESUMEGUARD_SERVICE_PORT", "tcp://10.0.0.1:9286"),
    ];
    let (raw, config) = load_with(text, &environment).unwrap();
    assert_eq!(config.poll.interval.as_secs(), 30);
    assert_eq!(config.poll.offsets_at_once, 7);
    assert_eq!(raw.connect["main"].connector_hosts, ["a.example", "b.example"]);
    let authorization = config.connect[0].credentials.authorization.as_ref();
    let expected = Authorization::Basic("u".into(), "007".to_owned().into());
    assert_eq!(authorization, Some(&expected), "a password is text");
    let error = load_with("", &[("RESUMEGUARD__POLL__INTERVAL", "x")]).map(drop).unwrap_err();
    assert!(error.starts_with("the environment: poll.interval: "), "{error}");
    let error = load_with("", &[("RESUMEGUARD__POLL__NONSENSE", "x")]).map(drop).unwrap_err();
    assert!(error.starts_with("the environment: poll.nonsense: unknown field"), "{error}");
}

#[test]
fn a_history_is_kept_where_a_directory_is_named() {
    let history = |text: &str| load_with(text, &[]).unwrap().1.history;
    assert!(history("").is_none() && history("[history]\ndirectory = \"\"").is_none());
    let kept = history("[history]\ndirectory = \"/x\"\nmax_size = 2097152\nkeep = \"1h\"").unwrap();
    assert_eq!((kept.directory, kept.max_size_bytes), (PathBuf::from("/x"), 2 << 20));
    let environment = [("RESUMEGUARD__HISTORY__DIRECTORY", "/y"), ("RESUMEGUARD__HISTORY__MAX_SIZE", "3MiB")];
    let kept = load_with("", &environment).unwrap().1.history.unwrap();
    assert_eq!((kept.directory, kept.max_size_bytes), (PathBuf::from("/y"), 3 << 20));
}

#[test]
fn later_files_override_earlier_ones_and_tables_merge() {
    let (first, second) = (
        file("[connect.a]\nurl = \"http://a\"\n[poll]\ninterval = \"20s\"\noffset_flush = \"5s\""),
        file("[connect.b]\nurl = \"http://b\"\n[poll]\ninterval = \"40s\""),
    );
    let files: Vec<PathBuf> = vec![first.path().to_owned(), second.path().to_owned()];
    let (_, config) = load(&Sources { files, ..Sources::default() }).unwrap();
    assert_eq!(config.connect.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((config.poll.interval.as_secs(), config.thresholds.offset_flush.as_secs()), (40, 5));
}

#[test]
fn config_print_shows_no_secret_and_example_is_the_file() {
    let secrets = file(
        "[connect.main]\nurl = \"http://h\"\nusername = \"u\"\npassword = \"hunter2\"\n[mongodb.rs]\nuri = \"mongodb://u:hunter2@h/\"",
    );
    let run = resumeguard(&["--config", secrets.path().to_str().unwrap(), "config", "print"]).run();
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("[redacted]") && run.stdout.contains("interval = \"15s\""), "{run:?}");
    assert!(!run.stdout.contains("hunter2"), "{run:?}");
    assert_eq!(resumeguard(&["config", "example"]).run().stdout, EXAMPLE);
}

#[test]
fn check_config_is_78_on_what_run_would_refuse() {
    let good = file(EXAMPLE);
    let run = resumeguard(&["--config", good.path().to_str().unwrap(), "check-config"]).run();
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (
            0,
            "configuration is good: 0 Connect clusters, 0 MongoDB deployments\nnothing is watched yet: add [connect.NAME] with url = \"…\" for each Kafka Connect cluster\n"
        )
    );
    let bad = file("[poll]\nintervall = \"1s\"");
    let run = resumeguard(&["--config", bad.path().to_str().unwrap(), "check-config"]).run();
    assert_eq!((run.code, run.stderr.lines().count()), (78, 1), "{run:?}");
    // Each property by itself is good.
    let against_each_other = file(
        "[connect.main]\nurl = \"http://h:8083\"\nkafka_bootstrap_servers = \"b:9092\"\noffsets_topic = \"t\"\n\
         [connect.main.kafka]\nusername = \"u\"\npassword = \"hunter2\"\nsasl_mechanism = \"PLAIN\"\n\
         [connect.main.kafka.properties]\n\"message.max.bytes\" = \"9000000\"\n\"fetch.max.bytes\" = \"8000000\"\n",
    );
    let run = resumeguard(&["--config", against_each_other.path().to_str().unwrap(), "check-config"]).run();
    assert_eq!(
        (run.code, run.stderr.as_str()),
        (
            78,
            "resumeguard: connect.main.kafka: no client of Kafka could be made: `fetch.max.bytes` must be >= `message.max.bytes`\n"
        )
    );
    let missing = resumeguard(&["--config", "/nonexistent.toml", "check-config"]).run();
    assert_eq!(missing.code, 78);
    assert_eq!(missing.stderr, "resumeguard: /nonexistent.toml: No such file or directory (os error 2)\n");
}

#[test]
fn a_mute_says_whom_why_and_until_when() {
    let mute = |rest: &str| format!("[mutes.old]\n{rest}");
    let whole = "connectors = [\"legacy-*\"]\nreason = \"known\"\nuntil = \"2027-01-31T18:00:00Z\"\n";
    let (_, config) = load_with(&mute(whole), &[]).unwrap();
    assert_eq!(config.thresholds.mutes[0].until, 1_801_418_400);
    refused(
        &mute(&whole.replace("\"legacy-*\"", "")),
        "mutes.old.connectors: names nobody; write for example [\"billing-*\"]",
    );
    refused(&mute(&whole.replace("known", " ")), "mutes.old.reason: must say why");
    refused(
        &mute(&whole.replace("2027-01-31T18:00:00Z", "tomorrow")),
        "mutes.old.until: `tomorrow` is no moment; write for example \"2027-01-31T18:00:00Z\"",
    );
    refused(
        &mute(&format!("{whole}rules = [\"RG999\"]")),
        "mutes.old.rules: `RG999` is no rule; write for example [\"RG007\"]",
    );
    refused(
        &mute("connectors = [\"*\"]\nreason = \"x\""),
        "FILE: mutes.old: missing configuration field \"mutes.old.until\"",
    );
}
