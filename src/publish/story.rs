//! What was seen over time: the endpoint, and the lines of `explain`.

use super::http::{headers, problem_with};
use super::words::{duration, time};
use crate::history::{Query, Reader, Sample, Story};
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as Parameters, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

/// How far back is told where nobody says.
pub const DEFAULT_SPAN: i64 = 86_400;

/// Entries of each kind that `explain` shows.
const SHOWN: usize = 5;

/// `/api/v1/history`, with or without a history.
pub fn router(reader: Option<Reader>) -> Router {
    Router::new().route("/api/v1/history", get(answer)).with_state(reader)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    connect_cluster: Option<String>,
    connector: Option<String>,
    since: Option<String>,
}

/// Reads from the thread that owns the file, with a deadline.
async fn answer(
    State(reader): State<Option<Reader>>,
    asked: Result<Parameters<Asked>, QueryRejection>,
) -> Response {
    let Some(reader) = reader else {
        return problem_with(StatusCode::NOT_FOUND, "no history is kept; set history.directory");
    };
    let bad = |detail: &str| problem_with(StatusCode::BAD_REQUEST, detail);
    let asked = match asked {
        Ok(Parameters(asked)) => asked,
        Err(rejection) => return bad(&rejection.body_text()),
    };
    let until = reader.now();
    let since = match asked.since.as_deref().map(|text| since(text, until)).transpose() {
        Ok(since) => since.unwrap_or(until - DEFAULT_SPAN),
        Err(detail) => return bad(&detail),
    };
    let query = Query { connect_cluster: asked.connect_cluster, connector: asked.connector, since, until };
    match reader.story(query).await {
        Ok(story) => (headers("application/json"), axum::Json(story)).into_response(),
        Err(detail) => problem_with(StatusCode::SERVICE_UNAVAILABLE, &detail),
    }
}

/// A moment, or how long ago it was.
fn since(text: &str, now: i64) -> Result<i64, String> {
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Ok(moment.as_second());
    }
    let ago = humantime::parse_duration(text).ok().and_then(|ago| i64::try_from(ago.as_secs()).ok());
    ago.map(|ago| now.saturating_sub(ago)).ok_or_else(|| {
        format!("since: `{text}` is no time; write for example 2026-01-31T00:00:00Z, or 24h for a day ago")
    })
}

/// One connector's recent story in a few lines.
#[must_use]
pub fn lines(story: &Story) -> String {
    let mut lines = vec![format!("\n  since {}", story.since)];
    let mut field = |name: &str, text: String| lines.push(format!("    {name:<11} {text}"));
    if let Some(trend) = trend(&story.samples) {
        field("headroom", trend);
    }
    for change in newest(&story.verdict_changes) {
        let before = change.before.as_deref().map_or_else(|| "first seen".to_owned(), str::to_owned);
        let why = change.why.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
        let headroom = change.headroom_seconds.map(|s| format!(", headroom {}", duration(s)));
        let text =
            format!("{} {before} -> {}{why}{}", change.at, change.verdict, headroom.unwrap_or_default());
        field("verdict", text);
    }
    for failure in newest(&story.failures) {
        let until = failure.ended.as_ref().map_or_else(|| "until now".to_owned(), |at| format!("until {at}"));
        let code = failure.code.map(|code| format!(" with error {code}")).unwrap_or_default();
        field(
            "failure",
            format!("{} task {} failed{code} ({}), {until}", failure.at, failure.task, failure.class),
        );
    }
    for event in newest(&story.events) {
        field("event", format!("{} {} {}", event.at, event.kind, event.detail));
    }
    if lines.len() == 1 {
        lines.push("    nothing was seen of it".to_owned());
    }
    lines.join("\n") + "\n"
}

fn newest<T>(entries: &[T]) -> &[T] {
    &entries[entries.len().saturating_sub(SHOWN)..]
}

/// The headroom now, and what it was: at the beginning, in the middle, shortly before.
fn trend(samples: &[Sample]) -> Option<String> {
    let known: Vec<(&Sample, i64)> =
        samples.iter().filter_map(|sample| Some((sample, sample.headroom_seconds?))).collect();
    let (last, _) = known.last()?;
    let now = last.at.parse::<jiff::Timestamp>().ok()?;
    let mut points = vec![0, known.len() / 2, known.len().saturating_sub(2), known.len() - 1];
    points.dedup();
    let said = points.into_iter().filter_map(|i| known.get(i)).map(|(sample, headroom)| {
        let ago = sample.at.parse::<jiff::Timestamp>().map_or(0, |at| now.as_second() - at.as_second());
        let ago = if ago > 0 {
            format!(" {} before", duration(ago))
        } else {
            format!(" at {}", time(now.as_second()))
        };
        format!("{}{ago}", duration(*headroom))
    });
    Some(said.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::since;

    #[test]
    fn since_is_a_moment_or_a_span() {
        assert_eq!(since("1970-01-01T00:01:00Z", 7_200), Ok(60));
        assert_eq!(since("90m", 7_200), Ok(1_800));
        assert!(since("yesterday", 0).unwrap_err().starts_with("since: `yesterday` is no time"));
    }
}
