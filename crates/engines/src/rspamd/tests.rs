#![allow(clippy::unwrap_used)]
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

fn envelope() -> Envelope {
    Envelope {
        id: "q1".into(),
        hostname: "mail.city.example".into(),
        listener: "exchange",
        peer: "192.0.2.1:999".parse().unwrap(),
        peer_name: None,
        hello: "client\r\nDeliver-To: x".into(),
        tls: None,
        login: None,
        mechanism: String::new(),
        sender: "山@b.example".into(),
        parameters: Vec::new(),
        recipients: vec!["x@city.example".into(), "y@city.example".into()],
    }
}

/// Asks one that reads the request and answers so; also what it was asked. Hangs up afterwards, unless it is to be silent.
async fn asked(answer: &'static [u8]) -> (RspamdSaid, String) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let at = Address::Tcp("127.0.0.1".into(), listener.local_addr().unwrap().port());
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"the message") {
            let mut piece = [0; 1000];
            let count = stream.read(&mut piece).await.unwrap();
            assert!(count > 0);
            request.extend_from_slice(&piece[..count]);
        }
        stream.write_all(answer).await.unwrap();
        if answer.is_empty() {
            // Until the client has given up.
            drop(stream.read(&mut [0; 1]).await);
        }
        String::from_utf8(request).unwrap()
    });
    let limits = RspamdLimits {
        time: Duration::from_secs(1),
        ..RspamdLimits::default()
    };
    let rspamd = Rspamd::new(at, limits);
    let said = rspamd
        .ask(&envelope(), Arc::new(b"the message".to_vec()))
        .await;
    (said, serving.await.unwrap())
}

#[tokio::test]
async fn it_is_told_of_the_envelope_and_says_what_it_thinks() {
    let (said, request) = asked(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
          82\r\n{\"action\":\"add header\",\"score\":7.349,\"required_score\":15,\"symbols\":{\"A\":{\"score\":-1,\"x\":[]},\"B\":{\"score\":8.3}},\"future\":{\"a\":[1]}}\r\n0\r\n\r\n",
    )
    .await;
    assert_eq!(said.action, Some(RspamdAction::AddHeader), "{said:?}");
    let text = serde_json::to_string(&said).unwrap();
    assert_eq!(
        text,
        "{\"action\":\"add-header\",\"score\":7.35,\"required\":15.0,\"symbols\":[{\"name\":\"B\",\"score\":8.3},{\"name\":\"A\",\"score\":-1.0}]}"
    );
    assert_eq!(serde_json::from_str::<RspamdSaid>(&text).unwrap(), said);
    assert!(
        request.starts_with("POST /checkv2 HTTP/1.1\r\n"),
        "{request}"
    );
    for field in [
        "ip: 192.0.2.1",
        "helo: client??Deliver-To: x",
        "from: 山@b.example",
        "rcpt: x@city.example",
        "rcpt: y@city.example",
        "queue-id: q1",
        "content-length: 11",
    ] {
        assert!(
            request.contains(&format!("\r\n{field}\r\n")),
            "{field}: {request}"
        );
    }
}

#[tokio::test]
async fn what_is_not_understood_is_no_answer() {
    for (answer, why) in [
        (&b""[..], "in time"),
        (b"nonsense\r\n\r\n", "broke"),
        (b"HTTP/1.1 500 Bad\r\nContent-Length: 0\r\n\r\n", "500"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "not understood"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{}", "broke"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 51\r\n\r\n{\"action\":\"burn\",\"score\":1,\"required_score\":1     }",
            "burn",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 72\r\n\r\n{\"action\":\"reject\",\"score\":1,\"required_score\":1,\"symbols\":{\"A\":{}}     }",
            "no score",
        ),
    ] {
        let (said, _) = asked(answer).await;
        assert_eq!(said.action, None);
        assert!(said.reason.contains(why), "{why}: {said:?}");
    }
}

#[test]
fn however_much_matched_it_fits() {
    let symbols: Vec<String> = (0..500)
        .map(|number| format!("\"{}{number}\":{{\"score\":{number}}}", "長".repeat(100)))
        .collect();
    let text = format!(
        "{{\"action\":\"reject\",\"score\":1e300,\"required_score\":-1e300,\"symbols\":{{{}}}}}",
        symbols.join(",")
    );
    let said = parse(text.as_bytes()).unwrap();
    assert_eq!((said.symbols.len(), said.more_symbols), (16, 484));
    assert!(serde_json::to_string(&said).unwrap().len() < 4096);
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let at = Address::Tcp("127.0.0.1".into(), listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let begun = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n";
        stream.write_all(begun).await.unwrap();
        while stream.write_all(&[b' '; 65536]).await.is_ok() {}
    });
    let said = Rspamd::new(at, RspamdLimits::default())
        .ask(&envelope(), Arc::new(b"the message".to_vec()))
        .await;
    assert!(said.reason.contains("1 MiB"), "{said:?}");
}
