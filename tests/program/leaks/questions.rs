//! What a daemon is asked when leaks are looked for.

use super::asked::Question;
use serde_json::Value;

/// Connectors, and attempts, whose pages are looked at.
const MOST: usize = 500;
/// Whatever anybody may ask for.
pub(super) const PAGES: [&str; 27] = [
    "/",
    "/?q=a&verdict=lost",
    "/login?to=/",
    "/recovery",
    "/recovery/freeze",
    "/findings",
    "/findings/RG001",
    "/runbooks",
    "/metrics",
    "/healthz",
    "/readyz",
    "/nonsense",
    "/api/v1/status",
    "/api/v1/connectors?limit=500",
    "/api/v1/oplogs",
    "/api/v1/sources",
    "/api/v1/findings?limit=500",
    "/api/v1/events?limit=500",
    "/api/v1/history?since=30d",
    "/api/v1/recovery",
    "/api/v1/rules",
    "/recovery/unfreeze",
    "/api/v1/recovery/unfreeze",
    "/connectors",
    "/api/v1/recovery/plans",
    "/api/v1/recovery/attempts?limit=500",
    "/api/v1/openapi.json",
];

/// Pages of what the daemon knows at the moment: of every connector, plan and attempt, and of each decision on them. `told` is what it
/// answers to a path, as JSON.
pub(super) fn pages_of(told: impl Fn(&str) -> Value) -> Vec<String> {
    let listed = |path: &str, list: &str| {
        let all: Vec<Value> = serde_json::from_value(told(path)[list].take()).unwrap_or_default();
        all.into_iter().take(MOST)
    };
    let mut pages = Vec::new();
    for one in listed("/api/v1/status", "connectors") {
        let (cluster, name) = (encoded(&one["connect_cluster"]), encoded(&one["connector"]));
        pages.push(format!("/connectors?connect_cluster={cluster}&connector={name}"));
        pages.push(format!("/api/v1/connectors/{cluster}/{name}"));
        pages.push(format!("/recovery/acknowledge?connector={name}"));
    }
    for one in listed("/api/v1/recovery/plans?limit=500", "items") {
        let alternatives = one["alternatives"].as_array().into_iter().flatten();
        for plan in std::iter::once(&one["plan"]).chain(alternatives) {
            let (id, strategy) = (encoded(&plan["id"]), encoded(&plan["strategy"]));
            pages.push(format!("/recovery/plans/{id}"));
            for verb in ["approve", "discard"] {
                pages.extend(both(&format!("recovery/{verb}?plan={id}")));
            }
            pages.push(format!("/api/v1/recovery/run?connector={}&strategy={strategy}", whole(&one)));
        }
        pages.extend(both(&format!("recovery/acknowledge?connector={}", whole(&one))));
        pages.push(format!("/api/v1/recovery/run?connector={}", whole(&one)));
    }
    for one in listed("/api/v1/recovery/attempts?limit=500", "items") {
        let attempt = encoded(&one["attempt"]);
        pages.extend(both(&format!("recovery/attempts/{attempt}")));
        pages.extend(both(&format!("recovery/restore?attempt={attempt}")));
        pages.extend(both(&format!("recovery/acknowledge?connector={}", whole(&one))));
    }
    pages
}

/// For people and for programs.
fn both(path: &str) -> [String; 2] {
    [format!("/{path}"), format!("/api/v1/{path}")]
}

fn encoded(text: &Value) -> String {
    let text = text.as_str().unwrap_or_default();
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// `CONNECT_CLUSTER/CONNECTOR`.
fn whole(one: &Value) -> String {
    format!("{}%2F{}", encoded(&one["connect_cluster"]), encoded(&one["connector"]))
}

/// Decisions that cannot be made, each by both ways in: nobody has such a plan, connector or attempt.
pub(super) fn decisions(origin: &str) -> Vec<Question> {
    let mut all = vec![Question::post(format!("{origin}/-/reload"), "application/json", String::new())];
    for verb in ["approve", "discard", "acknowledge", "run", "restore", "freeze", "unfreeze"] {
        // Without a reason, and too long a one: neither is ever written down.
        for reason in ["", &"x".repeat(600)] {
            let about = serde_json::json!({ "reason": reason, "plan": "nobody", "connector": "nobody", "attempt": "nobody" });
            all.push(Question::post(
                format!("{origin}/api/v1/recovery/{verb}"),
                "application/json",
                about.to_string(),
            ));
            let form = format!("reason={reason}&plan=nobody&connector=nobody&attempt=nobody&seen=1");
            all.push(Question::post(
                format!("{origin}/recovery/{verb}"),
                "application/x-www-form-urlencoded",
                form,
            ));
        }
        let about = serde_json::json!({ "reason": "a leak is looked for", "plan": "nobody", "connector": "nobody", "attempt": "nobody", "seen": "no such mark" });
        if verb != "freeze" {
            all.push(Question::post(
                format!("{origin}/api/v1/recovery/{verb}"),
                "application/json",
                about.to_string(),
            ));
        }
    }
    all
}
