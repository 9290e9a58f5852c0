//! `cargo xtask manifests`: what `deploy/kubernetes` makes, held against Kubernetes' and the Prometheus Operator's schemas by
//! kubeconform, and against what kube-score knows of good pods.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::process::Command;
use xtask::{Cache, Need, Progress, ensure as ensure_machine, from_go, from_pypi, go_module};

use super::cargo::workspace;

const KUSTOMIZE: &str = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1";
const KUBECONFORM: &str = "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0";
const KUBE_SCORE: &str = "github.com/zegl/kube-score/cmd/kube-score@v1.20.0";
/// Brings Kubernetes' own schemas along, of many versions.
const SCHEMAS: &str = "kubernetes-validate==1.37.0";
/// The oldest that is promised and the newest that is known.
const KUBERNETES: [&str; 2] = ["v1.27.0", "v1.37.0"];
/// Brings the schemas of its own resources along.
const OPERATOR: &str = "github.com/prometheus-operator/prometheus-operator@v0.85.0";
/// Those of it that are used.
const OPERATORS: [&str; 2] = ["prometheusrules", "servicemonitors"];

/// What is applied: the least, and all of it.
const APPLIED: [&str; 2] = ["deploy/kubernetes/base", "deploy/kubernetes/example"];

const RULES: &str = "dashboards/prometheus/resumeguard.rules.yaml";
const RULE: &str = "deploy/kubernetes/options/prometheus-rule/prometheus-rule.yaml";
const RULE_HEAD: &str = "\
# For the Prometheus Operator: dashboards/prometheus/resumeguard.rules.yaml, word for word. Written by `cargo xtask manifests --write`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: resumeguard
  namespace: resumeguard
spec:
";

/// What is done.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only writes the PrometheusRule anew, from the rules of Prometheus.
    #[arg(long)]
    write: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    if arguments.write {
        let rules = fs::read_to_string(workspace()?.join(RULES))?;
        fs::write(workspace()?.join(RULE), rule(&rules)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let progress = Progress::to_stderr();
    let cache = Cache::from_environment()?;
    ensure_machine(&[Need::Go, Need::Pip], &progress).await?;
    let tools = cache.tools();
    let kustomize = from_go(&tools, KUSTOMIZE, &progress).await?;
    let kubeconform = from_go(&tools, KUBECONFORM, &progress).await?;
    let kube_score = from_go(&tools, KUBE_SCORE, &progress).await?;
    let schemas = from_pypi(&tools, SCHEMAS, &progress).await?;
    let operator = go_module(OPERATOR).await?;
    let scratch = workspace()?.join("target/manifests");
    for applied in APPLIED {
        let made = said(Command::new(&kustomize).arg("build").arg(workspace()?.join(applied))).await?;
        let file = scratch.join(format!("{}.yaml", applied.replace('/', "-")));
        fs::create_dir_all(&scratch)?;
        fs::write(&file, made)?;
        for version in KUBERNETES {
            let folder = scratch.join(version);
            kubernetes_schemas(&schemas, version, &folder)?;
            operator_schemas(&operator, &folder)?;
            let location = format!("{}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", folder.display());
            let mut command = Command::new(&kubeconform);
            command.args(["-strict", "-summary", "-schema-location", &location]).arg(&file);
            progress.line(&format!("{applied}, Kubernetes {version}: {}", said(&mut command).await?.trim()));
        }
        let scored =
            said(Command::new(&kube_score).args(["score", "--output-format", "ci"]).arg(&file)).await?;
        let skipped = scored.lines().filter(|line| line.starts_with("[SKIPPED]")).count();
        ensure!(!scored.contains("[WARNING]"), "kube-score:\n{scored}");
        let well = scored.lines().filter(|line| line.starts_with("[OK]")).count();
        progress.line(&format!(
            "{applied}: kube-score has nothing to say, {well} checks passed, {skipped} do not apply"
        ));
    }
    println!("as they must be");
    Ok(ExitCode::SUCCESS)
}

/// The Prometheus Operator's form of Prometheus's rules.
fn rule(rules: &str) -> Result<String> {
    let begin = rules.find("groups:\n").context("no groups of rules")?;
    let indented = rules[begin..].lines().map(|line| match line {
        "" => "\n".to_owned(),
        line => format!("  {line}\n"),
    });
    Ok(format!("{RULE_HEAD}{}", indented.collect::<String>()))
}

/// Kubernetes' schemas of one version, in the names that kubeconform asks for. They call one another by addresses on the web;
/// here they lie beside one another.
fn kubernetes_schemas(package: &Path, version: &str, folder: &Path) -> Result<()> {
    let name = format!("kubernetes_validate/kubernetes-json-schema/{version}-local-strict");
    let from = package.join(name);
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(&from).with_context(|| format!("no {}", from.display()))? {
        let entry = entry?;
        let mut schema: Value = serde_json::from_slice(&fs::read(entry.path())?)?;
        if let Some(schema) = schema.as_object_mut() {
            schema.remove("$id");
        }
        let text = schema.to_string().replace("\"/api/_definitions.json", "\"_definitions.json");
        fs::write(folder.join(entry.file_name()), text)?;
    }
    Ok(())
}

/// The same from the definitions of the Prometheus Operator's resources.
fn operator_schemas(module: &Path, folder: &Path) -> Result<()> {
    for kind in OPERATORS {
        let path: PathBuf =
            module.join(format!("example/prometheus-operator-crd/monitoring.coreos.com_{kind}.yaml"));
        let text = fs::read_to_string(&path).with_context(|| format!("no {}", path.display()))?;
        let definition: Value = serde_saphyr::from_str(&text).context("the definition cannot be read")?;
        let mut schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
        ensure!(schema.is_object(), "no schema in {}", path.display());
        close(&mut schema);
        let singular = kind.trim_end_matches('s');
        fs::write(folder.join(format!("{singular}-monitoring-v1.json")), schema.to_string())?;
    }
    Ok(())
}

/// A field that the schema does not name is a mistake of ours, as the API server warns of.
fn close(schema: &mut Value) {
    if let Some(object) = schema.as_object_mut() {
        let open = object.contains_key("additionalProperties")
            || object.contains_key("x-kubernetes-preserve-unknown-fields");
        // The metadata of every resource is described elsewhere.
        if object.get("properties").is_some_and(Value::is_object) && !open {
            object.insert("additionalProperties".to_owned(), Value::Bool(false));
        }
    }
    match schema {
        Value::Object(object) => object.values_mut().for_each(close),
        Value::Array(list) => list.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

async fn said(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let program = command.as_std().get_program().to_owned();
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}\n{said}{error}", program.display(), output.status);
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_indented_below_the_spec() {
        let rule = rule("# why\ngroups:\n  - name: a\n\n    rules: []\n").unwrap();
        assert!(rule.ends_with("spec:\n  groups:\n    - name: a\n\n      rules: []\n"), "{rule}");
    }

    #[test]
    fn what_a_schema_does_not_name_is_refused() {
        let mut schema = serde_json::json!({ "properties": { "a": { "properties": { "b": {} } } } });
        close(&mut schema);
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["a"]["additionalProperties"], false);
        let mut open = serde_json::json!({ "properties": {}, "x-kubernetes-preserve-unknown-fields": true });
        close(&mut open);
        assert!(open["additionalProperties"].is_null());
    }
}
