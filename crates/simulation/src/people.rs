//! The site before its history begins: three people with mailboxes.

use std::sync::OnceLock;

use directory::{
    Directory, Role,
    command::{Caller, account, arrival, bootstrap, order, person, role},
};
use message::address::Address;
use store::Store;
use world::Timestamp;

use crate::{
    chance::Chance,
    disk::{Image, SimulatedDisk, Weather},
    history,
    server::{SITE, directory_options, world},
};

/// Their addresses.
pub(crate) const PEOPLE: [&str; 3] = ["taro@example.jp", "jiro@example.jp", "hana@example.jp"];

/// The operating-system user who founds the site and looks after its queue.
pub(crate) const ADMINISTRATOR: &str = "chief";

/// A disk with the site on it.
#[derive(Clone)]
pub(crate) struct Founded {
    pub(crate) image: Image,
    /// In the order of [`PEOPLE`].
    pub(crate) passwords: [String; 3],
}

/// When every history begins.
pub(crate) fn beginning() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap_or_default()
}

/// The site that every history begins with, made once, and the same in every process: on a thread of its own with a seed of its own.
#[allow(clippy::expect_used, reason = "without it there is nothing to test")]
pub(crate) fn founded() -> &'static Founded {
    static FOUNDED: OnceLock<Founded> = OnceLock::new();
    FOUNDED.get_or_init(|| {
        let founding = || {
            crate::system_chance::seed(FOUNDING);
            history::runtime()
                .expect("a runtime can be made")
                .block_on(found())
                .expect("a site can be made on a disk that does not fail")
        };
        let thread = std::thread::Builder::new().name("founding".to_owned());
        let thread = thread.spawn(founding).expect("a thread can be started");
        thread.join().expect("the site was made")
    })
}

/// The seed of all that is before the first life.
const FOUNDING: u64 = 0;

type Failure = Box<dyn std::error::Error>;

async fn found() -> Result<Founded, Failure> {
    let chance = Chance::new(FOUNDING);
    let disk = SimulatedDisk::new(&Image::default(), chance.clone(), Weather::default())?;
    let world = world(beginning(), &chance);
    let store = Store::open_on(
        std::path::Path::new(SITE),
        &store::Options::default(),
        world.clone(),
        std::sync::Arc::new(disk.clone()),
    )?;
    let directory = Directory::new(store.clone(), world, directory_options());
    bootstrap(&store, ADMINISTRATOR, ADMINISTRATOR).await?;
    let chief = Caller::of_user(&directory, ADMINISTRATOR, "simulation").await?;
    let officers = [
        ("deputy", Role::SystemOfficer),
        ("manager", Role::AccountManager),
    ];
    for (name, part) in officers {
        add(&chief, name).await?;
        role::grant(&chief, name, part).await?;
    }
    let deputy = Caller::of_user(&directory, "deputy", "simulation").await?;
    let manager = Caller::of_user(&directory, "manager", "simulation").await?;
    let mut passwords = [const { String::new() }; 3];
    for (person, password) in PEOPLE.iter().zip(&mut passwords) {
        let (name, _) = person.split_once('@').unwrap_or((person, ""));
        add(&chief, name).await?;
        let args = order::IssueOrder {
            for_person: name.to_owned(),
            address: Address::parse(person)?,
            name: None,
            quota: None,
        };
        // Who announced somebody does not order for them.
        let number = order::issue(&deputy, args).await?;
        order::approve(&chief, number).await?;
        let args = account::Issue {
            order: number,
            address: None,
            shown: false,
        };
        let issued = account::issue(&manager, args).await?;
        *password = issued.password.expose_str().unwrap_or_default().to_owned();
    }
    drop((chief, deputy, manager, directory));
    store.close().await;
    Ok(Founded {
        image: disk.cut(),
        passwords,
    })
}

async fn add(chief: &Caller, name: &str) -> Result<(), Failure> {
    let args = person::Add {
        name: name.to_owned(),
        full_name: None,
        os_user: Some(name.to_owned()),
    };
    person::add(chief, args).await?;
    arrival::acknowledge(chief, name, true).await?;
    Ok(())
}
