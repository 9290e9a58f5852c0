//! What is shipped to be installed: that its parts fit together, and our own code.

use crate::config::load_with;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

fn text(relative: &str) -> String {
    std::fs::read_to_string(path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

fn yaml(relative: &str) -> Value {
    serde_saphyr::from_str(&text(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().map(|each| each.as_str().unwrap()).collect()
}

/// The configurations that are shipped are good, name something to watch, and ask for no secret but in a file.
#[test]
fn shipped_configurations_are_good() {
    for file in ["deploy/kubernetes/base/resumeguard.toml", "deploy/compose/resumeguard.toml"] {
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), "mongodb://db1.example/?replicaSet=rs0").unwrap();
        let text = text(file);
        let from = text.split("uri_file = \"").nth(1).unwrap().split('"').next().unwrap();
        let text = text.replace(from, secret.path().to_str().unwrap());
        // As the image sets them.
        let environment = [
            ("RESUMEGUARD__HTTP__LISTEN", "0.0.0.0:9286"),
            ("RESUMEGUARD__HISTORY__DIRECTORY", "/var/lib/resumeguard"),
        ];
        let (_, config) = load_with(&text, &environment).unwrap();
        assert_eq!(
            (config.connect.len(), config.mongodb.len(), config.http.listen.port()),
            (1, 1, 9286),
            "{file}"
        );
        let dockerfile = self::text("Dockerfile");
        for (name, value) in environment {
            assert!(dockerfile.contains(&format!("ENV {name}={value}\n")), "{name}");
        }
    }
}

#[test]
fn every_file_that_a_kustomization_names_is_there() {
    for folder in ["base", "example", "options/prometheus-rule", "options/service-monitor", "options/strimzi"]
    {
        let folder = format!("deploy/kubernetes/{folder}");
        named_files_are_there(&folder);
    }
    named_files_are_there("dashboards");
    let dashboards = yaml("dashboards/kustomization.yaml");
    let generated = dashboards["configMapGenerator"].as_array().unwrap().len();
    let drawn = std::fs::read_dir(path("dashboards/grafana")).unwrap();
    let drawn =
        drawn.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|ext| ext == "json"));
    assert_eq!(generated, drawn.count(), "every dashboard is a ConfigMap");
}

fn named_files_are_there(folder: &str) {
    let kustomization = yaml(&format!("{folder}/kustomization.yaml"));
    let mut names = [strings(&kustomization["resources"]), strings(&kustomization["components"])].concat();
    for generator in kustomization["configMapGenerator"].as_array().into_iter().flatten() {
        names.extend(strings(&generator["files"]));
    }
    assert!(!names.is_empty(), "{folder}");
    for name in names {
        let found = path(folder).join(name);
        assert!(found.is_file() || found.join("kustomization.yaml").is_file(), "{folder}: {name}");
    }
}

/// Ports, paths and names by which the manifests find one another and the daemon.
#[test]
fn the_pod_is_what_the_daemon_needs() {
    let set = yaml("deploy/kubernetes/base/stateful-set.yaml");
    let pod = &set["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(container["ports"][0]["containerPort"], 9286);
    assert_eq!(yaml("deploy/kubernetes/base/service.yaml")["spec"]["ports"][0]["port"], 9286);
    for (probe, at) in
        [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]
    {
        assert_eq!(container[probe]["httpGet"]["path"], at, "{probe}");
        assert_eq!(container[probe]["httpGet"]["port"], container["ports"][0]["name"], "{probe}");
    }
    let mounts = container["volumeMounts"].as_array().unwrap();
    let mounted =
        |at: &str| mounts.iter().find(|mount| mount["mountPath"] == at).unwrap_or_else(|| panic!("{at}"));
    assert_eq!(mounted("/etc/resumeguard/resumeguard.toml")["subPath"], "resumeguard.toml");
    assert_eq!(
        mounted("/var/lib/resumeguard")["name"],
        set["spec"]["volumeClaimTemplates"][0]["metadata"]["name"]
    );
    let configuration = text("deploy/kubernetes/base/resumeguard.toml");
    let secrets = mounted("/etc/resumeguard/secrets")["mountPath"].as_str().unwrap();
    assert!(configuration.contains(&format!("uri_file = \"{secrets}/")), "{configuration}");
    // Of the profile `restricted`, and read-only besides.
    let (all, own) = (&pod["securityContext"], &container["securityContext"]);
    assert_eq!(
        (&all["runAsNonRoot"], &all["seccompProfile"]["type"]),
        (&true.into(), &"RuntimeDefault".into())
    );
    assert_eq!(
        (&own["allowPrivilegeEscalation"], &own["readOnlyRootFilesystem"]),
        (&false.into(), &true.into())
    );
    assert_eq!(own["capabilities"]["drop"][0], "ALL");
    assert_eq!((&set["spec"]["replicas"], &pod["enableServiceLinks"]), (&1.into(), &false.into()));
    let user = all["runAsUser"].to_string();
    assert!(text("Dockerfile").contains(&format!("USER {user}:{user}\n")), "{user}");
}

#[test]
fn the_prometheus_rule_is_the_rules_of_prometheus() {
    let rule = yaml("deploy/kubernetes/options/prometheus-rule/prometheus-rule.yaml");
    let rules = yaml("dashboards/prometheus/resumeguard.rules.yaml");
    assert_eq!(rule["spec"], rules, "cargo xtask manifests --write");
}

#[test]
fn what_compose_mounts_is_there() {
    let compose = yaml("deploy/compose/compose.yaml");
    for (name, service) in compose["services"].as_object().unwrap() {
        for volume in strings(&service["volumes"]) {
            let from = volume.split(':').next().unwrap();
            let there = path("deploy/compose").join(from).is_file() || compose["volumes"].get(from).is_some();
            assert!(there, "{name}: {volume}");
        }
    }
    let secret = &compose["services"]["resumeguard"]["secrets"][0];
    let asked = format!("/run/secrets/{}", secret.as_str().unwrap());
    assert!(text("deploy/compose/resumeguard.toml").contains(&asked), "{asked}");
}

/// Every one of them says which version it is.
#[test]
fn versions_are_ours() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(text("packaging/debian/changelog").starts_with(&format!("resumeguard ({version}-1) ")));
    assert!(text("Dockerfile").contains(&format!("ARG VERSION={version}\n")));
    assert_eq!(yaml("deploy/kubernetes/base/kustomization.yaml")["images"][0]["newTag"], version);
    let image = &yaml("deploy/compose/compose.yaml")["services"]["resumeguard"]["image"];
    assert_eq!(image, &format!("resumeguard:{version}"));
}

/// Everything that the package installs is there, or is made by `cargo xtask deb`.
#[test]
fn every_file_of_the_package_is_there() {
    let manifest: toml::Table = text("Cargo.toml").parse().unwrap();
    let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
    for asset in assets {
        let from = asset[0].as_str().unwrap();
        let made = from.starts_with("target/");
        let folder = path(from).parent().unwrap().is_dir();
        assert!(made || path(from).is_file() || (from.contains('*') && folder), "{from}");
    }
    let user = text("systemd/resumeguard.sysusers");
    assert!(user.contains("\nu resumeguard - "), "{user}");
    assert!(text("systemd/resumeguard.service").contains("\nUser=resumeguard\nGroup=resumeguard\n"));
}
