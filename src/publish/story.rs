//! What was seen over time: the endpoint, and the lines of `explain`.

use super::http::{Asked, Cursor, Doc, Page, Paging, Routes, json, problem};
use super::words::{duration, time};
use crate::history::{Event, EventsQuery, Query, Reader, Sample, Story};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

/// How far back is told where nobody says.
pub const DEFAULT_SPAN: i64 = 86_400;

/// Entries of each kind that `explain` shows.
const SHOWN: usize = 5;

/// `/api/v1/history` and `/api/v1/events`, with or without a history.
pub(super) fn routes() -> Routes {
    let of = |doc: Doc| {
        let doc = doc.query("connect_cluster", "Of this Connect cluster only.");
        doc.query("connector", "Of the connector of this name only.").since().refuses(&[400, 404])
    };
    let history = Doc::new(
        "history",
        "What was seen over time, of a day where `since` is left out; samples of a single connector only.",
    )
    .returns::<Story>();
    let events =
        Doc::new("events", "What happened, the newest first, of all time where `since` is left out.")
            .returns_page_of::<Event>();
    Routes::new().get("/api/v1/history", of(history), history_of).get("/api/v1/events", of(events), events_of)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfHistory {
    connect_cluster: Option<String>,
    connector: Option<String>,
    since: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfEvents {
    limit: Option<usize>,
    cursor: Option<String>,
    connect_cluster: Option<String>,
    connector: Option<String>,
    since: Option<String>,
}

#[expect(clippy::result_large_err, reason = "the error is the answer")]
fn kept(reader: Option<Reader>) -> Result<Reader, Response> {
    reader.ok_or_else(|| problem(StatusCode::NOT_FOUND, "no history is kept; set history.directory"))
}

fn bad(detail: &str) -> Response {
    problem(StatusCode::BAD_REQUEST, detail)
}

/// Reads from the thread that owns the file, with a deadline.
async fn history_of(
    State(reader): State<Option<Reader>>,
    Asked(asked): Asked<OfHistory>,
) -> Result<Response, Response> {
    let reader = kept(reader)?;
    let until = reader.now();
    let from =
        asked.since.as_deref().map(|text| since(text, until)).transpose().map_err(|line| bad(&line))?;
    let since = from.unwrap_or(until - DEFAULT_SPAN);
    let query = Query { connect_cluster: asked.connect_cluster, connector: asked.connector, since, until };
    match reader.story(query).await {
        Ok(story) => Ok(json(&story)),
        Err(detail) => Err(problem(StatusCode::SERVICE_UNAVAILABLE, &detail)),
    }
}

async fn events_of(
    State(reader): State<Option<Reader>>,
    Asked(asked): Asked<OfEvents>,
) -> Result<Response, Response> {
    let reader = kept(reader)?;
    let paging = Paging::new(asked.limit, asked.cursor.as_deref())?;
    let before = match paging.after.as_ref().map(|Cursor(parts)| parts.as_slice()) {
        None => None,
        Some([id]) => Some(id.parse().map_err(|_| bad("cursor: is none that `next` has given"))?),
        Some(_) => return Err(bad("cursor: is none that `next` has given")),
    };
    let from = asked.since.as_deref().map(|text| since(text, reader.now())).transpose();
    let since = from.map_err(|line| bad(&line))?.unwrap_or(0);
    let OfEvents { connect_cluster, connector, .. } = asked;
    let query = EventsQuery { connect_cluster, connector, since, before, limit: paging.limit };
    match reader.events(query).await {
        Ok((items, next)) => {
            let next = next.map(|id| Cursor(vec![id.to_string()]).to_text());
            Ok(json(&Page { items, next }))
        }
        Err(detail) => Err(problem(StatusCode::SERVICE_UNAVAILABLE, &detail)),
    }
}

/// A moment, or how long ago it was.
///
/// # Errors
/// One line that names the parameter.
pub(super) fn since(text: &str, now: i64) -> Result<i64, String> {
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Ok(moment.as_second());
    }
    // humantime takes a bare 0 as well; of what, nobody says.
    let with_unit = text.bytes().any(|byte| byte.is_ascii_alphabetic());
    let ago = humantime::parse_duration(text).ok().filter(|_| with_unit);
    let ago = ago.and_then(|ago| i64::try_from(ago.as_secs()).ok());
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
        let what =
            failure.task.map_or_else(|| "the connector itself".to_owned(), |task| format!("task {task}"));
        field("failure", format!("{} {what} failed{code} ({}), {until}", failure.at, failure.class));
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
        assert!(since("0", 7_200).is_err() && since("0s", 7_200) == Ok(7_200));
        assert!(since("yesterday", 0).unwrap_err().starts_with("since: `yesterday` is no time"));
    }
}
