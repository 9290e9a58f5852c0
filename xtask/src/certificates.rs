//! A stack's own certificate authority, and what it has signed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// The password of key stores, which Java insists on. Whoever reads the store reads this.
pub(crate) const STORE_PASSWORD: &str = "changeit";

/// The certificates of one stack, in its folder. They last as long as the stack.
#[derive(Clone, Debug)]
pub struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Those of the stack in `folder`, issued now if there are none yet.
    ///
    /// # Errors
    /// When they cannot be made or written.
    pub fn of_stack(folder: &Path) -> Result<Self> {
        let own = Self { folder: folder.join("tls") };
        if !own.folder.exists() {
            // Complete or not there at all.
            let new = Self { folder: folder.join(".tls.new") };
            fs::create_dir_all(&new.folder)?;
            new.issue()?;
            fs::rename(&new.folder, &own.folder)?;
        }
        Ok(own)
    }

    /// Those of a stack that has some.
    pub(crate) fn found(folder: &Path) -> Option<Self> {
        let own = Self { folder: folder.join("tls") };
        own.folder.exists().then_some(own)
    }

    /// The authority's certificate, PEM.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The certificate of another authority, which has signed nothing.
    #[must_use]
    pub fn stranger(&self) -> PathBuf {
        self.folder.join("stranger.pem")
    }

    /// The servers' certificate and key in one PEM file: for 127.0.0.1 and localhost.
    #[must_use]
    pub fn server(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    /// A client's certificate and key in one PEM file.
    #[must_use]
    pub fn client(&self) -> PathBuf {
        self.folder.join("client.pem")
    }

    /// The name of that client, as MongoDB writes it (RFC 2253).
    #[must_use]
    pub fn client_name(&self) -> &'static str {
        "CN=resumeguard,OU=monitors,O=resumeguard stack"
    }

    /// The servers' certificate and key as Java's key store.
    pub(crate) fn server_store(&self) -> PathBuf {
        self.folder.join("server.p12")
    }

    /// The authority's certificate as Java's trust store.
    pub(crate) fn trust_store(&self) -> PathBuf {
        self.folder.join("trust.p12")
    }

    fn issue(&self) -> Result<()> {
        let (ca, issuer) = authority("resumeguard stack CA")?;
        fs::write(self.ca(), ca)?;
        fs::write(self.stranger(), authority("somebody else's CA")?.0)?;
        // MongoDB takes a client for a member of the set where O and OU are those of the server.
        self.signed(&issuer, &self.server(), ["resumeguard stack", "servers", "127.0.0.1"])?;
        self.signed(&issuer, &self.client(), ["resumeguard stack", "monitors", "resumeguard"])
    }

    fn signed(&self, issuer: &Issuer<'_, KeyPair>, path: &Path, [o, ou, cn]: [&str; 3]) -> Result<()> {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in
            [(DnType::OrganizationName, o), (DnType::OrganizationalUnitName, ou), (DnType::CommonName, cn)]
        {
            params.distinguished_name.push(kind, value);
        }
        // Members of a set are clients of each other.
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, issuer)?;
        fs::write(path, format!("{}{}", certificate.pem(), key.serialize_pem()))?;
        Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o600))?)
    }

    /// Writes the stores that Java reads.
    pub(crate) fn write_stores(&self) -> Result<()> {
        let password = format!("pass:{STORE_PASSWORD}");
        let (server, store) = (self.server(), self.server_store());
        let mut openssl = Command::new("openssl");
        openssl.args(["pkcs12", "-export", "-name", "server", "-passout", &password, "-in"]).arg(server);
        run(openssl.arg("-out").arg(store))?;
        let mut keytool = Command::new("keytool");
        keytool.args(["-importcert", "-noprompt", "-alias", "ca", "-storetype", "PKCS12", "-storepass"]);
        keytool.arg(STORE_PASSWORD).arg("-file").arg(self.ca()).arg("-keystore").arg(self.trust_store());
        run(&mut keytool)
    }
}

/// A self-signed authority: its certificate in PEM, and what signs in its name.
fn authority(name: &str) -> Result<(String, Issuer<'static, KeyPair>)> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let pem = params.self_signed(&key)?.pem();
    Ok((pem, Issuer::new(params, key)))
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {}\n{said}", output.status);
    Ok(())
}
