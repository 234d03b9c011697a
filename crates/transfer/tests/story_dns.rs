//! The resolver against a name server on loopback: what is there, what is not, and what cannot be learnt.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{net::SocketAddr, time::Duration};

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA, MX, SOA},
    },
};
use message::address::Domain;
use tokio::net::UdpSocket;
use transfer::{Answer, Dns, Dnssec, HickoryResolver, Mx, Resolver};

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

/// A name server for a few names under `example.`
async fn serve() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((count, peer)) = socket.recv_from(&mut buffer).await {
            let question = Message::from_vec(&buffer[..count]).unwrap();
            if let Some(reply) = answer(&question) {
                socket
                    .send_to(&reply.to_vec().unwrap(), peer)
                    .await
                    .unwrap();
            }
        }
    });
    at
}

fn answer(question: &Message) -> Option<Message> {
    let query = question.queries.first().unwrap();
    let mut reply = question.clone().into_response();
    let asked = query.name().to_ascii().to_ascii_lowercase();
    let data: Vec<RData> = match (asked.as_str(), query.query_type()) {
        ("many.example.", RecordType::MX) => vec![
            RData::MX(MX::new(20, name("b.example."))),
            RData::MX(MX::new(10, name("A.example."))),
        ],
        ("null.example.", RecordType::MX) => vec![RData::MX(MX::new(0, Name::root()))],
        ("bad.example.", RecordType::MX) => vec![RData::MX(MX::new(0, name("192.0.2.1.")))],
        ("a.example.", RecordType::A) => vec![RData::A(A::new(192, 0, 2, 1))],
        ("a.example.", RecordType::AAAA) => {
            vec![RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))]
        }
        ("silent.example.", _) => return None,
        ("broken.example.", _) => {
            reply.metadata.response_code = ResponseCode::ServFail;
            return Some(reply);
        }
        ("gone.example.", _) => {
            reply.metadata.response_code = ResponseCode::NXDomain;
            Vec::new()
        }
        _ => Vec::new(),
    };
    if data.is_empty() {
        let soa = SOA::new(
            name("ns.example."),
            name("root.example."),
            1,
            60,
            60,
            60,
            60,
        );
        reply.add_authority(Record::from_rdata(name("example."), 60, RData::SOA(soa)));
    }
    for data in data {
        reply.add_answer(Record::from_rdata(query.name().clone(), 60, data));
    }
    Some(reply)
}

#[tokio::test]
async fn answers_are_told_apart() {
    let dns = Dns {
        servers: vec![serve().await],
        timeout: Some(Duration::from_millis(300)),
        dnssec: Dnssec::Off,
    };
    let resolver = HickoryResolver::new(&dns).unwrap();
    let Answer::Found(mut many) = resolver.mx(&domain("many.example")).await.answer else {
        panic!()
    };
    many.sort_by_key(|mx| mx.preference);
    assert_eq!(
        many,
        [
            Mx {
                preference: 10,
                host: Some(domain("a.example"))
            },
            Mx {
                preference: 20,
                host: Some(domain("b.example"))
            },
        ]
    );
    assert_eq!(
        resolver.mx(&domain("null.example")).await.answer,
        Answer::Found(vec![Mx {
            preference: 0,
            host: None
        }])
    );
    assert_eq!(
        resolver.mx(&domain("gone.example")).await.answer,
        Answer::NoName
    );
    assert_eq!(
        resolver.mx(&domain("a.example")).await.answer,
        Answer::NoRecords
    );
    for name in ["bad.example", "broken.example", "silent.example"] {
        let answer = resolver.mx(&domain(name)).await.answer;
        assert!(matches!(answer, Answer::Temporary(_)), "{name}: {answer:?}");
    }
    assert_eq!(
        resolver.a(&domain("a.example")).await.answer,
        Answer::Found(vec!["192.0.2.1".parse().unwrap()])
    );
    assert_eq!(
        resolver.aaaa(&domain("a.example")).await.answer,
        Answer::Found(vec!["2001:db8::1".parse().unwrap()])
    );
    assert_eq!(
        resolver.aaaa(&domain("b.example")).await.answer,
        Answer::NoRecords
    );
}
