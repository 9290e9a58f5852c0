//! One deployment between two passes: what has to be known immediately before something is done.

use super::commands::{self, ReadError};
use super::server_status;
use super::set::Deployments;
use futures_util::future::join_all;
use mongodb::Client;
use resumeguard_core::domain::{FirstEntry, MemberFacts, Observed, Role, Selection, Timestamp, Why};
use std::time::Duration;

/// A member as the last pass has seen it, and the way to it, where there is one.
#[derive(Debug, Clone)]
pub struct Reachable {
    /// What was seen.
    pub facts: MemberFacts,
    /// A client that is connected to it alone.
    pub client: Option<Client>,
}

impl Deployments {
    /// Every member of a deployment.
    ///
    /// # Errors
    /// Why they are not known.
    pub fn reachable(&self, deployment: &str) -> Observed<Vec<Reachable>> {
        let reader = self.readers().iter().find(|reader| reader.meter.name == deployment);
        let reader = reader.ok_or(Why::NotReadYet)?;
        let members = reader.facts().members?;
        if members.iter().any(|member| member.kept_by_time) {
            // Nothing of ours fits what has no oplog.
            return Err(Why::NoOplog);
        }
        let client = |facts: &MemberFacts| {
            let known = facts.addresses.iter().find_map(|address| reader.members.get(address));
            known.map(super::member::Member::client)
        };
        Ok(members.into_iter().map(|facts| Reachable { client: client(&facts), facts }).collect())
    }
}

impl Reachable {
    /// The member as it is now. What does not answer keeps its role, and has no oldest entry.
    async fn read(&self, deadline: Duration) -> MemberFacts {
        let silent = |why| MemberFacts { first: Err(why), ..self.facts.clone() };
        let Some(client) = self.client.clone() else { return silent(Why::MemberUnreadable) };
        let address = self.facts.host.clone();
        let read = async move {
            let hello = commands::hello(&client, &address, deadline).await?;
            let first = commands::first(&client, deadline).await.map_err(|error| error.why);
            Ok::<(commands::Hello, Observed<FirstEntry>), ReadError>((hello, first))
        };
        match to_its_end(deadline, read).await {
            Some(Ok((hello, first))) => MemberFacts {
                role: hello.role,
                hidden: hello.hidden,
                tags: Ok(hello.tags),
                first,
                ..self.facts.clone()
            },
            Some(Err(error)) => silent(error.why),
            None => silent(Why::MemberUnreadable),
        }
    }
}

/// Every member as it is now.
async fn read(members: &[Reachable], deadline: Duration) -> Vec<MemberFacts> {
    join_all(members.iter().map(|member| member.read(deadline))).await
}

/// The oldest position that a connector can count on: the greatest over the members that it may select now (J3).
///
/// # Errors
/// Why that is not known: one member that it may select and that does not answer is enough.
pub async fn oldest(members: &[Reachable], selection: &Selection, deadline: Duration) -> Observed<Timestamp> {
    let members = read(members, deadline).await;
    let candidates = selection.candidates(&members).now;
    let oldest: Observed<Vec<Timestamp>> = candidates.iter().map(|member| member.oldest_position()).collect();
    oldest?.into_iter().max().ok_or(Why::NoPrimary)
}

/// The newest entry of the same members: the smallest, which all of them have reached; `None` where one does not tell.
pub async fn newest(members: &[Reachable], selection: &Selection, deadline: Duration) -> Option<Timestamp> {
    let asked = selected(members, selection, deadline).await.into_iter().map(async |(_, client)| {
        to_its_end(deadline, async move { commands::last(&client, deadline).await }).await?.ok()
    });
    let times: Option<Vec<_>> = join_all(asked).await.into_iter().collect();
    times?.into_iter().map(|(time, _)| time).min()
}

/// The members that a connector may select now, with clients; none where one of them cannot be asked.
pub async fn selected(
    members: &[Reachable],
    selection: &Selection,
    deadline: Duration,
) -> Vec<(String, Client)> {
    let now = read(members, deadline).await;
    let candidates = selection.candidates(&now).now;
    let client = |facts: &MemberFacts| {
        let known = members.iter().find(|member| member.facts.host == facts.host);
        Some((facts.host.clone(), known?.client.clone()?))
    };
    let clients: Option<Vec<_>> = candidates.into_iter().map(client).collect();
    clients.unwrap_or_default()
}

/// A client of the member that takes writes now.
pub async fn primary(members: &[Reachable], deadline: Duration) -> Option<Client> {
    let now = read(members, deadline).await;
    let at = now.iter().position(|member| member.role == Role::Primary && member.first.is_ok())?;
    members.get(at)?.client.clone()
}

/// How large a member's oplog may grow, now, bytes; `None` where that is not told.
pub async fn max_size(client: Client, deadline: Duration) -> Option<u64> {
    to_its_end(deadline, async move { server_status::sizes(&client, deadline).await.0.max_size_bytes })
        .await?
}

/// Waits for work with the driver no longer than the deadline, and leaves it to end: its futures must not be dropped (RUST-937).
pub async fn to_its_end<T: Send + 'static>(
    deadline: Duration,
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    tokio::time::timeout(deadline, tokio::spawn(work)).await.ok()?.ok()
}
