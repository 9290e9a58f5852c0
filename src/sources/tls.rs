//! What went wrong with TLS, told from the words of rustls: the one implementation, whoever uses it.

/// What keeps two sides from speaking TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsProblem {
    /// Nobody whom we trust has signed the server's certificate.
    NotTrusted,
    /// The certificate is for other names.
    WrongName,
    /// Its time is over, or has not come.
    NotValidNow,
    /// The server does not accept our certificate, or misses one.
    ClientCertificate,
    /// The server speaks something else.
    NotTls,
    /// The server speaks TLS, and we do not.
    OnlyTls,
}

/// Words by which each is recognised: of rustls 0.23 (`Error`, `CertificateError`, `AlertDescription`), hyper, and the
/// drivers that quote them.
const WORDS: [(&str, TlsProblem); 14] = [
    ("UnknownIssuer", TlsProblem::NotTrusted),
    ("CaUsedAsEndEntity", TlsProblem::NotTrusted),
    ("BadSignature", TlsProblem::NotTrusted),
    ("not valid for name", TlsProblem::WrongName),
    ("NotValidForName", TlsProblem::WrongName),
    ("certificate expired", TlsProblem::NotValidNow),
    ("certificate not valid yet", TlsProblem::NotValidNow),
    ("CertificateRequired", TlsProblem::ClientCertificate),
    ("BadCertificate", TlsProblem::ClientCertificate),
    ("UnknownCA", TlsProblem::ClientCertificate),
    ("CertificateUnknown", TlsProblem::ClientCertificate),
    ("CertificateExpired", TlsProblem::ClientCertificate),
    ("InvalidContentType", TlsProblem::NotTls),
    ("invalid HTTP version parsed", TlsProblem::OnlyTls),
];

impl TlsProblem {
    /// Told from an error's whole text; `None` where it is no such thing.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        WORDS.iter().find(|(words, _)| text.contains(words)).map(|(_, problem)| *problem)
    }

    /// What it is, and what to do, for what `table` configures: one sentence without a subject.
    #[must_use]
    pub fn sentence(self, table: &str) -> String {
        match self {
            Self::NotTrusted => {
                format!("shows a certificate that is not trusted: set {table}.ca_file to the authority that signed it")
            }
            Self::WrongName => {
                format!("shows a certificate for another name: write in {table} a host that it names, or have it issued anew")
            }
            Self::NotValidNow => {
                "shows a certificate that has expired or is not valid yet: renew it, or set this machine's clock".to_owned()
            }
            Self::ClientCertificate => {
                format!("accepts no client without a certificate that it trusts: set {table}.client_cert_file")
            }
            Self::NotTls => format!("does not speak TLS: is {table} right to ask for it?"),
            Self::OnlyTls => format!("does not answer in the clear: does {table} have to ask for TLS?"),
        }
    }
}

/// Every text of an error and what caused it.
pub(super) fn whole(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
