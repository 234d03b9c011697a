//! A site with people of every part, over a real store, on a clock that is moved by hand.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

pub mod device;

use std::{net::IpAddr, time::Duration};

use directory::{
    Attempt, Directory, Login, Options, OwnDomain, Refusal, Role, Service,
    command::{Caller, account, arrival, bootstrap, order, person, role},
    passkey,
};
use hmac::{Hmac, KeyInit, Mac};
use message::address::{Address, Domain};
use protocol::sasl::Secret;
use store::{Snapshot, Store, event::Filter};
use trail::{Kind, Recorded};
use world::{Clock as _, ManualClock, Random, Timestamp, World};

pub struct Site {
    pub directory: Directory,
    pub store: Store,
    pub clock: ManualClock,
    pub options: Options,
    world: World,
    _folder: tempfile::TempDir,
}

pub const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9));

pub fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

pub fn options() -> Options {
    let own = |name| OwnDomain {
        name: Domain::parse(name).unwrap(),
        catch_all: None,
    };
    Options {
        domains: vec![own("example.jp"), own("branch.example.jp")],
        argon2_memory_kib: 64,
        argon2_passes: 1,
        scram_iterations: 4096,
        concurrent_checks: 2,
        // What it demands is shown by the stories about it.
        password_needs_order: false,
        ..Options::default()
    }
}

pub fn attempt(mechanism: &'static str) -> Attempt {
    Attempt {
        service: Service::Mra,
        protocol: "imap",
        mechanism,
        peer: PEER,
        tls: true,
        client: Some("test".to_owned()),
    }
}

impl Site {
    /// chief and deputy are system officers, manager the account manager, clerk the personnel clerk, guard the
    /// security officer; each is the operating-system user of that name. taro and jiro are staff to be.
    pub async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(Timestamp::from_second(1_790_000_000).unwrap());
        let world = World::new(clock.clone(), SystemRandom);
        let store = Store::open(folder.path(), &store::Options::default(), world.clone()).unwrap();
        let options = options();
        let directory = Directory::new(store.clone(), world.clone(), options.clone());
        bootstrap(&store, "chief", "chief").await.unwrap();
        let site = Self {
            directory,
            store,
            clock,
            options,
            world,
            _folder: folder,
        };
        let chief = site.caller("chief").await;
        for (name, part) in [
            ("deputy", Some(Role::SystemOfficer)),
            ("manager", Some(Role::AccountManager)),
            ("clerk", Some(Role::PersonnelClerk)),
            ("guard", Some(Role::SecurityOfficer)),
            ("taro", None),
            ("jiro", None),
        ] {
            let add = person::Add {
                name: name.into(),
                full_name: None,
                os_user: Some(name.into()),
            };
            // The clerk announces who is staff, since the chief orders for them.
            let by = if part.is_some() { "chief" } else { "clerk" };
            let by = site.caller(by).await;
            person::add(&by, add).await.unwrap();
            arrival::acknowledge(&by, name, true).await.unwrap();
            if let Some(part) = part {
                role::grant(&chief, name, part).await.unwrap();
            }
        }
        let clerk = site.caller("clerk").await;
        for name in ["deputy", "manager", "guard"] {
            arrival::announce(&clerk, name).await.unwrap();
        }
        arrival::acknowledge(&chief, "chief", false).await.unwrap();
        role::revoke(&chief, "chief", Role::AccountManager)
            .await
            .unwrap();
        site
    }

    pub async fn caller(&self, user: &str) -> Caller {
        Caller::of_user(&self.directory, user, "test")
            .await
            .unwrap()
    }

    /// A second process over the same store: nothing remembered in memory.
    pub fn restarted(&self) -> Directory {
        Directory::new(self.store.clone(), self.world.clone(), self.options.clone())
    }

    pub async fn order_issue(&self, whom: &str, what: &str) -> i64 {
        let args = order::IssueOrder {
            for_person: whom.into(),
            address: address(what),
            name: None,
            quota: None,
        };
        order::issue(&self.caller("chief").await, args)
            .await
            .unwrap()
    }

    pub async fn approve(&self, number: i64) {
        order::approve(&self.caller("deputy").await, number)
            .await
            .unwrap();
    }

    /// The whole chain; returns the initial password.
    pub async fn issue(&self, whom: &str, what: &str) -> Secret {
        let number = self.order_issue(whom, what).await;
        self.approve(number).await;
        let args = account::Issue {
            order: number,
            address: None,
            shown: false,
        };
        account::issue(&self.caller("manager").await, args)
            .await
            .unwrap()
            .password
    }

    pub async fn login(&self, identifier: &str, password: &Secret) -> Result<Login, Refusal> {
        self.directory
            .authenticate(&attempt("PLAIN"), identifier, password.expose())
            .await
    }

    pub async fn events(&self, kind: Kind) -> Vec<Recorded> {
        let filter = Filter {
            kinds: vec![kind],
            ..Filter::default()
        };
        self.store
            .read(move |snapshot: &mut Snapshot<'_>| {
                store::event::search(snapshot, &filter, 10_000)
            })
            .await
            .unwrap()
    }

    pub async fn last_event(&self, kind: Kind) -> Recorded {
        self.events(kind)
            .await
            .pop()
            .unwrap_or_else(|| panic!("no event {}", kind.as_str()))
    }

    /// Reason of the newest failed login.
    pub async fn last_reason(&self) -> String {
        let event = self.last_event(Kind::AuthenticationFailed).await.event;
        event
            .detail
            .get("reason")
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// The code of `secret` at the site's time (RFC 6238), by the letter of the standard.
    pub fn code(&self, secret: &Secret) -> String {
        let secret = data_encoding::BASE32_NOPAD.decode(secret.expose()).unwrap();
        let step = u64::try_from(self.clock.now().as_second()).unwrap() / 30;
        let mut mac = Hmac::<sha1::Sha1>::new_from_slice(&secret).unwrap();
        mac.update(&step.to_be_bytes());
        let hash = mac.finalize().into_bytes();
        let at = usize::from(hash[19] & 15);
        let number = u32::from_be_bytes(hash[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }

    pub fn days(&self, days: u64) {
        self.clock.advance(Duration::from_secs(days * 24 * 60 * 60));
    }
}

struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        World::system().fill(bytes);
    }
}
