//! Decisions of people: a page that repeats what follows and asks why, then the decision itself, then what came of it.

use super::asked::Said;
use super::frame::{Frame, Section, crumbs};
use super::recovery::find;
use super::words::{encoded, plain};
use super::{page as answer, readable, see};
use crate::control::{Problem, Verb, Wanted, Who, carry_out, shown, story};
use crate::publish::http::{Room, problem};
use crate::recovery::{Desk, Standing};
use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use maud::{Markup, html};
use resumeguard_core::recovery::PlanId;
use serde::Deserialize;

/// Those that a form asks for. `run` needs a strategy to be chosen: by command or API.
const VERBS: [Verb; 6] =
    [Verb::Approve, Verb::Discard, Verb::Acknowledge, Verb::Restore, Verb::Freeze, Verb::Unfreeze];

pub(super) fn routes(router: Router<Room>) -> Router<Room> {
    VERBS.into_iter().fold(router, |router, verb| {
        let asked = async move |desk: State<Desk>, frame: Frame, Said(about): Said<About>| {
            confirm(desk, verb, frame, about).await
        };
        let decided = async move |desk: State<Desk>,
                                  headers: HeaderMap,
                                  who: Who,
                                  form: Result<Form<About>, FormRejection>| {
            decide(desk, verb, &headers, who, form).await
        };
        router.route(&format!("/recovery/{}", verb.code()), get(asked).post(decided))
    })
}

/// What it is about, in the query of the page that asks and in the form that answers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct About {
    plan: Option<String>,
    connector: Option<String>,
    attempt: Option<String>,
    /// How many positions were lost at once when it was asked.
    mass_failure: Option<String>,
    /// The mark of what was shown.
    seen: Option<String>,
    reason: String,
}

/// Where a browser goes to be asked for a name and a password: being known from here on counts for every page.
pub(super) async fn login(frame: Frame, Said(To { to }): Said<To>) -> Response {
    // To ourselves only: `//elsewhere` and `/\elsewhere` would be another origin's.
    let ours = to.starts_with('/') && !to.starts_with("//") && !to.contains(['\\', '\r', '\n', '\t']);
    if frame.visitor().0.is_some() {
        return see(if ours { &to } else { "/" });
    }
    let refusal = match frame.ways().any() {
        true => frame.ways().challenge("deciding needs credentials"),
        false => problem(
            StatusCode::FORBIDDEN,
            "refused: no credentials are configured (http.users_file, [http.users.NAME])",
        ),
    };
    readable::drawn(&frame, refusal).await
}

/// Where to go on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct To {
    to: String,
}

async fn confirm(State(desk): State<Desk>, verb: Verb, frame: Frame, about: About) -> Response {
    let frame = frame.of(Section::Recovery);
    if !frame.may_change() {
        let refusal = match &frame.visitor().0 {
            None if frame.ways().any() => frame.ways().challenge("deciding needs credentials"),
            None => problem(
                StatusCode::FORBIDDEN,
                "refused: no credentials are configured (http.users_file, [http.users.NAME]); the resumeguard command on the daemon's machine needs none",
            ),
            Some(known) => {
                problem(StatusCode::FORBIDDEN, &format!("refused: {} may not change anything", known.name))
            }
        };
        return readable::drawn(&frame, refusal).await;
    }
    // As many as are told of on this page, and no more: whatever the address says.
    let plan = about.plan.as_ref().filter(|_| verb == Verb::Approve);
    let lost = plan.and_then(|plan| desk.mass_failure(&PlanId(plan.clone())));
    let wanted = Wanted {
        plan: about.plan.clone(),
        connector: about.connector.clone(),
        attempt: about.attempt.clone(),
        ..Wanted::default()
    };
    let standing = match shown(&desk, verb, &wanted).await {
        Ok(standing) => standing,
        Err(problem) => return readable::drawn(&frame, problem.into_response()).await,
    };
    let seen = standing.as_ref().map(Standing::mark);
    let about = About { mass_failure: lost.map(|lost| lost.to_string()), seen, ..about };
    match consequence(&desk, verb, &about, &standing.map(|standing| standing.says).unwrap_or_default()) {
        Ok((heading, follows)) => {
            let body = form(verb, &about, &heading, &follows);
            answer(&frame, &heading, body)
        }
        Err(problem) => readable::drawn(&frame, problem.into_response()).await,
    }
}

fn form(verb: Verb, about: &About, heading: &str, follows: &Markup) -> Markup {
    let back = match (&about.plan, &about.attempt) {
        (Some(plan), _) => format!("/recovery/plans/{}", encoded(plan)),
        (None, Some(attempt)) => format!("/recovery/attempts/{}", encoded(attempt)),
        (None, None) => "/recovery".to_owned(),
    };
    let style = if matches!(verb, Verb::Freeze | Verb::Discard) { "danger" } else { "primary" };
    html! {
        (crumbs(&[("Recovery", "/recovery")], verb.code()))
        section class="card confirm" {
            h1 { (heading) }
            (follows)
            form method="post" action={ "/recovery/" (verb.code()) } {
                @for (name, value) in [("plan", &about.plan), ("connector", &about.connector), ("attempt", &about.attempt), ("mass_failure", &about.mass_failure), ("seen", &about.seen)] {
                    @if let Some(value) = value { input type="hidden" name=(name) value=(value); }
                }
                label for="reason" { "Why? It is written into the journal, beside your name." }
                input id="reason" name="reason" required maxlength=(crate::control::REASON_LENGTH) autocomplete="off";
                div class="actions" {
                    button class=(style) type="submit" { (button(verb)) }
                    a class="button" href=(back) { "Cancel" }
                }
            }
        }
    }
}

fn button(verb: Verb) -> &'static str {
    match verb {
        Verb::Approve => "Approve this plan",
        Verb::Discard => "Discard this plan",
        Verb::Acknowledge => "Acknowledge",
        Verb::Run => "Run",
        Verb::Restore => "Put it back",
        Verb::Freeze => "Freeze all recovery",
        Verb::Unfreeze => "Let recovery go on",
    }
}

/// What follows from it, as far as is known now.
fn consequence(desk: &Desk, verb: Verb, about: &About, says: &[String]) -> Result<(String, Markup), Problem> {
    let bad = |detail: &str| Problem { status: 400, detail: detail.to_owned() };
    match verb {
        Verb::Approve | Verb::Discard => {
            let id = about
                .plan
                .as_deref()
                .ok_or_else(|| bad("plan: is missing; the buttons of a plan lead here"))?;
            plan(desk, verb, id)
        }
        Verb::Restore => {
            let id = about.attempt.as_deref().ok_or_else(|| bad("attempt: is missing"))?;
            let told = story(desk, id)?;
            let heading = format!("Put back what attempt {id} has replaced?");
            let connector = format!("{}/{}", told.attempt.connect_cluster, told.attempt.connector);
            Ok((
                heading,
                html! { p { "The offsets and settings that were saved before the attempt take the place of what " b { bdi { (connector) } } " has now. It stands again where it stood, lost if it was lost." } (sentences("These steps are taken", says)) },
            ))
        }
        Verb::Acknowledge => {
            let connector = about.connector.as_deref().ok_or_else(|| bad("connector: is missing"))?;
            Ok((
                format!("Acknowledge what failed at {connector}?"),
                html! { p { "Cooldown and limit of attempts begin anew: it may be tried again at once." } (sentences("What has ended there, the newest first", says)) },
            ))
        }
        Verb::Freeze => Ok((
            "Freeze all recovery?".to_owned(),
            html! { p { "Nothing begins any more, and what is under way stops before its next step: a connector may stay stopped meanwhile. Watching goes on." } },
        )),
        Verb::Unfreeze => Ok((
            "Let recovery go on?".to_owned(),
            html! { p { "Attempts that had stopped go on with their next step, and approved plans may begin after the next pass." } (sentences("As it stands", says)) },
        )),
        Verb::Run => Err(bad("run: by the command resumeguard recovery run")),
    }
}

fn sentences(heading: &str, says: &[String]) -> Markup {
    html! { @if !says.is_empty() { h2 { (heading) } ul { @for line in says { li { bdi { (line) } } } } } }
}

fn plan(desk: &Desk, verb: Verb, id: &str) -> Result<(String, Markup), Problem> {
    let Some((planned, plan)) = find(desk, id) else {
        let detail =
            format!("no plan is called {id} any more: its connector is well, or there is another plan");
        return Err(Problem { status: 404, detail });
    };
    let what = format!("{} for {}", plain(&plan.strategy), planned.id());
    if verb == Verb::Discard {
        let follows = html! { p { "It is not carried out, and " b { bdi { (planned.id()) } } " stays as it is. A plan with another content may come after a later pass." } };
        return Ok((format!("Discard {what}?"), follows));
    }
    let others = plan.blockers.iter().filter(|why| why.blocker != "awaits_approval");
    let others: Vec<&str> = others.map(|why| why.says.as_str()).collect();
    let follows = html! {
        div class="notice warn" { p { b { "It loses " } (plan.loses) "." } }
        @if let Some(bytes) = plan.rescans_bytes { p class="dim" { "MongoDB reads " @if bytes >> 20 == 0 { "less than 1" } @else { "about " (bytes >> 20) } " MiB of oplog again." } }
        h2 { "These steps are taken" }
        ol { @for step in &plan.steps { li { (step) } } }
        @if !plan.effects.is_empty() { h2 { "It follows that" } ul { @for effect in &plan.effects { li { (effect) } } } }
        @if !others.is_empty() { h2 { "Something else still keeps it" } ul { @for why in others { li { (why) } } } }
        p class="dim small" { "The approval counts for this plan alone, " code { (plan.id) } ": if the world changes, it begins nothing." }
    };
    Ok((format!("Approve {what}?"), follows))
}

async fn decide(
    State(desk): State<Desk>,
    verb: Verb,
    headers: &HeaderMap,
    Who(by): Who,
    form: Result<Form<About>, FormRejection>,
) -> Response {
    // The door turns away what says that it comes from elsewhere; a form has to say that it comes from us.
    if !says_where_from(headers) {
        let detail =
            "refused: it does not say which page the form stands on; programs send JSON to /api/v1/recovery";
        return problem(StatusCode::FORBIDDEN, detail);
    }
    let About { plan, connector, attempt, mass_failure, seen, reason } = match form {
        Ok(Form(about)) => about,
        Err(rejection) => return problem(rejection.status(), &rejection.body_text()),
    };
    if seen.is_none() && verb != Verb::Freeze {
        return problem(
            StatusCode::BAD_REQUEST,
            "seen: is missing; decide on the page that shows what follows",
        );
    }
    let to = landing(verb, plan.as_deref());
    let mass_failure = mass_failure.and_then(|number| number.parse().ok());
    let wanted = Wanted { reason, plan, connector, strategy: None, attempt, mass_failure, seen };
    match carry_out(&desk, verb, wanted, by).await {
        Ok(done) => {
            see(&done.attempt.map_or(to, |attempt| format!("/recovery/attempts/{}", encoded(&attempt))))
        }
        Err(problem) => problem.into_response(),
    }
}

/// Where what has come of it can be seen.
fn landing(verb: Verb, plan: Option<&str>) -> String {
    match (verb, plan) {
        (Verb::Approve | Verb::Discard, Some(plan)) => format!("/recovery/plans/{}", encoded(plan)),
        _ => "/recovery".to_owned(),
    }
}

/// Every browser sends one of both with a form.
fn says_where_from(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin");
    site || headers.contains_key(header::ORIGIN)
}
