//! THREAD (RFC 5256, section 3): REFERENCES and ORDEREDSUBJECT.
//!
//! A thread can be as deep as a mailbox is large, so nothing here recurses.

use std::collections::HashMap;

use jiff::Timestamp;
use protocol::imap::ThreadNode;

/// What threading needs of a message. Texts are only compared for being the same, so that digests of them do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Threadable {
    /// The number that is answered: UID or sequence number.
    pub number: u32,
    /// Message-ID.
    pub id: Option<u64>,
    /// References, or the first of In-Reply-To when there are none; oldest first.
    pub references: Box<[u64]>,
    /// Base subject; nothing when it is empty.
    pub subject: Option<u64>,
    /// Whether the subject is that of a reply or a forward.
    pub is_reply: bool,
    /// Sent date, or INTERNALDATE.
    pub date: Timestamp,
}

/// A message in a forest, or what stands for one that is not there.
#[derive(Debug, Default)]
struct Node {
    /// Index into the messages.
    message: Option<usize>,
    parent: Option<usize>,
    children: Vec<usize>,
}

struct Forest<'a> {
    messages: &'a [Threadable],
    nodes: Vec<Node>,
}

/// The REFERENCES algorithm. `messages` stand in the order of their sequence numbers.
pub(crate) fn by_references(messages: &[Threadable]) -> Vec<ThreadNode> {
    let mut forest = Forest {
        messages,
        nodes: Vec::with_capacity(messages.len()),
    };
    forest.link();
    let mut roots = forest.pruned_roots();
    forest.sort_siblings(&mut roots, false);
    let mut roots = forest.merge_subjects(&roots);
    forest.sort_siblings(&mut roots, true);
    forest.trees(&roots)
}

/// The ORDEREDSUBJECT algorithm (poor man's threading).
pub(crate) fn by_subject(messages: &[Threadable]) -> Vec<ThreadNode> {
    let mut sorted: Vec<&Threadable> = messages.iter().collect();
    sorted.sort_by_key(|message| (message.subject, message.date));
    let mut threads: Vec<&[&Threadable]> = sorted.chunk_by(|a, b| a.subject == b.subject).collect();
    threads.sort_by_key(|thread| thread.first().map(|first| (first.date, first.number)));
    let leaf = |message: &&Threadable| {
        let mut node = ThreadNode::default();
        node.number = Some(message.number);
        node
    };
    let trees = threads.into_iter().filter_map(|thread| {
        let (first, rest) = thread.split_first()?;
        let mut tree = leaf(first);
        tree.children = rest.iter().map(leaf).collect();
        Some(tree)
    });
    trees.collect()
}

impl Forest<'_> {
    fn node(&self, index: usize) -> Option<&Node> {
        self.nodes.get(index)
    }

    fn add(&mut self, message: Option<usize>) -> usize {
        self.nodes.push(Node {
            message,
            ..Node::default()
        });
        self.nodes.len().saturating_sub(1)
    }

    /// Step 1: a tree of messages by their references.
    fn link(&mut self) {
        let messages = self.messages;
        let mut by_id: HashMap<u64, usize> = HashMap::new();
        for (index, message) in messages.iter().enumerate() {
            let own = self.node_of_message(index, message, &mut by_id);
            let mut previous = None;
            for reference in &message.references {
                let node = *by_id.entry(*reference).or_insert_with(|| self.add(None));
                if let Some(parent) = previous
                    && self.node(node).is_some_and(|node| node.parent.is_none())
                {
                    self.adopt(parent, node);
                }
                previous = Some(node);
            }
            // Step 1B: what the message itself says of its parent counts more than what others said.
            if let Some(parent) = previous
                && !self.is_under(parent, own)
            {
                self.detach(own);
                self.adopt(parent, own);
            }
        }
    }

    fn node_of_message(
        &mut self,
        index: usize,
        message: &Threadable,
        by_id: &mut HashMap<u64, usize>,
    ) -> usize {
        let Some(id) = message.id else {
            return self.add(Some(index));
        };
        match by_id.get(&id) {
            Some(&node) => match self.nodes.get_mut(node) {
                Some(dummy) if dummy.message.is_none() => {
                    dummy.message = Some(index);
                    node
                }
                // A second message of the same id stands by itself.
                _ => self.add(Some(index)),
            },
            None => {
                let node = self.add(Some(index));
                by_id.insert(id, node);
                node
            }
        }
    }

    /// Whether `node` is `root` or stands below it.
    fn is_under(&self, node: usize, root: usize) -> bool {
        if node == root {
            return true;
        }
        if self.node(root).is_none_or(|root| root.children.is_empty()) {
            return false;
        }
        let mut above = self.node(node).and_then(|node| node.parent);
        while let Some(index) = above {
            if index == root {
                return true;
            }
            above = self.node(index).and_then(|node| node.parent);
        }
        false
    }

    /// Makes `child` a child of `parent`, unless that would make a loop.
    fn adopt(&mut self, parent: usize, child: usize) {
        if self.is_under(parent, child) {
            return;
        }
        if let Some(node) = self.nodes.get_mut(child) {
            node.parent = Some(parent);
        }
        if let Some(node) = self.nodes.get_mut(parent) {
            node.children.push(child);
        }
    }

    fn detach(&mut self, child: usize) {
        let parent = self
            .nodes
            .get_mut(child)
            .and_then(|node| node.parent.take());
        if let Some(parent) = parent.and_then(|parent| self.nodes.get_mut(parent)) {
            parent.children.retain(|&other| other != child);
        }
    }

    /// Steps 2 and 3: the roots, without dummies that hold nothing together.
    fn pruned_roots(&mut self) -> Vec<usize> {
        let all_roots: Vec<usize> = (0..self.nodes.len())
            .filter(|&index| self.node(index).is_some_and(|node| node.parent.is_none()))
            .collect();
        // Children before parents, so that what a dummy promotes is pruned already.
        for index in self.top_down(&all_roots).into_iter().rev() {
            self.promote_under(index);
        }
        let mut roots = Vec::with_capacity(all_roots.len());
        for root in all_roots {
            let Some(node) = self.nodes.get_mut(root) else {
                continue;
            };
            match (node.message, node.children.as_slice()) {
                (Some(_), _) | (None, [_, _, ..]) => roots.push(root),
                (None, &[only]) => {
                    node.children.clear();
                    if let Some(child) = self.nodes.get_mut(only) {
                        child.parent = None;
                    }
                    roots.push(only);
                }
                (None, []) => {}
            }
        }
        roots
    }

    /// Puts the children of dummies among the children of `index` in place of those dummies.
    fn promote_under(&mut self, index: usize) {
        let Some(node) = self.nodes.get_mut(index) else {
            return;
        };
        let children = std::mem::take(&mut node.children);
        let mut kept = Vec::with_capacity(children.len());
        for child in children {
            match self.nodes.get_mut(child) {
                Some(dummy) if dummy.message.is_none() => kept.append(&mut dummy.children),
                _ => kept.push(child),
            }
        }
        for child in &kept {
            if let Some(child) = self.nodes.get_mut(*child) {
                child.parent = Some(index);
            }
        }
        if let Some(node) = self.nodes.get_mut(index) {
            node.children = kept;
        }
    }

    /// All nodes at and below `roots`, parents before children.
    fn top_down(&self, roots: &[usize]) -> Vec<usize> {
        let mut order = roots.to_vec();
        let mut next = 0;
        while let Some(&index) = order.get(next) {
            if let Some(node) = self.node(index) {
                order.extend_from_slice(&node.children);
            }
            next = next.saturating_add(1);
        }
        order
    }

    /// Steps 4 and 6: siblings by sent date; with `all`, at every level. A dummy has the date of its first child.
    fn sort_siblings(&mut self, roots: &mut [usize], all: bool) {
        for index in self.top_down(roots).into_iter().rev() {
            let is_dummy = self.node(index).is_some_and(|node| node.message.is_none());
            if all || is_dummy {
                let mut children = match self.nodes.get_mut(index) {
                    Some(node) => std::mem::take(&mut node.children),
                    None => continue,
                };
                children.sort_by_cached_key(|&child| self.date_of(child));
                if let Some(node) = self.nodes.get_mut(index) {
                    node.children = children;
                }
            }
        }
        roots.sort_by_cached_key(|&root| self.date_of(root));
    }

    /// The message that speaks for a node: its own, or its first child's.
    fn speaker(&self, mut index: usize) -> Option<&Threadable> {
        loop {
            let node = self.node(index)?;
            match node.message {
                Some(message) => return self.messages.get(message),
                None => index = *node.children.first()?,
            }
        }
    }

    /// Sent date, then the place in the mailbox: both decide (section 2.2).
    fn date_of(&self, index: usize) -> Option<(Timestamp, u32)> {
        self.speaker(index)
            .map(|message| (message.date, message.number))
    }

    /// Step 5: threads of one base subject become one.
    fn merge_subjects(&mut self, roots: &[usize]) -> Vec<usize> {
        let mut chosen = self.chosen_by_subject(roots);
        let mut merged: Vec<Option<usize>> = roots.iter().copied().map(Some).collect();
        let mut place: HashMap<usize, usize> = roots.iter().copied().zip(0..).collect();
        for (position, &root) in roots.iter().enumerate() {
            let speaker = self.speaker(root);
            let Some((subject, is_reply)) =
                speaker.and_then(|message| Some((message.subject?, message.is_reply)))
            else {
                continue;
            };
            let Some(target) = chosen.get(&subject).copied().filter(|&t| t != root) else {
                continue;
            };
            let is_dummy = |forest: &Self, index| {
                forest
                    .node(index)
                    .is_some_and(|node| node.message.is_none())
            };
            let target_is_reply = self.speaker(target).is_some_and(|message| message.is_reply);
            match (is_dummy(self, target), is_dummy(self, root)) {
                (true, true) => {
                    let children = match self.nodes.get_mut(root) {
                        Some(node) => std::mem::take(&mut node.children),
                        None => Vec::new(),
                    };
                    for child in children {
                        self.adopt_root(target, child);
                    }
                }
                (true, false) => self.adopt_root(target, root),
                (false, false) if is_reply && !target_is_reply => {
                    self.adopt_root(target, root);
                }
                _ => {
                    let dummy = self.add(None);
                    self.adopt_root(dummy, target);
                    self.adopt_root(dummy, root);
                    if let Some(at) = place.remove(&target) {
                        if let Some(slot) = merged.get_mut(at) {
                            *slot = Some(dummy);
                        }
                        place.insert(dummy, at);
                    }
                    chosen.insert(subject, dummy);
                }
            }
            if let Some(slot) = merged.get_mut(position) {
                *slot = None;
            }
        }
        merged.into_iter().flatten().collect()
    }

    /// Steps 5A and 5B: the thread that others of its subject join.
    fn chosen_by_subject(&self, roots: &[usize]) -> HashMap<u64, usize> {
        let mut chosen: HashMap<u64, usize> = HashMap::new();
        for &root in roots {
            let speaker = self.speaker(root);
            let Some((subject, is_reply)) =
                speaker.and_then(|message| Some((message.subject?, message.is_reply)))
            else {
                continue;
            };
            let Some(&old) = chosen.get(&subject) else {
                chosen.insert(subject, root);
                continue;
            };
            let is_dummy = |index| self.node(index).is_some_and(|node| node.message.is_none());
            let old_is_reply = self.speaker(old).is_some_and(|message| message.is_reply);
            if (is_dummy(root) && !is_dummy(old)) || (!is_dummy(old) && old_is_reply && !is_reply) {
                chosen.insert(subject, root);
            }
        }
        chosen
    }

    fn adopt_root(&mut self, parent: usize, child: usize) {
        if let Some(node) = self.nodes.get_mut(child) {
            node.parent = Some(parent);
        }
        if let Some(node) = self.nodes.get_mut(parent) {
            node.children.push(child);
        }
    }

    /// The trees as the protocol writes them, built from the leaves up.
    fn trees(&self, roots: &[usize]) -> Vec<ThreadNode> {
        let mut built: HashMap<usize, ThreadNode> = HashMap::new();
        for index in self.top_down(roots).into_iter().rev() {
            let Some(node) = self.node(index) else {
                continue;
            };
            let mut tree = ThreadNode::default();
            let message = node.message.and_then(|message| self.messages.get(message));
            tree.number = message.map(|message| message.number);
            tree.children = node
                .children
                .iter()
                .filter_map(|child| built.remove(child))
                .collect();
            built.insert(index, tree);
        }
        roots.iter().filter_map(|root| built.remove(root)).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

    use message::text::base_subject;

    fn message(number: u32, id: &str, references: &str, subject: &str) -> Threadable {
        Threadable {
            number,
            id: digest(id),
            references: references.split_whitespace().filter_map(digest).collect(),
            subject: digest(&subject_text(subject)),
            is_reply: base_subject(subject).is_reply,
            date: Timestamp::from_second(i64::from(number)).unwrap(),
        }
    }

    fn digest(text: &str) -> Option<u64> {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        (!text.is_empty()).then(|| hasher.hash_one(text))
    }

    fn subject_text(subject: &str) -> String {
        message::text::fold(&base_subject(subject).text)
    }

    fn written(threads: &[ThreadNode]) -> String {
        let mut out = protocol::imap::Encoder::new();
        out.thread(threads);
        let text = String::from_utf8(out.take()).unwrap();
        text.trim_end().trim_start_matches("* THREAD ").to_owned()
    }

    #[test]
    fn chains_are_flat_and_branches_in_parentheses() {
        let all = [
            message(1, "a", "", "s"),
            message(2, "b", "a", "Re: s"),
            message(3, "c", "a b", "Re: s"),
            message(4, "d", "a b c", "Re: s"),
            message(5, "e", "a b", "Re: s"),
            message(6, "f", "", "other"),
        ];
        assert_eq!(written(&by_references(&all)), "(1 2 (3 4)(5))(6)");
    }

    #[test]
    fn missing_parents_hold_children_together_at_the_top_only() {
        let all = [
            message(1, "b", "x", "one"),
            message(2, "c", "x", "two"),
            message(3, "d", "y", "three"),
            message(4, "e", "b z", "four"),
        ];
        assert_eq!(written(&by_references(&all)), "((1 4)(2))(3)");
    }

    #[test]
    fn loops_and_doubled_ids_are_survived() {
        let all = [
            message(1, "a", "b", "x"),
            message(2, "b", "a", "y"),
            message(3, "a", "a", "z"),
            message(4, "", "", "w"),
            message(5, "s", "s", "v"),
        ];
        let threads = written(&by_references(&all));
        for number in 1..=5 {
            assert_eq!(threads.matches(&number.to_string()).count(), 1, "{threads}");
        }
    }

    #[test]
    fn subjects_join_threads() {
        // A reply without references joins the original; two originals of a subject stand side by side.
        let all = [
            message(1, "a", "", "lunch"),
            message(2, "b", "", "Re: lunch"),
            message(3, "c", "", "Lunch"),
            message(4, "d", "", ""),
            message(5, "e", "", ""),
        ];
        assert_eq!(written(&by_references(&all)), "((1 2)(3))(4)(5)");
        // A reply that came first is put under the original.
        let all = [
            message(1, "a", "", "Re: lunch"),
            message(2, "b", "", "lunch"),
        ];
        assert_eq!(written(&by_references(&all)), "(2 1)");
    }

    #[test]
    fn dummies_of_one_subject_become_one() {
        let all = [
            message(1, "a", "x", "s"),
            message(2, "b", "x", "t"),
            message(3, "c", "y", "s"),
            message(4, "d", "y", "u"),
            message(5, "e", "", "s"),
        ];
        assert_eq!(written(&by_references(&all)), "((1)(2)(3)(4)(5))");
    }

    #[test]
    fn a_very_deep_thread_needs_no_stack() {
        let all: Vec<_> = (1..=50_000)
            .map(|n| message(n, &format!("m{n}"), &format!("m{}", n - 1), "s"))
            .collect();
        let threads = written(&by_references(&all));
        assert!(threads.starts_with("(1 2 3 ") && threads.ends_with(" 50000)"));
    }

    #[test]
    fn ordered_subject_is_the_poor_mans_way() {
        let mut all = [
            message(1, "", "", "b"),
            message(2, "", "", "a"),
            message(3, "", "", "Re: b"),
            message(4, "", "", "Re: b"),
            message(5, "", "", "Re: a"),
        ];
        assert_eq!(written(&by_subject(&all)), "(1 (3)(4))(2 5)");
        all[0].date = Timestamp::from_second(10).unwrap();
        assert_eq!(written(&by_subject(&all)), "(2 5)(3 (4)(1))");
    }
}
