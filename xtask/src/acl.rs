//! Kafka's access control lists, set over the broker's own listener: two requests of Kafka's protocol, so that no
//! client library is needed here (Kafka's `CreateAclsRequest.json` and `DeleteAclsRequest.json`, version 1).

use anyhow::{Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const CREATE_ACLS: i16 = 30;
const DELETE_ACLS: i16 = 31;
const LITERAL: i8 = 3;
const ALLOW: i8 = 3;

/// One right of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    /// Kafka's number of the kind of resource.
    kind: i8,
    resource: String,
    user: String,
    /// Kafka's number of the operation.
    operation: i8,
}

impl Acl {
    /// `--operation Read --topic TOPIC`.
    #[must_use]
    pub fn read_topic(user: &str, topic: &str) -> Self {
        Self::of(2, topic, user, 3)
    }

    /// `--operation Describe --topic TOPIC`.
    #[must_use]
    pub fn describe_topic(user: &str, topic: &str) -> Self {
        Self::of(2, topic, user, 8)
    }

    /// `--operation Write --topic TOPIC`.
    #[must_use]
    pub fn write_topic(user: &str, topic: &str) -> Self {
        Self::of(2, topic, user, 4)
    }

    /// `--operation Create --topic TOPIC`.
    #[must_use]
    pub fn create_topic(user: &str, topic: &str) -> Self {
        Self::of(2, topic, user, 5)
    }

    /// `--operation Delete --topic TOPIC`.
    #[must_use]
    pub fn delete_topic(user: &str, topic: &str) -> Self {
        Self::of(2, topic, user, 6)
    }

    /// `--operation DescribeConfigs --topic TOPIC`.
    #[must_use]
    pub fn describe_configs_of_topic(user: &str, topic: &str) -> Self {
        Self::of(2, topic, user, 10)
    }

    /// `--operation Describe --group GROUP`.
    #[must_use]
    pub fn describe_group(user: &str, group: &str) -> Self {
        Self::of(3, group, user, 8)
    }

    /// `--operation Read --group GROUP`.
    #[must_use]
    pub fn read_group(user: &str, group: &str) -> Self {
        Self::of(3, group, user, 3)
    }

    fn of(kind: i8, resource: &str, user: &str, operation: i8) -> Self {
        Self { kind, resource: resource.to_owned(), user: format!("User:{user}"), operation }
    }

    fn body(&self) -> Vec<u8> {
        let mut body = vec![0, 0, 0, 1, self.kind.cast_unsigned()];
        text(&mut body, &self.resource);
        body.push(LITERAL.cast_unsigned());
        text(&mut body, &self.user);
        text(&mut body, "*");
        body.extend([self.operation.cast_unsigned(), ALLOW.cast_unsigned()]);
        body
    }
}

/// Sets rights at one broker.
#[derive(Clone, Debug)]
pub struct Acls {
    address: String,
}

impl Acls {
    pub(crate) fn at(address: &str) -> Self {
        Self { address: address.to_owned() }
    }

    /// Grants a right.
    ///
    /// # Errors
    /// The broker's.
    pub async fn allow(&self, acl: &Acl) -> Result<()> {
        self.ask(CREATE_ACLS, acl).await
    }

    /// Takes a right away.
    ///
    /// # Errors
    /// The broker's.
    pub async fn revoke(&self, acl: &Acl) -> Result<()> {
        self.ask(DELETE_ACLS, acl).await
    }

    async fn ask(&self, api: i16, acl: &Acl) -> Result<()> {
        let mut request = Vec::new();
        request.extend(api.to_be_bytes());
        request.extend(1_i16.to_be_bytes());
        request.extend(7_i32.to_be_bytes());
        text(&mut request, "xtask");
        request.extend(acl.body());
        let mut stream = TcpStream::connect(&self.address).await?;
        stream.write_all(&u32::try_from(request.len())?.to_be_bytes()).await?;
        stream.write_all(&request).await?;
        let length = stream.read_u32().await?;
        ensure!(length < 1 << 20, "Kafka answered {length} bytes");
        let mut answer = vec![0; usize::try_from(length)?];
        stream.read_exact(&mut answer).await?;
        // Correlation, throttle time, count of results, error code.
        let Some([high, low]) = answer.get(12..14).and_then(|code| <[u8; 2]>::try_from(code).ok()) else {
            bail!("Kafka's answer about {acl:?} is too short");
        };
        let code = i16::from_be_bytes([high, low]);
        ensure!(code == 0, "Kafka answered error {code} about {acl:?}");
        Ok(())
    }
}

fn text(body: &mut Vec<u8>, text: &str) {
    body.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    body.extend(text.as_bytes());
}
