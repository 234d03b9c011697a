//! Content on its way in, and its end.

use super::{
    super::{
        answer::EndAnswer,
        content::Content,
        event::{Abort, CloseReason, ContentDefect, EndOfData, Event},
    },
    Chunk, Phase, Session, Waiting,
    command::too_big,
};
use crate::smtp::{BodyKind, Detail, Refusal, Reply};

impl Session {
    pub(super) fn new_content(&self) -> Content {
        let limits = &self.config.limits;
        Content::new(
            limits.data_line,
            limits.message_size,
            limits.drained_content,
        )
    }

    /// Reads content after DATA. Whether there was any input.
    pub(super) fn read_data(&mut self) -> bool {
        if self.input.is_empty() {
            return false;
        }
        let Phase::Data(content) = &mut self.phase else {
            return false;
        };
        let mut body = Vec::with_capacity(self.input.len());
        let progress = content.data(&self.input, &mut body);
        let hopeless = content.is_hopeless().then(|| content.defect()).flatten();
        self.input.drain(..progress.used);
        self.give_body(body);
        if progress.ended {
            if let Phase::Data(content) = std::mem::replace(&mut self.phase, Phase::Command) {
                self.end_content(&content, false);
            }
        } else if let Some(defect) = hopeless {
            self.give_up(defect);
        }
        true
    }

    /// Reads octets of a BDAT chunk. Whether anything was done.
    pub(super) fn read_chunk(&mut self) -> bool {
        let Phase::Chunk(chunk) = &mut self.phase else {
            return false;
        };
        if self.input.is_empty() && chunk.remaining > 0 {
            return false;
        }
        let wanted = usize::try_from(chunk.remaining).unwrap_or(usize::MAX);
        let taken = wanted.min(self.input.len());
        let octets: Vec<u8> = self.input.drain(..taken).collect();
        chunk.remaining = chunk
            .remaining
            .saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX));
        let (done, discard) = (chunk.remaining == 0, chunk.refusal.is_some());

        let mut hopeless = None;
        if !discard && let Some(open) = &mut self.open {
            let binary = open.mail.body == BodyKind::BinaryMime;
            if let Some(content) = &mut open.chunked {
                let mut body = Vec::with_capacity(octets.len());
                content.chunk(&octets, binary, &mut body);
                hopeless = content.is_hopeless().then(|| content.defect()).flatten();
                self.give_body(body);
            }
        }
        if let Some(defect) = hopeless {
            self.give_up(defect);
        } else if done
            && let Phase::Chunk(chunk) = std::mem::replace(&mut self.phase, Phase::Command)
        {
            self.end_chunk(chunk);
        }
        true
    }

    fn end_chunk(&mut self, chunk: Chunk) {
        if let Some(refusal) = chunk.refusal {
            if chunk.last {
                self.abort(Abort::Content(ContentDefect::Stopped, refusal.clone()));
            }
            return self.refuse_command("BDAT", &refusal);
        }
        let Some(open) = &mut self.open else { return };
        let binary = open.mail.body == BodyKind::BinaryMime;
        let Some(content) = &mut open.chunked else {
            return;
        };
        if chunk.last {
            content.finish_chunks(binary);
            if let Some(content) = open.chunked.take() {
                self.end_content(&content, true);
            }
        } else if let Some(defect) = content.defect() {
            // The transaction stays until RSET, so that further chunks are seen for what they are.
            open.failed = true;
            let refusal = self.content_refusal(defect);
            self.events
                .push_back(Event::Aborted(Abort::Content(defect, refusal.clone())));
            self.tell(&refusal);
        } else {
            let text = format!("{} octets so far", content.octets());
            self.say(&Reply::new::<250>(Detail::OTHER, &text));
        }
    }

    fn end_content(&mut self, content: &Content, chunked: bool) {
        if let Some(defect) = content.defect() {
            let refusal = self.content_refusal(defect);
            self.abort(Abort::Content(defect, refusal.clone()));
            return self.tell(&refusal);
        }
        let end = EndOfData {
            octets: content.octets(),
            chunked,
            eight_bit: content.eight_bit(),
        };
        self.ask(Waiting::EndOfData, |ticket| {
            Event::EndOfData(end, EndAnswer(ticket))
        });
    }

    fn content_refusal(&mut self, defect: ContentDefect) -> Refusal {
        match defect {
            ContentDefect::BareNewline => {
                self.signals.bare_newline = true;
                Refusal::new::<554>(
                    Detail::CONTENT,
                    "The message has a CR or LF by itself; lines end in CR LF",
                )
            }
            ContentDefect::LineTooLong => {
                Refusal::new::<554>(Detail::CONTENT, "The message has a line that is too long")
            }
            ContentDefect::TooBig => too_big(),
            ContentDefect::Stopped => self.stopped.take().unwrap_or_else(Refusal::temporary),
        }
    }

    fn give_body(&mut self, body: Vec<u8>) {
        if !body.is_empty() {
            self.events.push_back(Event::Body(body));
        }
    }

    /// Ends the session of a peer that goes on and on with a content that is refused already.
    fn give_up(&mut self, defect: ContentDefect) {
        let refusal = too_big();
        self.abort(Abort::Content(defect, refusal.clone()));
        self.close_with(&refusal, CloseReason::Limit);
    }
}
