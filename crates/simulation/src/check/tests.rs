//! The checks can fail: each kind of broken promise is told of.

use trail::{Actor, Event, Kind, Recorded};

use super::{Found, Place, effects, numbers, onward};
use crate::{
    ledger::{Book, Flag, INBOX, Way},
    letter::Letter,
};
use store::mailbox::Flags;

const TARO: &str = "taro@example.jp";
const JIRO: &str = "jiro@example.jp";
const ALICE: &str = "alice@remote.example";

struct Scene {
    book: Book,
    found: Found,
    letter: Letter,
}

impl Scene {
    /// One letter from Taro to Jiro and Alice, acknowledged, delivered here and handed over there.
    fn new() -> Self {
        let mut book = Book::default();
        let letter = book.send(3, TARO, Way::Smtp);
        book.hand_over(letter, &[JIRO], &[ALICE.to_owned()]);
        book.acknowledge(letter);
        let mut scene = Self {
            book,
            found: Found::default(),
            letter,
        };
        let accepted = Event::new(Kind::SubmissionAccepted, Actor::System)
            .subject("q1")
            .detail("message_id", letter.message_id())
            .detail("recipients", vec![JIRO, ALICE]);
        scene.tell(accepted);
        let local = Event::new(Kind::DeliveryLocal, Actor::System).subject("q1");
        scene.tell(local.detail("recipients", vec![JIRO]));
        scene.ended(Kind::DeliveryRelayed);
        let taken = (letter.number, ALICE.to_owned());
        scene.book.delivered.insert(taken, 1);
        scene.place(Flags::default());
        scene
    }

    fn tell(&mut self, event: Event) {
        self.found.events.push(Recorded {
            id: 0,
            at: jiff(),
            version: 1,
            event,
        });
    }

    fn forget(&mut self, kind: Kind) {
        self.found.events.retain(|one| one.event.kind != kind);
    }

    fn ended(&mut self, kind: Kind) {
        let event = Event::new(kind, Actor::System).subject("q1");
        let name = match kind {
            Kind::QueueDiscarded | Kind::QueueBounced => "recipients",
            _ => "recipient",
        };
        self.tell(event.detail(name, ALICE));
    }

    fn place(&mut self, flags: Flags) {
        let place = Place {
            mailbox: INBOX,
            uid: 7,
            flags,
        };
        let key = (JIRO, self.letter.number);
        self.found.letters.insert(key, vec![place]);
        self.book.see(JIRO, INBOX, 7, self.letter.number);
    }

    fn told_of_failure(&mut self, times: u64) {
        let key = (TARO, self.letter.number, ALICE.to_owned());
        self.found.notices.insert(key, times);
    }

    /// The words of what is wrong.
    fn wrong(&self) -> String {
        let mut wrong = Vec::new();
        effects::check(&self.book, &self.found, &mut wrong);
        onward::check(&self.book, &self.found, &mut wrong);
        numbers(&self.book, &self.found, &mut wrong);
        wrong.join("\n")
    }

    #[track_caller]
    fn is_wrong(&self, words: &str) {
        let wrong = self.wrong();
        assert!(wrong.contains(words), "{words:?} is not in {wrong:?}");
    }
}

fn jiff() -> world::Timestamp {
    world::Timestamp::default()
}

#[test]
fn what_is_as_promised_is_not_wrong() {
    assert_eq!(Scene::new().wrong(), "");
}

#[test]
fn a_recipient_that_was_taken_and_forgotten_is_told_of() {
    let mut scene = Scene::new();
    scene.forget(Kind::DeliveryRelayed);
    scene.is_wrong("waits is false, ended []");
    let mut scene = Scene::new();
    let number = scene.letter.number;
    let sent = scene.book.letters.get_mut(&number);
    sent.into_iter()
        .for_each(|sent| sent.remote.push("bob@remote.example".to_owned()));
    scene.is_wrong("its event says");
    let mut scene = Scene::new();
    scene.found.events.clear();
    scene.is_wrong("was acknowledged, and no event says so");
}

#[test]
fn who_ends_twice_or_waits_besides_is_told_of() {
    let mut scene = Scene::new();
    scene.ended(Kind::DeliveryFailed);
    scene.is_wrong("ended [DeliveryRelayed, DeliveryFailed]");
    let mut scene = Scene::new();
    let queued = ("q1".to_owned(), ALICE.to_owned());
    scene.found.queued.insert(queued);
    scene.is_wrong("waits is true");
    let mut scene = Scene::new();
    scene.book.delivered.clear();
    scene.is_wrong("an event says that it was handed over");
}

#[test]
fn a_failure_is_told_once() {
    let mut scene = Scene::new();
    scene.forget(Kind::DeliveryRelayed);
    scene.ended(Kind::DeliveryFailed);
    scene.is_wrong("was told 0 times");
    scene.told_of_failure(1);
    assert_eq!(scene.wrong(), "");
    scene.told_of_failure(2);
    scene.is_wrong("was told 2 times");
    let mut scene = Scene::new();
    scene.told_of_failure(1);
    scene.is_wrong("was told 1 times");
}

#[test]
fn what_is_taken_out_of_the_queue_was_asked_for_and_has_its_event() {
    for (kind, failed) in [(Kind::QueueDiscarded, 0), (Kind::QueueBounced, 1)] {
        let mut scene = Scene::new();
        scene.forget(Kind::DeliveryRelayed);
        scene.ended(kind);
        scene.told_of_failure(failed);
        scene.is_wrong("and nobody asked");
        let key = ("q1".to_owned(), kind.as_str());
        scene.book.taken_out.entry(key).or_default().done = 1;
        assert_eq!(scene.wrong(), "");
        scene.forget(kind);
        scene.is_wrong("0 in events");
    }
}

#[test]
fn deliveries_and_marks_have_their_events_and_events_their_effects() {
    let mut scene = Scene::new();
    scene.forget(Kind::DeliveryLocal);
    scene.is_wrong("events say that it went to []");
    let mut scene = Scene::new();
    scene.book.held.clear();
    scene.is_wrong("where it never was");
    let mut scene = Scene::new();
    scene.place(Flags::SEEN);
    scene.is_wrong("nobody marked it");
    let key = (JIRO, scene.letter.number, Flag::Seen);
    scene.book.flagged.entry(key).or_default().done = 1;
    scene.is_wrong("and 0 events");
    let marked = Event::new(Kind::MessageFlagged, Actor::Identifier(JIRO.to_owned()))
        .subject(INBOX)
        .detail("uids", "7")
        .detail("change", "+FLAGS (\\Seen)");
    scene.tell(marked);
    assert_eq!(scene.wrong(), "");
    scene.place(Flags::default());
    scene.is_wrong("is false, and there are 1 events");
}
